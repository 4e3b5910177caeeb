package snapback.workloads;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * Workload splits: counts the records of each split, in union list state. After a restore each
 * subtask has the marks of all splits, also of splits whose records it does not receive.
 *
 * <p>It is an operator and no function, because only an operator is told about the end of its input.
 */
final class Marks extends AbstractStreamOperator<String>
        implements OneInputStreamOperator<Event, String>, BoundedOneInput {
    private static final long serialVersionUID = 1L;

    private final Parameters parameters;
    private transient ListState<Tuple2<Long, Long>> state; // Marks: a split and its count.
    private transient Map<Long, Long> counts; // By split.

    private Marks(Parameters parameters) {
        this.parameters = parameters;
    }

    static DataStream<String> of(DataStream<Event> events, Parameters p) {
        return events.forward().transform("marks", Types.STRING, new Marks(p)).uid("marks").forward();
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        state = context.getOperatorStateStore().getUnionListState(
            new ListStateDescriptor<>("marks", Types.TUPLE(Types.LONG, Types.LONG)));
        counts = new TreeMap<>();
        for (Tuple2<Long, Long> mark : state.get()) {
            // If a split moved to another subtask, the earlier subtask kept an older mark.
            counts.merge(mark.f0, mark.f1, Math::max);
        }
    }

    @Override
    public void processElement(StreamRecord<Event> record) throws Exception {
        Delay.micros(parameters.slowMicros);
        Event event = record.getValue();
        long count = counts.merge(event.split, 1L, Long::sum);
        output.collect(new StreamRecord<>(Line.of(event.split, event.index, event.value, count)));
    }

    /** Puts out the marks at the end of the input. */
    @Override
    public void endInput() {
        counts.forEach((split, count) -> output.collect(new StreamRecord<>(Line.ofState(split, count))));
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        super.snapshotState(context);
        Thread.sleep(parameters.snapshotMillis); // Keeps the checkpoint open long enough for a fault to hit it.
        List<Tuple2<Long, Long>> marks = new ArrayList<>();
        counts.forEach((split, count) -> marks.add(Tuple2.of(split, count)));
        state.update(marks);
    }
}
