package snapback.host;

import org.apache.flink.configuration.Configuration;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Real Apache Flink in one JVM, for comparison with another implementation:
 *
 * <pre>
 *   read FILE...                  prints what Flink's own classes read from each _metadata, on a line each
 *   load FILE...                  prints whether Flink's own loader accepts each file
 *   write BASE [NAME...] [--settle=MS] [--from=PATH]
 *                                 runs jobs that leave checkpoints and savepoints in BASE/NAME. --settle: pause before a job is
 *                                 canceled. --from: the checkpoint from which `rescaled` starts; without it, the
 *                                 rocksdb-incremental of this run
 *   resume PATH... [--claim] [--parallelism=2] [--backend=hashmap|rocksdb] [--changelog] [--checkpoints=BASE]
 *                                 restores the job of `write` from each path. "restored" says that all subtasks ran and every
 *                                 key could be read. "consistent" says that the counts are equal to the counts in the checkpoint
 *                                 (null for a checkpoint of another program with the same uids). --checkpoints: each restored
 *                                 job takes two checkpoints in BASE, one before it emits anything and one after
 *   retention BASE [CELL-PREFIX...] [--backend=rocksdb|hashmap] [--threads=4]
 *                                 ends a job in every way, under every retention and num-retained, each in a directory of its own
 *   live BASE [--seconds=60] [--jobs=3]
 *                                 runs several jobs in one checkpoint directory, in which another program deletes files. From
 *                                 time to time it cancels a job, and a new job claims the newest checkpoint of that job
 *   flink39964 BASE               leaves a checkpoint that cannot be restored because of FLINK-39964
 * </pre>
 *
 * BASE is a local directory or a URI (file://, s3://, hdfs://). -Dkey=value adds to the Flink configuration. Standard output is
 * JSON only.
 */
public class Host {
    static PrintStream out;
    static Configuration extra = new Configuration(); // keys of Flink that -D sets

    public static void main(String[] args) throws Exception {
        out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        Map<String, String> options = new LinkedHashMap<>();
        List<String> words = new ArrayList<>();
        for (String a : args) {
            if (a.startsWith("-D")) {
                extra.setString(a.substring(2, a.indexOf('=')), a.substring(a.indexOf('=') + 1));
            } else if (a.startsWith("--")) {
                String[] kv = a.substring(2).split("=", 2);
                options.put(kv[0], kv.length > 1 ? kv[1] : "true");
            } else {
                words.add(a);
            }
        }
        int status = 0;
        try {
            if (words.isEmpty()) {
                throw new IllegalArgumentException("read|load|write|resume|retention|live|flink39964 ...");
            }
            List<String> rest = words.subList(1, words.size());
            switch (words.get(0)) {
                case "read" -> Reader.read(rest);
                case "load" -> Reader.load(rest);
                case "write" -> Write.write(rest, options);
                case "resume" -> Resume.resume(rest, options);
                case "retention" -> Retention.retention(rest, options);
                case "live" -> Live.live(rest, options);
                case "flink39964" -> Flink39964.flink39964(rest);
                default -> throw new IllegalArgumentException("unknown command " + words.get(0));
            }
        } catch (Throwable t) {
            t.printStackTrace();
            status = 1;
        }
        out.flush();
        System.exit(status);
    }

    static String rootCause(Throwable t) {
        Throwable c = t;
        Set<Throwable> met = java.util.Collections.newSetFromMap(new IdentityHashMap<>());
        while (true) {
            if (c instanceof org.apache.flink.util.SerializedThrowable s) {
                Throwable d = s.deserializeError(Host.class.getClassLoader());
                c = d == null ? c : d;
            }
            if (c.getCause() == null || !met.add(c)) {
                break;
            }
            c = c.getCause();
        }
        return c.toString().split("\n")[0];
    }

    static String uri(String base) {
        return base.matches("[a-z0-9]+:/.*") ? base.replaceAll("/+$", "") : Path.of(base).toAbsolutePath().normalize().toUri().toString().replaceAll("/+$", "");
    }
}
