package snapback.host;

import org.apache.flink.core.execution.RecoveryClaimMode;
import org.apache.flink.core.execution.SavepointFormatType;

import java.util.List;

/** Takes a checkpoint that cannot be restored because of FLINK-39964. */
final class Flink39964 {
    static void flink39964(List<String> args) throws Exception {
        String base = Host.uri(args.get(0));
        try (Cluster cluster = new Cluster(1, base + "/dstl")) {
            Job first = new Job(cluster, Cluster.jobConf(base + "/first", "rocksdb"), 2, null, null);
            first.running();
            first.emit(4, 2);
            String savepoint = first.mini.triggerSavepoint(first.id, base + "/savepoints", false, SavepointFormatType.NATIVE).get();
            first.cancel();
            Job second = new Job(cluster, Cluster.jobConf(base + "/second", "rocksdb"), 2, savepoint, RecoveryClaimMode.CLAIM);
            second.running();
            second.emit(1, 2);
            String checkpoint = second.checkpoint();
            second.cancel();
            Json.print(Json.obj("savepoint", savepoint, "path", checkpoint));
        }
    }
}
