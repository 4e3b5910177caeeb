package snapback.workloads;

import java.util.concurrent.ThreadLocalRandom;

/** Makes parts of file names that no other file has. */
final class Unique {
    static String name() {
        return String.format("%016x", ThreadLocalRandom.current().nextLong());
    }

    private Unique() {}
}
