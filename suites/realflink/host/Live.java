package snapback.host;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.RecoveryClaimMode;
import org.apache.flink.runtime.checkpoint.AbstractCheckpointStats;
import org.apache.flink.runtime.checkpoint.CheckpointStatsSnapshot;
import org.apache.flink.runtime.checkpoint.CompletedCheckpointStats;
import org.apache.flink.runtime.checkpoint.FailedCheckpointStats;
import org.apache.flink.runtime.executiongraph.AccessExecutionGraph;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Runs several jobs in one checkpoint directory, while another program deletes files in it. */
final class Live {
    static final int PARALLELISM = 2;
    static final int RETAINED = 3;
    static final int JOBS_MAX = 6;             // the cluster has slots for no more
    static final long ROUND_EVERY_MS = 50;
    static final long CLAIM_EVERY_SECONDS = 60; // in a shorter run, one claim in its middle

    private final Cluster cluster;
    private final String base;
    private final List<Job> running = new ArrayList<>();
    private final Map<Job, Long> failedBefore = new HashMap<>(); // number of checkpoints that failed before the job ran
    private final Map<Job, Map<String, Object>> reports = new LinkedHashMap<>();

    private Live(Cluster cluster, String base) {
        this.cluster = cluster;
        this.base = base;
    }

    static void live(List<String> args, Map<String, String> options) throws Exception {
        long seconds = Long.parseLong(options.getOrDefault("seconds", "60"));
        int jobs = Integer.parseInt(options.getOrDefault("jobs", "3"));
        if (jobs < 1 || jobs > JOBS_MAX) {
            throw new IllegalArgumentException("--jobs: want 1 to " + JOBS_MAX + ", got " + jobs);
        }
        Path scratch = Files.createTempDirectory("host-live");
        try (Cluster cluster = new Cluster(RETAINED, scratch.toUri() + "dstl", "web.checkpoints.history", "100000")) {
            new Live(cluster, Host.uri(args.get(0))).run(jobs, seconds);
        } finally {
            org.apache.flink.util.FileUtils.deleteDirectoryQuietly(scratch.toFile());
        }
    }

    private void run(int jobs, long seconds) throws Exception {
        for (int i = 0; i < jobs; i++) {
            running.add(start(i, null));
        }
        int claims = (int) Math.max(1, seconds / CLAIM_EVERY_SECONDS);
        long part = seconds * 1000 / (claims + 1);
        boolean healthy = emitFor(part);
        for (int i = 0; i < claims && healthy; i++) {
            claim(i % jobs);
            healthy = emitFor(part);
        }
        for (Job job : running) {
            end(job);
        }
        reports.values().forEach(Json::print);
    }

    /** Starts a job. If a checkpoint is given, the job claims it and starts from it. */
    private Job start(int number, String claimed) throws Exception {
        Configuration c = Cluster.jobConf(base, "rocksdb", "execution.checkpointing.interval", (200 + 100 * number) + "ms",
            "execution.checkpointing.min-pause", "0ms", "restart-strategy.type", "fixed-delay",
            "restart-strategy.fixed-delay.attempts", "3", "restart-strategy.fixed-delay.delay", "100ms");
        Job job = new Job(cluster, c, PARALLELISM, claimed, RecoveryClaimMode.CLAIM);
        job.control.snapshotMillis = 100 + 200 * number; // long, so that at any time files of checkpoints in progress exist
        job.running();
        failedBefore.put(job, statistics(job).getCounts().getNumberOfFailedCheckpoints());
        Json.print(Json.obj("event", "started", "job", job.id, "claimed", claimed));
        return job;
    }

    /** Lets all jobs emit for a while. Returns false if a job ended meanwhile. */
    private boolean emitFor(long ms) throws InterruptedException {
        for (long end = System.nanoTime() + ms * 1_000_000; System.nanoTime() < end; Thread.sleep(ROUND_EVERY_MS)) {
            for (Job job : running) {
                if (job.result.isDone()) {
                    return false;
                }
                job.control.rounds++;
            }
        }
        return true;
    }

    /** Cancels a job, and starts a new job that claims the newest retained checkpoint. */
    private void claim(int number) throws Exception {
        Job job = running.get(number);
        end(job);
        CompletedCheckpointStats newest = statistics(job).getHistory().getLatestCompletedCheckpoint();
        if (newest == null) {
            throw new IllegalStateException("job " + job.id + " completed no checkpoint");
        }
        running.set(number, start(number, newest.getExternalPath()));
    }

    /** Waits until a job has counted all that it emitted, notes its figures, and cancels it. */
    private void end(Job job) throws Exception {
        Job.await("rounds emitted", () -> job.result.isDone() || job.control.emittedRounds.get() >= job.control.rounds * PARALLELISM);
        boolean consistent = job.emit(0, PARALLELISM) && job.control.consistent();
        Map<String, Object> report = report(job);
        job.cancel();
        report.put("consistent", consistent);
        report.put("status", job.result.get().getJobStatus().map(Object::toString).orElse(null));
        reports.put(job, report);
    }

    /** Returns the figures of a running job, so that checkpoints that its end aborts do not count as failed. */
    private Map<String, Object> report(Job job) throws Exception {
        AccessExecutionGraph graph = job.mini.getExecutionGraph(job.id).get();
        CheckpointStatsSnapshot statistics = graph.getCheckpointStatsSnapshot();
        List<String> causes = new ArrayList<>();
        if (graph.getFailureInfo() != null) {
            causes.add("job: " + Host.rootCause(graph.getFailureInfo().getException()));
        }
        for (AbstractCheckpointStats s : statistics.getHistory().getCheckpoints()) {
            if (s instanceof FailedCheckpointStats f) {
                causes.add("checkpoint " + f.getCheckpointId() + ": " + f.getFailureMessage());
            }
        }
        int restarts = 0;
        for (var v : graph.getAllExecutionVertices()) {
            restarts = Math.max(restarts, v.getCurrentExecutionAttempt().getAttemptNumber());
        }
        return Json.obj("event", "ended", "job", job.id, "completed", statistics.getCounts().getNumberOfCompletedCheckpoints(),
            "failed", statistics.getCounts().getNumberOfFailedCheckpoints() - failedBefore.get(job), "restarts", restarts, "causes", causes);
    }

    private static CheckpointStatsSnapshot statistics(Job job) throws Exception {
        return job.mini.getExecutionGraph(job.id).get().getCheckpointStatsSnapshot();
    }
}
