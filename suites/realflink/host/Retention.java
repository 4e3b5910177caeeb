package snapback.host;

import org.apache.flink.api.common.JobStatus;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.core.fs.FileStatus;
import org.apache.flink.runtime.checkpoint.AbstractCheckpointStats;
import org.apache.flink.runtime.checkpoint.CheckpointStatsStatus;

import java.io.FileNotFoundException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Ends jobs in every way, under every retention. */
final class Retention {
    static final List<String> ENDS = List.of("cancel", "fail", "finish", "stop-with-savepoint", "suspend");
    static final List<String> POLICIES = List.of("RETAIN_ON_CANCELLATION", "DELETE_ON_CANCELLATION", "NO_EXTERNALIZED_CHECKPOINTS");

    /** A cell of the table. Its directory is BASE/cell. */
    static class Cell {
        final String name;
        final String end;
        final String policy;
        final String dir;
        final List<Long> completed = new ArrayList<>();
        Job job;
        String savepoint;
        String error;
        long ms;

        Cell(String base, String end, String policy, int retained) {
            this.end = end;
            this.policy = policy;
            this.name = end + "-" + policy + "-" + retained;
            this.dir = base + "/" + name;
        }

        void run(Cluster cluster, String backend) throws Exception {
            boolean suspend = end.equals("suspend");
            Configuration c = Cluster.jobConf(dir, backend, "execution.checkpointing.externalized-checkpoint-retention", policy,
                "restart-strategy.type", suspend ? "fixed-delay" : "none", "restart-strategy.fixed-delay.attempts", "10",
                "restart-strategy.fixed-delay.delay", "1h");
            job = new Job(cluster, c, 2, null, null);
            job.running();
            for (int i = 1; i <= 4; i++) {
                job.emit(1, 2);
                job.checkpoint();
            }
            switch (end) {
                case "cancel" -> job.cancel();
                case "fail", "suspend" -> job.control.fail = true;
                case "finish" -> job.control.finish = true; // Flink triggers a last checkpoint, and tasks that ended wait for it
                case "stop-with-savepoint" ->
                    savepoint = job.mini.stopWithSavepoint(job.id, dir + "/savepoints", false, SavepointFormatType.CANONICAL).get();
                default -> throw new IllegalArgumentException(end);
            }
            if (suspend) { // closing the cluster suspends a job that waits for its restart
                Job.await("RESTARTING", () -> job.mini.getJobStatus(job.id).get() == JobStatus.RESTARTING);
            } else {
                job.result.get(Job.TIMEOUT_MS, TimeUnit.MILLISECONDS);
            }
            for (AbstractCheckpointStats s : job.mini.getExecutionGraph(job.id).get().getCheckpointStatsSnapshot().getHistory().getCheckpoints()) {
                if (s.getStatus() == CheckpointStatsStatus.COMPLETED && !s.getProperties().isSavepoint()) {
                    completed.add(0, s.getCheckpointId()); // newest first
                }
            }
        }
    }

    static void retention(List<String> args, Map<String, String> options) throws Exception {
        String base = Host.uri(args.get(0));
        List<String> prefixes = args.subList(1, args.size());
        String backend = options.getOrDefault("backend", "rocksdb");
        ExecutorService pool = Executors.newFixedThreadPool(Integer.parseInt(options.getOrDefault("threads", "4")));
        List<Cell> all = new ArrayList<>();
        List<CompletableFuture<Void>> closing = new ArrayList<>();
        for (int retained : new int[] {1, 3}) {
            List<Cell> cells = new ArrayList<>();
            for (String end : ENDS) {
                for (String policy : POLICIES) {
                    Cell cell = new Cell(base, end, policy, retained);
                    if (prefixes.isEmpty() || prefixes.stream().anyMatch(cell.name::startsWith)) {
                        cells.add(cell);
                    }
                }
            }
            if (cells.isEmpty()) {
                continue;
            }
            all.addAll(cells);
            Cluster cluster = new Cluster(retained, base + "/dstl");
            List<Future<?>> running = new ArrayList<>();
            for (Cell cell : cells) {
                running.add(pool.submit(() -> {
                    long start = System.nanoTime();
                    try {
                        cell.run(cluster, backend);
                    } catch (Exception e) {
                        cell.error = Host.rootCause(e);
                    }
                    cell.ms = (System.nanoTime() - start) / 1_000_000;
                }));
            }
            for (Future<?> f : running) {
                f.get();
            }
            quiet(base); // Flink still deletes files after a job's result is known, and closing would stop that
            closing.add(cluster.mini.closeAsync()); // needs 10 s, because Flink waits for a restart that is due in an hour
        }
        for (CompletableFuture<Void> c : closing) {
            c.get();
        }
        pool.shutdown();
        quiet(base);
        for (Cell cell : all) {
            Json.print(Json.obj("cell", cell.name, "dir", cell.dir, "job", cell.job == null ? null : cell.job.id,
                "status", cell.job == null ? null : Statuses.LAST.get(cell.job.id), "checkpoints", cell.completed,
                "savepoint", cell.savepoint, "error", cell.error, "ms", cell.ms));
        }
    }

    /** Waits until no file below dir has appeared or disappeared for a while. */
    static void quiet(String dir) throws Exception {
        Set<String> last = null;
        for (int same = 0; same < 3; ) {
            Set<String> now = new TreeSet<>();
            list(new org.apache.flink.core.fs.Path(dir), now);
            same = now.equals(last) ? same + 1 : 0;
            last = now;
            Thread.sleep(100);
        }
    }

    static void list(org.apache.flink.core.fs.Path dir, Set<String> into) throws Exception {
        FileStatus[] l;
        try {
            l = dir.getFileSystem().listStatus(dir);
        } catch (FileNotFoundException e) {
            return;
        }
        for (FileStatus s : l == null ? new FileStatus[0] : l) {
            into.add(s.getPath().toString());
            if (s.isDir()) {
                list(s.getPath(), into);
            }
        }
    }
}
