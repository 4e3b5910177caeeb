package snapback.host;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.RecoveryClaimMode;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.checkpoint.metadata.CheckpointMetadata;
import org.apache.flink.runtime.state.IncrementalRemoteKeyedStateHandle;
import org.apache.flink.runtime.state.KeyedStateHandle;
import org.apache.flink.runtime.state.changelog.ChangelogStateBackendHandle.ChangelogStateBackendHandleImpl;
import org.apache.flink.runtime.state.filesystem.AbstractFsCheckpointStorageAccess;

import java.io.DataInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeoutException;

/** Restores jobs, and compares their state with what was written. */
final class Resume {
    static void resume(List<String> paths, Map<String, String> options) throws Exception {
        RecoveryClaimMode mode = options.containsKey("claim") ? RecoveryClaimMode.CLAIM : RecoveryClaimMode.NO_CLAIM;
        int parallelism = Integer.parseInt(options.getOrDefault("parallelism", "2"));
        Path scratch = Files.createTempDirectory("host-resume");
        String checkpoints = options.get("checkpoints");
        String dir = checkpoints == null ? scratch.toUri() + "chk" : Host.uri(checkpoints);
        // The cluster retains two checkpoints: one taken before the job emits anything, and one taken after. So a claimed
        // checkpoint is subsumed.
        try (Cluster cluster = new Cluster(checkpoints == null ? 1 : 2, dir + "/dstl")) {
            for (String p : paths) {
                long start = System.nanoTime();
                String path = Host.uri(p);
                String backend = options.get("backend");
                boolean changelog = options.containsKey("changelog");
                if (backend == null) { // choose a backend that can read the keyed state
                    List<String> kinds = keyedKinds(path);
                    changelog |= kinds.contains("ChangelogStateBackendHandleImpl");
                    backend = kinds.contains("IncrementalRemoteKeyedStateHandle") ? "rocksdb" : "hashmap";
                }
                Configuration c = Cluster.jobConf(dir, backend, "state.changelog.enabled", "" + changelog);
                Job job = new Job(cluster, c, parallelism, path, mode);
                List<String> taken = new ArrayList<>();
                Boolean consistent = false;
                boolean restored = false;
                String error = null;
                try {
                    restored = job.running();
                    if (restored && checkpoints != null) {
                        taken.add(job.checkpoint()); // its whole state comes from the restored checkpoint
                    }
                    if (restored) { // reads the state of every key
                        restored = job.emit(1, parallelism);
                        consistent = restored && job.control.consistent();
                        if (restored && !consistent && job.control.restoredRounds.get() == 0) {
                            consistent = null; // the checkpoint belongs to another job
                        } else if (restored && !consistent) {
                            error = "runs, with wrong counts";
                        }
                        if (restored && checkpoints != null) {
                            taken.add(job.checkpoint());
                        }
                    }
                } catch (TimeoutException t) {
                    error = t.getMessage();
                } finally {
                    job.cancel();
                }
                if (!restored && error == null) {
                    error = job.result.get().getSerializedThrowable().map(Host::rootCause).orElse("no cause");
                }
                Json.print(Json.obj("path", p, "restored", restored, "error", error, "consistent", consistent,
                    "rounds", job.control.restoredRounds.get(), "backend", backend, "checkpoints", taken,
                    "ms", (System.nanoTime() - start) / 1_000_000));
            }
        } finally {
            org.apache.flink.util.FileUtils.deleteDirectoryQuietly(scratch.toFile());
        }
    }

    /** Simple class names of the keyed state handles, with materialized handles of a changelog; empty if the metadata cannot be read. */
    static List<String> keyedKinds(String path) {
        List<String> kinds = new ArrayList<>();
        try {
            var location = AbstractFsCheckpointStorageAccess.resolveCheckpointPointer(path);
            CheckpointMetadata m;
            try (DataInputStream in = new DataInputStream(location.getMetadataHandle().openInputStream())) {
                m = Checkpoints.loadCheckpointMetadata(in, Host.class.getClassLoader(), path);
            }
            for (OperatorState o : m.getOperatorStates()) {
                for (OperatorSubtaskState s : o.getStates()) {
                    for (KeyedStateHandle k : s.getManagedKeyedState()) {
                        kinds.add(k.getClass().getSimpleName());
                        if (k instanceof ChangelogStateBackendHandleImpl c) {
                            c.getMaterializedStateHandles().forEach(x -> kinds.add(x.getClass().getSimpleName()));
                        }
                    }
                }
            }
        } catch (Exception e) {
            // Flink will report the same error at the restore.
        }
        return kinds;
    }
}
