package snapback.connectors;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * Counts the records and sums up the values of each key, and puts out lines. At the end of its input
 * it puts out what it holds for each key. It also makes room for faults at two moments:
 *
 * <ul>
 *   <li>Its snapshot takes a while. The snapshot of subtask 0 takes only a quarter of this time. So
 *       the sink of subtask 0 pre-commits its transaction a while before the checkpoint completes.
 *   <li>It handles the first record after a snapshot slowly. Flink tells the sink in the same thread
 *       that the checkpoint is complete. So the sink commits its transaction a while after that.
 * </ul>
 */
final class Counter extends KeyedProcessFunction<Integer, Event, Line>
        implements CheckpointedFunction {
    private static final long serialVersionUID = 1L;

    private final long snapshotMillis;
    private final long slowMicros;
    private transient ValueState<Long> count;
    private transient ValueState<Long> sum;
    private transient boolean afterSnapshot;

    Counter(Params params) {
        this.snapshotMillis = params.snapshotMillis;
        this.slowMicros = params.slowMicros;
    }

    @Override
    public void open(OpenContext context) {
        count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Long.class));
        sum = getRuntimeContext().getState(new ValueStateDescriptor<>("sum", Long.class));
    }

    @Override
    public void processElement(Event event, Context context, Collector<Line> out)
            throws Exception {
        if (afterSnapshot) {
            afterSnapshot = false;
            Thread.sleep(snapshotMillis);
        }
        Pace.pause(slowMicros);
        event.count = orZero(count.value()) + 1;
        event.sum = orZero(sum.value()) + event.value;
        count.update(event.count);
        sum.update(event.sum);
        context.timerService().registerEventTimeTimer(Long.MAX_VALUE);
        out.collect(new Line(event.key, event.line()));
    }

    /** Puts out the state of a key: the input has ended. */
    @Override
    public void onTimer(long time, OnTimerContext context, Collector<Line> out) throws Exception {
        int key = context.getCurrentKey();
        out.collect(new Line(key, "state " + key + " " + count.value() + " " + sum.value()));
    }

    private static long orZero(Long value) {
        return value == null ? 0 : value;
    }

    @Override
    public void snapshotState(FunctionSnapshotContext context) throws Exception {
        boolean first = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask() == 0;
        Thread.sleep(first ? snapshotMillis / 4 : snapshotMillis);
        afterSnapshot = true;
    }

    @Override
    public void initializeState(FunctionInitializationContext context) {}
}
