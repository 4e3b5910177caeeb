package snapback.workloads;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.OptionalLong;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * Collects lines. At each checkpoint it writes them to a pending file.
 *
 * <p>Flink asks for the file before it tells the id of the checkpoint. So the file's name has the id
 * of the checkpoint before, plus one. No complete checkpoint lies between this id and the checkpoint
 * that holds the file.
 *
 * <p>The state of a writer is the id of its checkpoint.
 */
abstract class LineWriter implements SinkWriter<String> {
    private final Path dir;
    private final int subtask;
    private final StringBuilder lines = new StringBuilder();
    private long checkpoint; // The checkpoint before, or 0.

    LineWriter(String dir, int subtask, OptionalLong restored, Collection<Long> state) throws IOException {
        this.dir = Paths.get(dir, "committed");
        this.subtask = subtask;
        this.checkpoint = restored.orElse(0);
        for (long id : state) {
            if (id != checkpoint) {
                throw new IOException("restored from checkpoint " + checkpoint + ", but got state of checkpoint " + id);
            }
        }
    }

    @Override
    public void write(String line, Context context) {
        lines.append(line).append('\n');
    }

    /** Does nothing: lines are not written before {@link #prepareCommit}. */
    @Override
    public void flush(boolean endOfInput) {}

    public Collection<Committable> prepareCommit() throws IOException {
        if (lines.length() == 0) {
            return Collections.emptyList();
        }
        String name = "part-" + subtask + "-" + (checkpoint + 1) + "-" + Unique.name();
        Path pending = Files.createDirectories(dir).resolve("." + name);
        write(pending, lines.toString());
        lines.setLength(0);
        return Collections.singletonList(new Committable(pending.toString(), dir.resolve(name).toString()));
    }

    private static void write(Path file, String text) throws IOException {
        try (FileChannel out = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
            out.force(true);
        }
    }

    public List<Long> snapshotState(long id) {
        checkpoint = id;
        return Collections.singletonList(id);
    }

    @Override
    public void close() {}

    /** Serializes the state of a writer. */
    static final class StateSerializer implements SimpleVersionedSerializer<Long> {
        @Override
        public int getVersion() {
            return 1;
        }

        @Override
        public byte[] serialize(Long id) {
            return ByteBuffer.allocate(Long.BYTES).putLong(id).array();
        }

        @Override
        public Long deserialize(int version, byte[] bytes) throws IOException {
            if (version != 1) {
                throw new IOException("writer state of version 1 was expected, not " + version);
            }
            return ByteBuffer.wrap(bytes).getLong();
        }
    }
}
