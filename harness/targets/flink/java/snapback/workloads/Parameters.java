package snapback.workloads;

import java.io.Serializable;
import java.nio.file.Paths;
import java.util.HashMap;
import java.util.Map;

/**
 * The parameters of one job. Each is an argument {@code --name value}, and all are required:
 *
 * <ul>
 *   <li>{@code workload}: the name of the workload
 *   <li>{@code seed}: 64-bit integer that determines the keys and values
 *   <li>{@code splits}, {@code records}: number of splits, and of records in each, or in the longest
 *   <li>{@code uneven}: whether split s has s/(splits-1) of the records of the last split
 *   <li>{@code idle}: so many of the first splits are read after all other splits of their reader
 *   <li>{@code keys}: number of keys
 *   <li>{@code pause-us}: pause of a source after each record, per subtask, in microseconds
 *   <li>{@code slow-us}: the stateful operator spends this time on each record, in microseconds
 *   <li>{@code snapshot-ms}: the stateful operator's synchronous snapshot takes at least this long
 *   <li>{@code payload}: bytes that each record adds to the state of workload growing
 *   <li>{@code dir}: local directory for {@code progress/} and {@code committed/}; the job fails as
 *       long as a file {@code fail} exists in it
 * </ul>
 */
final class Parameters implements Serializable {
    private static final long serialVersionUID = 1L;

    String workload;
    long seed;
    int splits;
    long records;
    long keys;
    long pauseMicros;
    long slowMicros;
    long snapshotMillis;
    int payload;
    boolean uneven;
    int idle;
    String dir;

    static Parameters parse(String[] arguments) {
        Map<String, String> given = new HashMap<>();
        for (int i = 0; i < arguments.length; i += 2) {
            if (!arguments[i].startsWith("--") || i + 1 == arguments.length) {
                throw new IllegalArgumentException("expected --name value at: " + arguments[i]);
            }
            if (given.put(arguments[i].substring(2), arguments[i + 1]) != null) {
                throw new IllegalArgumentException("argument given twice: " + arguments[i]);
            }
        }
        Parameters p = new Parameters();
        p.workload = take(given, "workload");
        p.seed = number(given, "seed", Long.MIN_VALUE, Long.MAX_VALUE);
        p.splits = (int) number(given, "splits", 1, Integer.MAX_VALUE);
        p.records = number(given, "records", 1, Long.MAX_VALUE / p.splits);
        p.keys = number(given, "keys", 1, Integer.MAX_VALUE);
        p.pauseMicros = number(given, "pause-us", 0, Integer.MAX_VALUE);
        p.slowMicros = number(given, "slow-us", 0, Integer.MAX_VALUE);
        p.snapshotMillis = number(given, "snapshot-ms", 0, Integer.MAX_VALUE);
        p.payload = (int) number(given, "payload", 0, 1 << 30);
        p.uneven = Boolean.parseBoolean(take(given, "uneven"));
        p.idle = (int) number(given, "idle", 0, p.splits);
        p.dir = take(given, "dir");
        if (!Paths.get(p.dir).isAbsolute()) {
            throw new IllegalArgumentException("--dir is not an absolute path: " + p.dir);
        }
        if (!given.isEmpty()) {
            throw new IllegalArgumentException("unknown arguments: " + given.keySet());
        }
        return p;
    }

    private static String take(Map<String, String> given, String name) {
        String value = given.remove(name);
        if (value == null) {
            throw new IllegalArgumentException("missing argument: --" + name);
        }
        return value;
    }

    private static long number(Map<String, String> given, String name, long min, long max) {
        String text = take(given, name);
        try {
            long value = Long.parseLong(text);
            if (value >= min && value <= max) {
                return value;
            }
        } catch (NumberFormatException e) {
            // Reported below, like a number out of range.
        }
        throw new IllegalArgumentException(
            "--" + name + " is not an integer in [" + min + ", " + max + "]: " + text);
    }

    /** Returns the number of records of a split. */
    long length(long split) {
        return uneven ? records * split / (splits - 1) : records;
    }

    /** Returns the number from which a record is computed. */
    long hash(long split, long index) {
        long x = seed + split * 1000003 + index;
        x ^= x >>> 33;
        x *= 0xff51afd7ed558ccdL;
        x ^= x >>> 33;
        return x;
    }

    /** Computes a record of the input. */
    Event event(long split, long index) {
        long x = hash(split, index);
        return new Event(split, index, Long.remainderUnsigned(x, keys), (x >>> 40) % 1000);
    }

    /** Returns the event time of a record, in milliseconds. */
    long time(Event event) {
        return Math.max(0, event.index * 10 - (hash(event.split, event.index) >>> 10) % 50);
    }
}
