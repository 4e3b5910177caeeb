package snapback.workloads;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.CheckpointListener;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.util.Collector;

/**
 * A bounded job whose complete output is known in advance. It counts and sums up a sequence of
 * numbers by key, and commits the results to files in two phases.
 *
 * <p>The arguments alone determine every record and the output. So the committed files show
 * whether a record is lost or repeated, and whether the state is wrong.
 *
 * <p>Arguments, all required, as {@code --name value}:
 *
 * <ul>
 *   <li>{@code seed}: 64-bit integer that determines the keys and values
 *   <li>{@code splits}, {@code records}: number of splits, and of records in each
 *   <li>{@code keys}: number of keys
 *   <li>{@code pause-us}: pause of the source after each record, per subtask, in microseconds
 *   <li>{@code snapshot-ms}: how long the counter's synchronous snapshot takes at least
 *   <li>{@code dir}: local directory for {@code progress/} and {@code committed/};
 *       the job fails as long as a file {@code fail} exists in it
 * </ul>
 *
 * <p>The job configures no checkpoints; whoever submits it does. The job compiles against Flink
 * 1.20 and 2.x.
 */
public final class Counts {

    private Counts() {}

    public static void main(String[] args) throws Exception {
        Params params = Params.parse(args);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        env.fromSource(
                        new NumberSequenceSource(0, params.total - 1),
                        WatermarkStrategy.noWatermarks(),
                        "source")
                .uid("source")
                .map(new Pace(params))
                .name("pace")
                .uid("pace")
                .keyBy(event -> event.key)
                .process(new Counter(params.snapshotMillis))
                .name("counter")
                .uid("counter")
                .process(new FileSink(params.dir))
                .name("sink")
                .uid("sink");
        env.execute("snapback counts");
    }

    /** The arguments of one submission. */
    static final class Params implements Serializable {
        private static final long serialVersionUID = 1L;

        long seed;
        long records;
        long total;
        long keys;
        long pauseMicros;
        long snapshotMillis;
        String dir;

        static Params parse(String[] args) {
            Map<String, String> given = new HashMap<>();
            for (int i = 0; i < args.length; i += 2) {
                if (!args[i].startsWith("--") || i + 1 == args.length) {
                    throw new IllegalArgumentException("expected --name value at: " + args[i]);
                }
                if (given.put(args[i].substring(2), args[i + 1]) != null) {
                    throw new IllegalArgumentException("argument given twice: " + args[i]);
                }
            }
            Params p = new Params();
            p.seed = number(given, "seed", Long.MIN_VALUE, Long.MAX_VALUE);
            long splits = number(given, "splits", 1, Integer.MAX_VALUE);
            p.records = number(given, "records", 1, Long.MAX_VALUE / splits);
            p.total = splits * p.records;
            p.keys = number(given, "keys", 1, Integer.MAX_VALUE);
            p.pauseMicros = number(given, "pause-us", 0, Integer.MAX_VALUE);
            p.snapshotMillis = number(given, "snapshot-ms", 0, Integer.MAX_VALUE);
            p.dir = take(given, "dir");
            if (!Paths.get(p.dir).isAbsolute()) {
                throw new IllegalArgumentException("--dir is not an absolute path: " + p.dir);
            }
            if (!given.isEmpty()) {
                throw new IllegalArgumentException("unknown arguments: " + given.keySet());
            }
            return p;
        }

        private static String take(Map<String, String> given, String name) {
            String value = given.remove(name);
            if (value == null) {
                throw new IllegalArgumentException("missing argument: --" + name);
            }
            return value;
        }

        private static long number(Map<String, String> given, String name, long min, long max) {
            String text = take(given, name);
            try {
                long value = Long.parseLong(text);
                if (value >= min && value <= max) {
                    return value;
                }
            } catch (NumberFormatException e) {
                // Reported below, like a number out of range.
            }
            throw new IllegalArgumentException(
                    "--" + name + " is not an integer in [" + min + ", " + max + "]: " + text);
        }
    }

    /** One record; the counter fills in {@link #count} and {@link #sum}. */
    public static final class Event {
        public long split;
        public long index;
        public int key;
        public long value;
        public long count;
        public long sum;

        public Event() {} // Flink's serializer for plain objects needs this constructor.
    }

    /** Turns numbers into records at a given pace, and writes its progress to files. */
    static final class Pace extends RichMapFunction<Long, Event> {
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
        public Event map(Long number) throws Exception {
            Event event = new Event();
            event.split = number / params.records;
            event.index = number % params.records;
            long x = params.seed + event.split * 1000003 + event.index;
            x ^= x >>> 33;
            x *= 0xff51afd7ed558ccdL;
            x ^= x >>> 33;
            event.key = (int) Long.remainderUnsigned(x, params.keys);
            event.value = (x >>> 40) % 1000;

            progress(event).write('.');
            if (Files.exists(fail)) {
                throw new RuntimeException("asked to fail by " + fail);
            }
            pause();
            return event;
        }

        /** Returns the progress file of a split, unbuffered so that each byte survives SIGKILL. */
        private OutputStream progress(Event first) throws IOException {
            OutputStream out = progress.get(first.split);
            if (out == null) {
                Path dir = Files.createDirectories(Paths.get(params.dir, "progress"));
                String name = "split-" + first.split + "-from-" + first.index + "-" + randomHex();
                out = new FileOutputStream(dir.resolve(name).toFile());
                progress.put(first.split, out);
            }
            return out;
        }

        private void pause() throws InterruptedException {
            // Thread.sleep would round up to whole milliseconds on Java 17.
            long end = System.nanoTime() + params.pauseMicros * 1000;
            for (long left = params.pauseMicros * 1000; left > 0; left = end - System.nanoTime()) {
                LockSupport.parkNanos(left);
                if (Thread.interrupted()) { // The task is being cancelled.
                    throw new InterruptedException();
                }
            }
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

    /** Counts the records and sums up the values of each key. */
    static final class Counter extends KeyedProcessFunction<Integer, Event, Event>
            implements CheckpointedFunction {
        private static final long serialVersionUID = 1L;

        private final long snapshotMillis;
        private transient ValueState<Long> count;
        private transient ValueState<Long> sum;

        Counter(long snapshotMillis) {
            this.snapshotMillis = snapshotMillis;
        }

        @Override
        public void open(OpenContext context) {
            count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Long.class));
            sum = getRuntimeContext().getState(new ValueStateDescriptor<>("sum", Long.class));
        }

        @Override
        public void processElement(Event event, Context context, Collector<Event> out)
                throws Exception {
            event.count = orZero(count.value()) + 1;
            event.sum = orZero(sum.value()) + event.value;
            count.update(event.count);
            sum.update(event.sum);
            out.collect(event);
        }

        private static long orZero(Long value) {
            return value == null ? 0 : value;
        }

        /** Keeps the checkpoint open long enough for a fault to hit it. */
        @Override
        public void snapshotState(FunctionSnapshotContext context) throws Exception {
            Thread.sleep(snapshotMillis);
        }

        @Override
        public void initializeState(FunctionInitializationContext context) {}
    }

    /**
     * Writes the records of each checkpoint to a file, and publishes the file once the checkpoint
     * is complete. Flink has no file sink with the same API in all supported versions.
     */
    static final class FileSink extends ProcessFunction<Event, Void>
            implements CheckpointedFunction, CheckpointListener {
        private static final long serialVersionUID = 1L;

        private final String dir;
        private transient StringBuilder lines;
        private transient List<Committable> unconfirmed;
        private transient ListState<String> state;

        FileSink(String dir) {
            this.dir = dir;
        }

        @Override
        public void initializeState(FunctionInitializationContext context) throws Exception {
            lines = new StringBuilder();
            unconfirmed = new ArrayList<>();
            state =
                    context.getOperatorStateStore()
                            .getListState(new ListStateDescriptor<>("committables", String.class));
            // The checkpoint is complete, so its files must be committed. The notification may
            // never have arrived. The paths belong to the submission that wrote the files.
            for (String restored : state.get()) {
                Committable.parse(restored).commit();
            }
        }

        @Override
        public void processElement(Event e, Context context, Collector<Void> out) {
            lines.append(e.split).append(' ').append(e.index).append(' ').append(e.key).append(' ');
            lines.append(e.value).append(' ').append(e.count).append(' ').append(e.sum).append('\n');
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) throws Exception {
            long checkpoint = context.getCheckpointId();
            if (lines.length() > 0) {
                int subtask = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
                String name = "part-" + subtask + "-" + checkpoint + "-" + randomHex();
                Path pending = Files.createDirectories(Paths.get(dir, "committed")).resolve("." + name);
                write(pending, lines.toString());
                lines.setLength(0);
                Path committed = Paths.get(dir, "committed", name);
                unconfirmed.add(new Committable(checkpoint, pending, committed));
            }
            List<String> texts = new ArrayList<>();
            for (Committable committable : unconfirmed) {
                texts.add(committable.toString());
            }
            state.update(texts);
        }

        private static void write(Path file, String text) throws IOException {
            try (FileChannel out =
                    FileChannel.open(
                            file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
                while (bytes.hasRemaining()) {
                    out.write(bytes);
                }
                out.force(true);
            }
        }

        @Override
        public void notifyCheckpointComplete(long checkpoint) throws IOException {
            // A complete checkpoint also confirms the files of earlier checkpoints, whose
            // notifications may have been lost.
            for (Iterator<Committable> it = unconfirmed.iterator(); it.hasNext(); ) {
                Committable committable = it.next();
                if (committable.checkpoint <= checkpoint) {
                    committable.commit();
                    it.remove();
                }
            }
        }
    }

    /** A written file, and the checkpoint that must complete before the file is published. */
    static final class Committable {
        final long checkpoint;
        final Path pending;
        final Path committed;

        Committable(long checkpoint, Path pending, Path committed) {
            this.checkpoint = checkpoint;
            this.pending = pending;
            this.committed = committed;
        }

        static Committable parse(String text) {
            String[] lines = text.split("\n", 3);
            return new Committable(
                    Long.parseLong(lines[0]), Paths.get(lines[1]), Paths.get(lines[2]));
        }

        @Override
        public String toString() {
            return checkpoint + "\n" + pending + "\n" + committed;
        }

        /** Publishes the file. A second call changes nothing. */
        void commit() throws IOException {
            Files.createDirectories(committed.getParent());
            try {
                Files.move(pending, committed, StandardCopyOption.ATOMIC_MOVE);
            } catch (NoSuchFileException e) {
                if (!Files.exists(committed)) {
                    throw new IOException("committable lost: " + pending, e);
                }
            }
        }
    }

    private static String randomHex() {
        return String.format("%016x", ThreadLocalRandom.current().nextLong());
    }
}
