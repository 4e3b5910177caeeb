package snapback.workloads;

import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ReadOnlyBroadcastState;
import org.apache.flink.api.common.state.BroadcastState;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.co.KeyedBroadcastProcessFunction;
import org.apache.flink.util.Collector;

/** Workload rules: multiplies each value with the factor of the newest rule, which is broadcast. */
final class Rules extends KeyedBroadcastProcessFunction<Long, Event, Event, String>
        implements CheckpointedFunction {
    private static final long serialVersionUID = 1L;

    private static final int RECORDS_PER_RULE = 20;
    private static final long CONTROL_SPLIT = 1 << 20;

    /** The rules by version. A rule is its factor, and the number of times that it came. */
    private static final MapStateDescriptor<Long, Tuple2<Long, Long>> RULES =
        new MapStateDescriptor<>("rules", Types.LONG, Types.TUPLE(Types.LONG, Types.LONG));

    private final Parameters parameters;
    private transient ValueState<Long> count;

    private Rules(Parameters parameters) {
        this.parameters = parameters;
    }

    static DataStream<String> of(StreamExecutionEnvironment env, DataStream<Event> events, Parameters p) {
        DataStream<Event> control = env.fromSource(control(p), WatermarkStrategy.noWatermarks(), "control").uid("control");
        return events.keyBy(event -> event.key)
            .connect(control.broadcast(RULES))
            .process(new Rules(p)).name("apply").uid("apply");
    }

    /** Returns the input that has the rules: a rule's version is index + 1, its factor is value. */
    private static Input control(Parameters p) {
        Parameters control = new Parameters();
        control.seed = p.seed;
        control.splits = 1;
        control.records = Math.max(1, p.records / RECORDS_PER_RULE);
        control.pauseMicros = p.pauseMicros * RECORDS_PER_RULE;
        return Input.control(control, (split, index) ->
            new Event(CONTROL_SPLIT, index, 0, 1 + (control.hash(CONTROL_SPLIT, index) >>> 40) % 9));
    }

    @Override
    public void initializeState(FunctionInitializationContext context) throws Exception {
        count = context.getKeyedStateStore().getState(new ValueStateDescriptor<>("count", Types.LONG));
    }

    @Override
    public void processBroadcastElement(Event rule, Context context, Collector<String> out) throws Exception {
        BroadcastState<Long, Tuple2<Long, Long>> rules = context.getBroadcastState(RULES);
        long version = rule.index + 1;
        long before = rules.contains(version) ? rules.get(version).f1 : 0;
        rules.put(version, Tuple2.of(rule.value, before + 1));
    }

    @Override
    public void processElement(Event event, ReadOnlyContext context, Collector<String> out) throws Exception {
        Delay.micros(parameters.slowMicros);
        long version = 0;
        long factor = 1;
        long held = 0;
        for (Map.Entry<Long, Tuple2<Long, Long>> rule : rules(context)) {
            held += rule.getValue().f1;
            if (rule.getKey() > version) {
                version = rule.getKey();
                factor = rule.getValue().f0;
            }
        }
        long counted = orZero(count.value()) + 1;
        count.update(counted);
        context.timerService().registerEventTimeTimer(Long.MAX_VALUE);
        out.collect(Line.of(
            event.split, event.index, event.key, event.value, counted, version, held, event.value * factor));
    }

    /** Puts out the state of a key and the rules at the end of the input. */
    @Override
    public void onTimer(long time, OnTimerContext context, Collector<String> out) throws Exception {
        long held = 0;
        long sum = 0;
        for (Map.Entry<Long, Tuple2<Long, Long>> rule : rules(context)) {
            held += rule.getValue().f1;
            sum += rule.getKey() * rule.getValue().f0 * rule.getValue().f1;
        }
        out.collect(Line.ofState(context.getCurrentKey(), orZero(count.value()), held, sum));
    }

    private static Iterable<Map.Entry<Long, Tuple2<Long, Long>>> rules(
            KeyedBroadcastProcessFunction<?, ?, ?, ?>.ReadOnlyContext context) throws Exception {
        ReadOnlyBroadcastState<Long, Tuple2<Long, Long>> rules = context.getBroadcastState(RULES);
        return rules.immutableEntries();
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
