package snapback.workloads;

import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Workloads counts and backpressure: counts the records and sums up the values of each key. */
final class Counts extends KeyedProcessFunction<Long, Event, String> implements CheckpointedFunction {
    private static final long serialVersionUID = 1L;

    private final Parameters parameters;
    private transient ValueState<Long> count;
    private transient ValueState<Long> sum;

    private Counts(Parameters parameters) {
        this.parameters = parameters;
    }

    static DataStream<String> of(DataStream<Event> events, Parameters p) {
        return events.keyBy(event -> event.key)
            .process(new Counts(p)).name("counter").uid("counter");
    }

    @Override
    public void initializeState(FunctionInitializationContext context) throws Exception {
        count = context.getKeyedStateStore().getState(new ValueStateDescriptor<>("count", Types.LONG));
        sum = context.getKeyedStateStore().getState(new ValueStateDescriptor<>("sum", Types.LONG));
    }

    @Override
    public void processElement(Event event, Context context, Collector<String> out) throws Exception {
        Delay.micros(parameters.slowMicros);
        long counted = orZero(count.value()) + 1;
        long summed = orZero(sum.value()) + event.value;
        count.update(counted);
        sum.update(summed);
        context.timerService().registerEventTimeTimer(Long.MAX_VALUE);
        out.collect(Line.of(event.split, event.index, event.key, event.value, counted, summed));
    }

    /** Puts out the state of a key at the end of the input. */
    @Override
    public void onTimer(long time, OnTimerContext context, Collector<String> out) throws Exception {
        out.collect(Line.ofState(context.getCurrentKey(), orZero(count.value()), orZero(sum.value())));
    }

    private static long orZero(Long value) {
        return value == null ? 0 : value;
    }

    /** Keeps the checkpoint open long enough for a fault to hit it. */
    @Override
    public void snapshotState(FunctionSnapshotContext context) throws Exception {
        Thread.sleep(parameters.snapshotMillis);
    }
}
