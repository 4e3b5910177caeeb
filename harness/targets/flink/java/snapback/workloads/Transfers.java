package snapback.workloads;

import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.api.common.functions.ReduceFunction;
import org.apache.flink.api.common.state.ReducingState;
import org.apache.flink.api.common.state.ReducingStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Workload transfers: keeps the balance and the number of movements of each account. */
final class Transfers extends KeyedProcessFunction<Long, Event, String> implements CheckpointedFunction {
    private static final long serialVersionUID = 1L;

    private final Parameters parameters;
    private transient ReducingState<Long> balance;
    private transient ReducingState<Long> movements;

    private Transfers(Parameters parameters) {
        this.parameters = parameters;
    }

    static DataStream<String> of(DataStream<Event> events, Parameters p) {
        return events.flatMap(new Legs(p)).name("legs").uid("legs")
            .keyBy(leg -> leg.key)
            .process(new Transfers(p)).name("accounts").uid("accounts");
    }

    /** Makes two records of a transfer. Key is the account, value is the change of its balance. */
    private static final class Legs implements FlatMapFunction<Event, Event> {
        private static final long serialVersionUID = 1L;

        private final Parameters parameters;

        Legs(Parameters parameters) {
            this.parameters = parameters;
        }

        @Override
        public void flatMap(Event event, Collector<Event> out) {
            long amount = event.value + 1;
            long receiver = Long.remainderUnsigned(parameters.hash(event.split, event.index) >>> 20, parameters.keys);
            out.collect(new Event(event.split, event.index, event.key, -amount));
            out.collect(new Event(event.split, event.index, receiver, amount));
        }
    }

    /** Adds two numbers. */
    private static final class Add implements ReduceFunction<Long> {
        private static final long serialVersionUID = 1L;

        @Override
        public Long reduce(Long a, Long b) {
            return a + b;
        }
    }

    @Override
    public void initializeState(FunctionInitializationContext context) throws Exception {
        balance = context.getKeyedStateStore()
            .getReducingState(new ReducingStateDescriptor<>("balance", new Add(), Types.LONG));
        movements = context.getKeyedStateStore()
            .getReducingState(new ReducingStateDescriptor<>("movements", new Add(), Types.LONG));
    }

    @Override
    public void processElement(Event leg, Context context, Collector<String> out) throws Exception {
        Delay.micros(parameters.slowMicros);
        movements.add(1L);
        balance.add(leg.value);
        context.timerService().registerEventTimeTimer(Long.MAX_VALUE);
        out.collect(Line.of(leg.split, leg.index, leg.key, leg.value, movements.get(), balance.get()));
    }

    /** Puts out the state of an account at the end of the input. */
    @Override
    public void onTimer(long time, OnTimerContext context, Collector<String> out) throws Exception {
        out.collect(Line.ofState(context.getCurrentKey(), orZero(movements.get()), orZero(balance.get())));
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
