package snapback.host;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.RecoveryClaimMode;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.checkpoint.CompletedCheckpointStats;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Runs jobs that leave checkpoints and savepoints of every kind. */
final class Write {
    static final List<String> NAMES = List.of("hashmap", "rocksdb-incremental", "changelog", "filemerging", "unaligned", "rescaled",
        "savepoint-native", "savepoint-canonical", "claimed");

    static void write(List<String> args, Map<String, String> options) throws Exception {
        String base = Host.uri(args.get(0));
        List<String> names = args.size() > 1 ? args.subList(1, args.size()) : NAMES;
        String incremental = options.get("from");
        try (Cluster cluster = new Cluster(10, base + "/changelog/dstl")) {
            for (String name : names) {
                long start = System.nanoTime();
                String dir = base + "/" + name;
                if (name.equals("claimed")) {
                    claimed(cluster, dir, options);
                    continue;
                }
                String backend = name.matches("rocksdb.*|rescaled|filemerging|savepoint-native") ? "rocksdb" : "hashmap";
                Configuration c = Cluster.jobConf(dir, backend);
                List<String> paths = new ArrayList<>();
                Map<String, Object> more = Json.obj();
                int parallelism = name.equals("rescaled") ? 3 : 2;
                String restore = null;
                switch (name) {
                    case "changelog" -> {
                        c.setString("state.changelog.enabled", "true");
                        c.setString("state.changelog.periodic-materialize.interval", "200ms");
                    }
                    case "filemerging" -> c.setString("execution.checkpointing.file-merging.enabled", "true");
                    case "unaligned" -> c.setString("execution.checkpointing.unaligned.enabled", "true");
                    case "rescaled" -> {
                        if (incremental == null) {
                            throw new IllegalArgumentException("rescaled needs rocksdb-incremental before it or --from=PATH");
                        }
                        restore = incremental;
                    }
                    default -> {
                        if (!NAMES.contains(name)) {
                            throw new IllegalArgumentException("unknown name " + name);
                        }
                    }
                }
                Job job = new Job(cluster, c, parallelism, restore, RecoveryClaimMode.NO_CLAIM);
                try {
                    if (!job.running() || !job.emit(4, parallelism)) {
                        throw new IllegalStateException(name + ": " + Host.rootCause(job.result.get().getSerializedThrowable().get()));
                    }
                    switch (name) {
                        case "hashmap", "rescaled", "filemerging" -> {
                            paths.add(job.checkpoint());
                            job.emit(2, parallelism);
                            paths.add(job.checkpoint());
                        }
                        case "rocksdb-incremental" -> {
                            paths.add(job.checkpoint());
                            job.emit(2, parallelism);
                            paths.add(job.checkpoint());
                            job.emit(2, parallelism);
                            paths.add(job.checkpoint());
                            incremental = paths.get(2);
                        }
                        case "changelog" -> {
                            paths.add(job.checkpoint());
                            Thread.sleep(800); // the state is materialized
                            job.emit(2, parallelism);
                            paths.add(job.checkpoint());
                        }
                        case "unaligned" -> {
                            job.control.delayMicros = 500;
                            job.control.rounds = 1_000_000;
                            long[] last = {-1, System.nanoTime()};
                            Job.await("backpressure", () -> { // no round for 50 ms: all buffers are full
                                long now = job.control.emittedRounds.get();
                                if (now != last[0]) {
                                    last[0] = now;
                                    last[1] = System.nanoTime();
                                }
                                return System.nanoTime() - last[1] > 50_000_000;
                            });
                            paths.add(job.checkpoint());
                            CompletedCheckpointStats s = job.mini.getExecutionGraph(job.id).get().getCheckpointStatsSnapshot().getHistory()
                                .getLatestCompletedCheckpoint();
                            more = Json.obj("persistedInFlightBytes", s.getPersistedData());
                        }
                        case "savepoint-native" -> paths.add(job.mini.triggerSavepoint(job.id, dir, false, SavepointFormatType.NATIVE).get());
                        case "savepoint-canonical" ->
                            paths.add(job.mini.triggerSavepoint(job.id, dir, false, SavepointFormatType.CANONICAL).get());
                        default -> throw new IllegalStateException();
                    }
                    settle(options);
                } finally {
                    job.cancel();
                }
                Map<String, Object> line = Json.obj("name", name, "job", job.id, "backend", backend, "parallelism", parallelism, "paths", paths,
                    "ms", (System.nanoTime() - start) / 1_000_000);
                line.putAll(more);
                Json.print(line);
            }
        }
    }

    /**
     * Runs three jobs. Each claims the checkpoint of the job before. Each adds one SST; RocksDB does not compact so few SSTs. So
     * the last checkpoint refers to files in the shared/ of all three jobs.
     */
    private static void claimed(Cluster cluster, String dir, Map<String, String> options) throws Exception {
        long start = System.nanoTime();
        int parallelism = 2;
        String path = null;
        Job job = null;
        for (int i = 0; i < 3; i++) {
            job = new Job(cluster, Cluster.jobConf(dir, "rocksdb"), parallelism, path, RecoveryClaimMode.CLAIM);
            try {
                if (!job.running() || !job.emit(4, parallelism)) {
                    throw new IllegalStateException("claimed: " + Host.rootCause(job.result.get().getSerializedThrowable().get()));
                }
                path = job.checkpoint();
                settle(options);
            } finally {
                job.cancel();
            }
        }
        Json.print(Json.obj("name", "claimed", "job", job.id, "backend", "rocksdb", "parallelism", parallelism, "paths", List.of(path),
            "ms", (System.nanoTime() - start) / 1_000_000));
    }

    private static void settle(Map<String, String> options) throws InterruptedException {
        Thread.sleep(Long.parseLong(options.getOrDefault("settle", "0")));
    }
}
