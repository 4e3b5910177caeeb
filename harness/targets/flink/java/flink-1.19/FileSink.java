package snapback.workloads;

import java.io.IOException;
import java.util.Collection;
import java.util.Collections;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.api.connector.sink2.CommittingSinkWriter;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.api.connector.sink2.SupportsCommitter;
import org.apache.flink.api.connector.sink2.SupportsWriterState;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/** Writes lines to files, which are committed in two phases. This is its form for 1.19 and 1.20. */
final class FileSink implements Sink<String>, SupportsCommitter<Committable>, SupportsWriterState<String, Long> {
    private static final long serialVersionUID = 1L;

    private final String dir;

    FileSink(String dir) {
        this.dir = dir;
    }

    private static final class Writer extends LineWriter
            implements StatefulSinkWriter<String, Long>, CommittingSinkWriter<String, Committable> {
        Writer(String dir, org.apache.flink.api.connector.sink2.InitContext context, Collection<Long> state) throws IOException {
            super(dir, context.getTaskInfo().getIndexOfThisSubtask(), context.getRestoredCheckpointId(), state);
        }
    }

    @Override
    public Writer createWriter(InitContext context) throws IOException {
        return new Writer(dir, context, Collections.emptyList());
    }

    @Override
    public Writer restoreWriter(WriterInitContext context, Collection<Long> state) throws IOException {
        return new Writer(dir, context, state);
    }

    @Override
    public SimpleVersionedSerializer<Long> getWriterStateSerializer() {
        return new LineWriter.StateSerializer();
    }

    @Override
    public Committer<Committable> createCommitter(CommitterInitContext context) {
        return new Committable.FileCommitter();
    }

    @Override
    public SimpleVersionedSerializer<Committable> getCommittableSerializer() {
        return new Committable.Serializer();
    }
}
