package snapback.host;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.plugin.PluginManager;
import org.apache.flink.core.plugin.PluginUtils;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.runtime.minicluster.RpcServiceSharing;

/** A cluster in this JVM. Jobs use it one after the other or at the same time. */
class Cluster implements AutoCloseable {
    final MiniCluster mini;

    /** @param more keys and values of the cluster's configuration */
    Cluster(int retained, String changelogDir, String... more) throws Exception {
        Configuration c = conf(
            "execution.checkpointing.num-retained", "" + retained, // counts only here
            "execution.job-status-changed-listeners", Statuses.class.getName(),
            "state.changelog.storage", "filesystem",               // counts only here
            "state.changelog.dstl.dfs.base-path", changelogDir,
            "taskmanager.memory.segment-size", "4kb",              // small, so that few records lead to channel state
            "taskmanager.network.memory.buffers-per-channel", "2",
            "taskmanager.network.memory.floating-buffers-per-gate", "4",
            "taskmanager.memory.network.min", "16mb", "taskmanager.memory.network.max", "16mb",
            "taskmanager.memory.managed.size", "256mb",
            "rest.bind-port", "0", "rest.address", "localhost", "rest.bind-address", "127.0.0.1", "web.submit.enable", "false");
        c.addAll(conf(more));
        c.addAll(Host.extra);
        PluginManager plugins = PluginUtils.createPluginManagerFromRootFolder(c);
        FileSystem.initialize(c, plugins);
        mini = new MiniCluster(new MiniClusterConfiguration.Builder().setConfiguration(c).setPluginManager(plugins)
            .setNumTaskManagers(1).setNumSlotsPerTaskManager(12).setRpcServiceSharing(RpcServiceSharing.SHARED).build());
        mini.start();
        FileSystem.initialize(c, plugins);
    }

    @Override
    public void close() throws Exception {
        mini.close();
    }

    static Configuration conf(String... keysAndValues) {
        Configuration c = new Configuration();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            c.setString(keysAndValues[i], keysAndValues[i + 1]);
        }
        return c;
    }

    static Configuration jobConf(String dir, String backend, String... more) {
        Configuration c = conf(
            "execution.checkpointing.interval", "1h", "execution.checkpointing.min-pause", "1h",
            "execution.checkpointing.storage", "filesystem", "execution.checkpointing.dir", dir,
            "execution.checkpointing.data-inline-threshold", "0",
            "execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION",
            "execution.checkpointing.incremental", "true", "state.backend.type", backend, "restart-strategy.type", "none");
        c.addAll(conf(more));
        return c;
    }
}
