package snapback.host;

import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.functions.source.legacy.RichParallelSourceFunction;

import java.util.List;

/** Emits rounds with one record for each key. No checkpoint splits a round. State "rounds": number of rounds per subtask. */
class Source extends RichParallelSourceFunction<Long> implements CheckpointedFunction {
    final String key;
    volatile boolean running = true;
    transient Control control;
    transient ListState<Long> state;
    transient long total;

    Source(String key) {
        this.key = key;
    }

    @Override
    public void initializeState(FunctionInitializationContext c) throws Exception {
        control = Control.ALL.get(key);
        state = c.getOperatorStateStore().getListState(new ListStateDescriptor<>("rounds", Types.LONG));
        for (Long r : state.get()) {
            total += r;
        }
        control.restoredRounds.addAndGet(total);
    }

    @Override
    public void snapshotState(FunctionSnapshotContext c) throws Exception {
        state.update(List.of(total));
    }

    @Override
    public void run(SourceContext<Long> ctx) throws Exception {
        long emitted = 0;
        while (running) {
            if (control.fail) {
                throw new RuntimeException("failure on request");
            } else if (emitted < control.rounds) {
                synchronized (ctx.getCheckpointLock()) {
                    for (long k = 0; k < Job.KEYS; k++) {
                        ctx.collect(total * Job.KEYS + k);
                    }
                    total++;
                    emitted++;
                    control.emittedRounds.incrementAndGet();
                }
            } else if (control.finish) {
                return;
            } else {
                Thread.sleep(1);
            }
        }
    }

    @Override
    public void cancel() {
        running = false;
    }
}
