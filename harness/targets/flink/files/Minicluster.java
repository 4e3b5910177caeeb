package snapback.host;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.GlobalConfiguration;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.plugin.PluginManager;
import org.apache.flink.core.plugin.PluginUtils;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.runtime.minicluster.RpcServiceSharing;

/**
 * A Flink cluster in this JVM. It terminates and starts TaskManagers on command. A recovery takes a
 * tenth of the time that it takes with one process for each TaskManager.
 *
 * <p>Arguments: the directory of the configuration, and the number of TaskManagers, which have one
 * slot each. The program prints the URL for commands and the URL of the REST API.
 */
public final class Minicluster {
    public static void main(String[] arguments) throws Exception {
        Configuration configuration = GlobalConfiguration.loadConfiguration(arguments[0]);
        PluginManager plugins = PluginUtils.createPluginManagerFromRootFolder(configuration);
        FileSystem.initialize(configuration, plugins);
        MiniCluster cluster = new MiniCluster(new MiniClusterConfiguration.Builder()
            .setConfiguration(configuration).setPluginManager(plugins)
            .setNumTaskManagers(Integer.parseInt(arguments[1])).setNumSlotsPerTaskManager(1)
            .setRpcServiceSharing(RpcServiceSharing.SHARED).build());
        cluster.start();
        HttpServer commands = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        commands.setExecutor(Executors.newSingleThreadExecutor());
        // Nothing waits for the end of the TaskManager: it may be in the middle of an operation
        // that a fault holds up.
        commands.createContext("/terminate", exchange ->
            answer(exchange, () -> cluster.terminateTaskManager(Integer.parseInt(exchange.getRequestURI().getQuery()))));
        commands.createContext("/start", exchange -> answer(exchange, cluster::startTaskManager));
        commands.start();
        System.out.println("commands http://127.0.0.1:" + commands.getAddress().getPort() + " rest " + cluster.getRestAddress().get());
    }

    interface Command {
        void run() throws Exception;
    }

    private static void answer(HttpExchange exchange, Command command) throws java.io.IOException {
        int status = 200;
        byte[] text = new byte[0];
        try {
            command.run();
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
