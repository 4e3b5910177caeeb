package snapback.host;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.GlobalConfiguration;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.plugin.PluginUtils;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.runtime.minicluster.RpcServiceSharing;
import org.apache.flink.runtime.rpc.RpcSystem;
import org.apache.flink.util.Reference;
import org.apache.logging.log4j.core.config.Configurator;

/**
 * A host of Flink clusters: it runs one cluster in this JVM at a time, and terminates and starts
 * TaskManagers on command. A recovery takes a tenth of the time that it takes with one process for
 * each TaskManager. A new cluster takes a tenth of the time that it takes in a new JVM.
 *
 * <p>The program prints the URL for commands. The body of a command holds its arguments, one in
 * each line.
 */
public final class Minicluster {
    private static MiniCluster cluster;
    private static Reference<RpcSystem> rpc; // Loaded once, because it has a class loader of its own.

    public static void main(String[] arguments) throws Exception {
        HttpServer commands = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        commands.setExecutor(Executors.newSingleThreadExecutor());
        on(commands, "/begin", a -> begin(a[0], Integer.parseInt(a[1]), a[2]));
        // Nothing waits for the end of the TaskManager: it may be in the middle of an operation
        // that a fault holds up.
        on(commands, "/terminate", a -> {
            cluster.terminateTaskManager(Integer.parseInt(a[0]));
            return "";
        });
        on(commands, "/start", a -> {
            cluster.startTaskManager();
            return "";
        });
        on(commands, "/end", a -> {
            cluster.close();
            cluster = null;
            return "";
        });
        on(commands, "/collect", a -> collect());
        commands.start();
        System.out.println("commands http://127.0.0.1:" + commands.getAddress().getPort() + ";");
    }

    /**
     * Starts a cluster whose TaskManagers have one slot each.
     *
     * @param dir the directory of the configuration
     * @param log the path of the file for the log of this cluster
     * @return the URL of the REST API
     */
    private static String begin(String dir, int taskManagers, String log) throws Exception {
        if (cluster != null) {
            throw new IllegalStateException("another cluster runs in this JVM");
        }
        if (!log.equals(System.setProperty("snapback.log", log))) {
            Configurator.reconfigure();
        }
        Configuration configuration = GlobalConfiguration.loadConfiguration(dir);
        FileSystem.initialize(configuration, PluginUtils.createPluginManagerFromRootFolder(configuration));
        if (rpc == null) {
            rpc = Reference.borrowed(RpcSystem.load(configuration));
        }
        cluster = new MiniCluster(new MiniClusterConfiguration.Builder()
            .setConfiguration(configuration)
            .setNumTaskManagers(taskManagers).setNumSlotsPerTaskManager(1)
            .setRpcServiceSharing(RpcServiceSharing.SHARED).build(), () -> rpc);
        cluster.start();
        return cluster.getRestAddress().get().toString();
    }

    /**
     * Collects garbage. This also frees the memory of network buffers, which is outside of the heap.
     *
     * @return the used and the largest size of the heap, in bytes
     */
    private static String collect() {
        System.gc();
        Runtime jvm = Runtime.getRuntime();
        return (jvm.totalMemory() - jvm.freeMemory()) + " " + jvm.maxMemory();
    }

    interface Command {
        String run(String[] arguments) throws Exception;
    }

    private static void on(HttpServer commands, String path, Command command) {
        commands.createContext(path, exchange -> answer(exchange, command));
    }

    private static void answer(HttpExchange exchange, Command command) throws java.io.IOException {
        int status = 200;
        byte[] text;
        try {
            String arguments = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            text = command.run(arguments.split("\n")).getBytes(StandardCharsets.UTF_8);
        } catch (Exception failed) {
            status = 500;
            text = failed.toString().getBytes(StandardCharsets.UTF_8);
        }
        exchange.sendResponseHeaders(status, text.length == 0 ? -1 : text.length);
        exchange.getResponseBody().write(text);
        exchange.close();
    }

    private Minicluster() {}
}
