package snapback.workloads;

import java.nio.ByteBuffer;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Workload growing: keeps all values of each key, and reads an earlier value for each record. */
final class Growing extends KeyedProcessFunction<Long, Event, String> implements CheckpointedFunction {
    private static final long serialVersionUID = 1L;

    private final Parameters parameters;
    private transient ValueState<Long> count;
    private transient MapState<Long, byte[]> values; // By number, from 1 on.

    private Growing(Parameters parameters) {
        this.parameters = parameters;
    }

    static DataStream<String> of(DataStream<Event> events, Parameters p) {
        return events.keyBy(event -> event.key)
            .process(new Growing(p)).name("archive").uid("archive");
    }

    @Override
    public void initializeState(FunctionInitializationContext context) throws Exception {
        count = context.getKeyedStateStore().getState(new ValueStateDescriptor<>("count", Types.LONG));
        values = context.getKeyedStateStore().getMapState(
            new MapStateDescriptor<>("values", Types.LONG, PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO));
    }

    @Override
    public void processElement(Event event, Context context, Collector<String> out) throws Exception {
        Delay.micros(parameters.slowMicros);
        long counted = orZero(count.value()) + 1;
        count.update(counted);
        values.put(counted, ByteBuffer.allocate(Long.BYTES + parameters.payload).putLong(event.value).array());
        long probed = 1 + (parameters.hash(event.split, event.index) >>> 32) % counted;
        context.timerService().registerEventTimeTimer(Long.MAX_VALUE);
        out.collect(Line.of(event.split, event.index, event.key, event.value, counted, value(probed)));
    }

    /** Puts out the state of a key at the end of the input. */
    @Override
    public void onTimer(long time, OnTimerContext context, Collector<String> out) throws Exception {
        long counted = orZero(count.value());
        long sum = 0;
        for (long number = 1; number <= counted; number++) {
            sum += value(number);
        }
        out.collect(Line.ofState(context.getCurrentKey(), counted, sum));
    }

    /** Returns the value of the current key with this number, or -1 if the archive lost it. */
    private long value(long number) throws Exception {
        byte[] kept = values.get(number);
        return kept == null ? -1 : ByteBuffer.wrap(kept).getLong();
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
