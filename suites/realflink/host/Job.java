package snapback.host;

import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.RecoveryClaimMode;
import org.apache.flink.runtime.execution.ExecutionState;
import org.apache.flink.runtime.jobgraph.JobGraph;
import org.apache.flink.runtime.jobgraph.SavepointRestoreSettings;
import org.apache.flink.runtime.jobmaster.JobResult;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A submitted job. */
class Job {
    static final int MAX_PARALLELISM = 16;
    static final int KEYS = 64;
    static final long TIMEOUT_MS = 60_000;

    final MiniCluster mini;
    final Control control = new Control();
    final JobID id;
    final CompletableFuture<JobResult> result;

    /** @param restore path of a checkpoint or savepoint, or null */
    Job(Cluster cluster, Configuration conf, int parallelism, String restore, RecoveryClaimMode mode) throws Exception {
        mini = cluster.mini;
        StreamExecutionEnvironment e = StreamExecutionEnvironment.getExecutionEnvironment(conf);
        e.setParallelism(parallelism);
        e.setMaxParallelism(MAX_PARALLELISM);
        e.addSource(new Source(control.key)).uid("src").name("source")
            .keyBy(x -> x % KEYS, Types.LONG).process(new Counter(control.key)).uid("cnt").name("counter")
            .sinkTo(new DiscardingSink<>()).uid("sink").name("sink");
        JobGraph graph = e.getStreamGraph().getJobGraph();
        if (restore != null) {
            graph.setSavepointRestoreSettings(SavepointRestoreSettings.forPath(restore, false, mode));
        }
        id = mini.submitJob(graph).get().getJobID();
        result = mini.requestJobResult(id);
    }

    /** Waits until every subtask is restored and runs. Returns false if the job ended before. */
    boolean running() throws Exception {
        await("all subtasks running", () -> {
            if (result.isDone()) {
                return true;
            }
            if (mini.getJobStatus(id).get() != JobStatus.RUNNING) {
                return false;
            }
            for (var v : mini.getExecutionGraph(id).get().getAllExecutionVertices()) {
                if (v.getExecutionState() != ExecutionState.RUNNING && v.getExecutionState() != ExecutionState.FINISHED) {
                    return false;
                }
            }
            return true;
        });
        return !result.isDone();
    }

    /** Lets each source subtask emit more rounds, and waits until all are counted. Returns false if the job ended before. */
    boolean emit(int rounds, int parallelism) throws Exception {
        long emitted = control.emittedRounds.get() + (long) rounds * parallelism;
        control.rounds += rounds;
        long[] last = {-1, 0};
        await("records counted", () -> {
            long now = control.seen.get();
            if (now != last[0]) {
                last[0] = now;
                last[1] = System.nanoTime();
            }
            return result.isDone() || control.emittedRounds.get() >= emitted
                && (control.consistent() || System.nanoTime() - last[1] > 1_500_000_000L); // no more records will arrive
        });
        return !result.isDone();
    }

    String checkpoint() throws Exception {
        return mini.triggerCheckpoint(id).get(TIMEOUT_MS, TimeUnit.MILLISECONDS);
    }

    void cancel() throws Exception {
        control.delayMicros = 0;
        if (!result.isDone()) {
            mini.cancelJob(id).get();
        }
        result.get(TIMEOUT_MS, TimeUnit.MILLISECONDS);
    }

    static void await(String what, Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + TIMEOUT_MS * 1_000_000;
        while (!condition.call()) {
            if (System.nanoTime() > end) {
                throw new TimeoutException("waited in vain for: " + what);
            }
            Thread.sleep(2);
        }
    }
}
