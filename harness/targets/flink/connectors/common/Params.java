package snapback.connectors;

import java.io.Serializable;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;

/** The arguments of one submission, as {@code --name value}. Every argument is required. */
final class Params implements Serializable {
    private static final long serialVersionUID = 1L;

    final long seed;
    final int splits;
    final long records;
    final int keys;
    final long pauseMicros;
    final long snapshotMillis;
    final long slowMicros;
    final String dir;

    /** The arguments of only one of the programs, by name. */
    final HashMap<String, String> others;

    private Params(HashMap<String, String> given) {
        seed = number(given, "seed");
        splits = (int) number(given, "splits");
        records = number(given, "records");
        keys = (int) number(given, "keys");
        pauseMicros = number(given, "pause-us");
        snapshotMillis = number(given, "snapshot-ms");
        slowMicros = number(given, "slow-us");
        take(given, "payload"); // counts has none
        if (!take(given, "workload").equals("counts")) {
            throw new IllegalArgumentException("want --workload counts");
        }
        dir = take(given, "dir");
        others = given;
    }

    static Params parse(String[] args, String... others) {
        HashMap<String, String> given = new HashMap<>();
        for (int i = 0; i < args.length; i += 2) {
            if (!args[i].startsWith("--") || i + 1 == args.length) {
                throw new IllegalArgumentException("expected --name value at: " + args[i]);
            }
            given.put(args[i].substring(2), args[i + 1]);
        }
        Params params = new Params(given);
        if (!params.others.keySet().equals(new HashSet<>(Arrays.asList(others)))) {
            throw new IllegalArgumentException(
                    "expected also the arguments "
                            + Arrays.toString(others)
                            + ", got "
                            + params.others.keySet());
        }
        return params;
    }

    /** Returns an argument of only one of the programs. */
    String other(String name) {
        return others.get(name);
    }

    /** Returns the name of the job, which is the last part of its directory. */
    String job() {
        return dir.substring(dir.lastIndexOf('/') + 1);
    }

    /** Returns the directory that holds the directories of all jobs of a run. */
    String together() {
        return dir.substring(0, dir.lastIndexOf('/'));
    }

    private static String take(Map<String, String> given, String name) {
        String value = given.remove(name);
        if (value == null) {
            throw new IllegalArgumentException("missing argument: --" + name);
        }
        return value;
    }

    private static long number(Map<String, String> given, String name) {
        return Long.parseLong(take(given, name));
    }
}
