package snapback.workloads;

import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Workload windows: counts and sums up the records of each key in windows of event time. */
final class Windows extends KeyedProcessFunction<Long, Event, String> implements CheckpointedFunction {
    private static final long serialVersionUID = 1L;

    private static final long SIZE = 100; // Length of a window, in milliseconds.

    private final Parameters parameters;
    private transient MapState<Long, Tuple2<Long, Long>> open; // By begin: count and sum.

    private Windows(Parameters parameters) {
        this.parameters = parameters;
    }

    static DataStream<String> of(StreamExecutionEnvironment env, Parameters p) {
        return env.fromSource(
                Input.inEventTime(p), WatermarkStrategy.forGenerator(context -> new EveryEighth()), "source")
            .uid("source")
            .keyBy(event -> event.key)
            .process(new Windows(p)).name("window").uid("window");
    }

    /** Sends a watermark after every 8th record of a split. Flink merges the splits' watermarks. */
    private static final class EveryEighth implements WatermarkGenerator<Event> {
        @Override
        public void onEvent(Event event, long time, WatermarkOutput output) {
            long next = event.index + 1;
            if (next % 8 == 0) {
                output.emitWatermark(new Watermark(next * 10 - 50));
            }
        }

        @Override
        public void onPeriodicEmit(WatermarkOutput output) {}
    }

    @Override
    public void initializeState(FunctionInitializationContext context) throws Exception {
        open = context.getKeyedStateStore().getMapState(
            new MapStateDescriptor<>("open", Types.LONG, Types.TUPLE(Types.LONG, Types.LONG)));
    }

    @Override
    public void processElement(Event event, Context context, Collector<String> out) throws Exception {
        Delay.micros(parameters.slowMicros);
        long begin = context.timestamp() - context.timestamp() % SIZE;
        Tuple2<Long, Long> before = open.contains(begin) ? open.get(begin) : Tuple2.of(0L, 0L);
        open.put(begin, Tuple2.of(before.f0 + 1, before.f1 + event.value));
        context.timerService().registerEventTimeTimer(begin + SIZE);
    }

    /** Puts out the window that ends at this time. */
    @Override
    public void onTimer(long time, OnTimerContext context, Collector<String> out) throws Exception {
        long begin = time - SIZE;
        Tuple2<Long, Long> total = open.get(begin);
        open.remove(begin);
        out.collect(Line.of(context.getCurrentKey(), begin, total.f0, total.f1));
    }

    /** Keeps the checkpoint open long enough for a fault to hit it. */
    @Override
    public void snapshotState(FunctionSnapshotContext context) throws Exception {
        Thread.sleep(parameters.snapshotMillis);
    }
}
