package snapback.workloads;

import java.io.IOException;
import java.util.Collection;
import java.util.Collections;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.StatefulSink;
import org.apache.flink.api.connector.sink2.TwoPhaseCommittingSink;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/** Writes lines to files, which are committed in two phases. This is its form for 1.16 to 1.18. */
final class FileSink implements TwoPhaseCommittingSink<String, Committable>, StatefulSink<String, Long> {
    private static final long serialVersionUID = 1L;

    private final String dir;

    FileSink(String dir) {
        this.dir = dir;
    }

    private static final class Writer extends LineWriter
            implements StatefulSinkWriter<String, Long>, PrecommittingSinkWriter<String, Committable> {
        Writer(String dir, InitContext context, Collection<Long> state) throws IOException {
            super(dir, context.getSubtaskId(), context.getRestoredCheckpointId(), state);
        }
    }

    @Override
    public Writer createWriter(InitContext context) throws IOException {
        return new Writer(dir, context, Collections.emptyList());
    }

    @Override
    public Writer restoreWriter(InitContext context, Collection<Long> state) throws IOException {
        return new Writer(dir, context, state);
    }

    @Override
    public SimpleVersionedSerializer<Long> getWriterStateSerializer() {
        return new LineWriter.StateSerializer();
    }

    @Override
    public Committer<Committable> createCommitter() {
        return new Committable.FileCommitter();
    }

    @Override
    public SimpleVersionedSerializer<Committable> getCommittableSerializer() {
        return new Committable.Serializer();
    }
}
