package snapback.workloads;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * The bounded input of a workload. Its splits wait at an {@link InputEnumerator}, which assigns them
 * to the {@link InputReader}s that ask for splits.
 */
final class Input implements Source<Event, InputSplit, List<InputSplit>> {
    private static final long serialVersionUID = 1L;

    /** Computes the record with this index in this split. */
    interface Records extends Serializable {
        Event at(long split, long index);
    }

    final Parameters parameters;
    final Records records;
    /** Whether a reader writes its progress to files. */
    final boolean traced;
    /**
     * Whether a reader gets all of its splits before it reads. If the records have event times, it
     * must: the watermark would already be beyond the first records of a split that came later. If
     * splits are idle, it must too: they would wait in the enumerator and not in a reader.
     */
    final boolean together;

    private Input(Parameters parameters, Records records, boolean traced, boolean together) {
        this.parameters = parameters;
        this.records = records;
        this.traced = traced;
        this.together = together;
    }

    /** Returns the input of most workloads. */
    static Input of(Parameters p) {
        return new Input(p, p::event, true, p.idle > 0);
    }

    /** Returns the input of workload windows. */
    static Input inEventTime(Parameters p) {
        return new Input(p, p::event, true, true);
    }

    /** Returns the input that controls another input. It is not part of the workload's records. */
    static Input control(Parameters p, Records records) {
        return new Input(p, records, false, false);
    }

    @Override
    public Boundedness getBoundedness() {
        return Boundedness.BOUNDED;
    }

    @Override
    public SourceReader<Event, InputSplit> createReader(SourceReaderContext context) {
        return new InputReader(this, context);
    }

    @Override
    public SplitEnumerator<InputSplit, List<InputSplit>> createEnumerator(
            SplitEnumeratorContext<InputSplit> context) {
        List<InputSplit> all = new ArrayList<>();
        for (int split = 0; split < parameters.splits; split++) {
            all.add(new InputSplit(split, 0));
        }
        return restoreEnumerator(context, all);
    }

    @Override
    public SplitEnumerator<InputSplit, List<InputSplit>> restoreEnumerator(
            SplitEnumeratorContext<InputSplit> context, List<InputSplit> waiting) {
        return new InputEnumerator(this, context, waiting);
    }

    @Override
    public SimpleVersionedSerializer<InputSplit> getSplitSerializer() {
        return new InputSplit.Serializer();
    }

    @Override
    public SimpleVersionedSerializer<List<InputSplit>> getEnumeratorCheckpointSerializer() {
        return new InputSplit.ListSerializer();
    }
}
