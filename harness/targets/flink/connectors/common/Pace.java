package snapback.connectors;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;

/** Lets records pass at a given pace, and writes to files how many records have passed. */
final class Pace extends RichMapFunction<Event, Event> {
    private static final long serialVersionUID = 1L;

    private final Params params;
    private transient Map<Long, OutputStream> progress;
    private transient Path fail;

    Pace(Params params) {
        this.params = params;
    }

    @Override
    public void open(OpenContext context) {
        progress = new HashMap<>();
        fail = Paths.get(params.dir, "fail");
    }

    @Override
    public Event map(Event event) throws Exception {
        progress(event).write('.');
        if (Files.exists(fail)) {
            throw new RuntimeException("asked to fail by " + fail);
        }
        pause(params.pauseMicros);
        return event;
    }

    /** Waits for some microseconds. Thread.sleep would round up to milliseconds on Java 17. */
    static void pause(long micros) throws InterruptedException {
        long end = System.nanoTime() + micros * 1000;
        for (long left = micros * 1000; left > 0; left = end - System.nanoTime()) {
            LockSupport.parkNanos(left);
            if (Thread.interrupted()) { // The task is being cancelled.
                throw new InterruptedException();
            }
        }
    }

    /** Returns the progress file of a split. It is unbuffered, so each byte survives SIGKILL. */
    private OutputStream progress(Event first) throws IOException {
        OutputStream out = progress.get(first.split);
        if (out == null) {
            Path dir = Files.createDirectories(Paths.get(params.dir, "progress"));
            String unique = String.format("%016x", ThreadLocalRandom.current().nextLong());
            String name = "split-" + first.split + "-from-" + first.index + "-" + unique;
            out = new FileOutputStream(dir.resolve(name).toFile());
            progress.put(first.split, out);
        }
        return out;
    }

    @Override
    public void close() throws IOException {
        if (progress != null) {
            for (OutputStream out : progress.values()) {
                out.close();
            }
        }
    }
}
