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
 *   read FILE...                  what Flink's own classes read from each _metadata, one line of JSON each
 *   load FILE...                  whether Flink's own loader accepts each file
 *   write BASE [NAME...] [--settle=MS] [--from=PATH]
 *                                 runs jobs that leave checkpoints and savepoints in BASE/NAME; --settle: pause before a job is
 *                                 cancelled; --from: what `rescaled` starts from, if not the rocksdb-incremental of this run
 *   resume PATH... [--claim] [--parallelism=2] [--backend=hashmap|rocksdb] [--changelog] [--checkpoints=BASE]
 *                                 restores the job of `write` from each path: "restored" says that all subtasks ran and every
 *                                 key could be read, "consistent" that the counts are those of the checkpoint
 *                                 (null for a checkpoint of another program with the same uids); --checkpoints: each restored
 *                                 job takes two checkpoints in BASE, one before it emits anything and one after
 *   retention BASE [CELL-PREFIX...] [--backend=rocksdb|hashmap] [--threads=4]
 *                                 end of a job x retention x num-retained, one directory per cell
 *   live BASE [--seconds=60] [--jobs=3]
 *                                 runs jobs side by side in one checkpoint directory, for others to delete in it; now and then
 *                                 one of them is canceled, and a new job claims its newest checkpoint
 *   flink39964 BASE               leaves the checkpoint that FLINK-39964 made unrestorable
 * </pre>
 *
 * BASE is a local directory or a URI (file://, s3://, hdfs://). -Dkey=value adds to the Flink configuration. Standard output is
 * JSON only.
 */
public class Host {
    static PrintStream out;
    static Configuration extra = new Configuration(); // of Flink, from -D

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
