package snapback.workloads;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/** A split, and the index of the record that is read next. */
final class InputSplit implements SourceSplit {
    private static final int VERSION = 1;

    final long number;
    final long next;

    InputSplit(long number, long next) {
        this.number = number;
        this.next = next;
    }

    @Override
    public String splitId() {
        return Long.toString(number);
    }

    /** Serializes splits, as state of a reader and on their way to a reader. */
    static final class Serializer implements SimpleVersionedSerializer<InputSplit> {
        @Override
        public int getVersion() {
            return VERSION;
        }

        @Override
        public byte[] serialize(InputSplit split) {
            return ByteBuffer.allocate(2 * Long.BYTES).putLong(split.number).putLong(split.next).array();
        }

        @Override
        public InputSplit deserialize(int version, byte[] bytes) throws IOException {
            check(version);
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            return new InputSplit(buffer.getLong(), buffer.getLong());
        }
    }

    /** Serializes the state of the enumerator. */
    static final class ListSerializer implements SimpleVersionedSerializer<List<InputSplit>> {
        @Override
        public int getVersion() {
            return VERSION;
        }

        @Override
        public byte[] serialize(List<InputSplit> splits) {
            ByteBuffer buffer = ByteBuffer.allocate(2 * Long.BYTES * splits.size());
            for (InputSplit split : splits) {
                buffer.putLong(split.number).putLong(split.next);
            }
            return buffer.array();
        }

        @Override
        public List<InputSplit> deserialize(int version, byte[] bytes) throws IOException {
            check(version);
            List<InputSplit> splits = new ArrayList<>();
            for (ByteBuffer buffer = ByteBuffer.wrap(bytes); buffer.hasRemaining(); ) {
                splits.add(new InputSplit(buffer.getLong(), buffer.getLong()));
            }
            return splits;
        }
    }

    private static void check(int version) throws IOException {
        if (version != VERSION) {
            throw new IOException("splits of version " + VERSION + " were expected, not " + version);
        }
    }
}
