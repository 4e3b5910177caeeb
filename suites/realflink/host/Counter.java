package snapback.host;

import org.apache.flink.api.common.TaskInfo;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

import java.util.concurrent.TimeUnit;

/** Keyed state "cnt": how often the key was seen. */
class Counter extends KeyedProcessFunction<Long, Long, Long> implements CheckpointedFunction {
    final String key;
    transient Control control;
    transient ValueState<Long> state;

    Counter(String key) {
        this.key = key;
    }

    @Override
    public void open(OpenContext o) {
        control = Control.ALL.get(key);
        state = getRuntimeContext().getState(new ValueStateDescriptor<>("cnt", Types.LONG));
    }

    @Override
    public void processElement(Long x, Context c, Collector<Long> o) throws Exception {
        if (control.delayMicros > 0) {
            TimeUnit.MICROSECONDS.sleep(control.delayMicros);
        }
        Long old = state.value();
        long now = old == null ? 1 : old + 1;
        state.update(now);
        control.counts.put(c.getCurrentKey(), now);
        control.seen.incrementAndGet();
        o.collect(x);
    }

    @Override
    public void initializeState(FunctionInitializationContext c) {}

    @Override
    public void snapshotState(FunctionSnapshotContext c) throws Exception {
        TaskInfo task = getRuntimeContext().getTaskInfo();
        if (task.getIndexOfThisSubtask() == task.getNumberOfParallelSubtasks() - 1) {
            TimeUnit.MILLISECONDS.sleep(control.snapshotMillis);
        }
    }
}
