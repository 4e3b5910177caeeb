package snapback.workloads;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.connector.source.SplitsAssignment;

/**
 * Assigns splits to the readers that ask for them. A reader gets half of its share at once, and asks
 * again when it has read these splits. So a checkpoint may be taken while some splits still wait
 * here, and a fast reader gets more splits than a slow one.
 */
final class InputEnumerator implements SplitEnumerator<InputSplit, List<InputSplit>> {
    private final Input input;
    private final SplitEnumeratorContext<InputSplit> context;
    private final Deque<InputSplit> waiting;

    InputEnumerator(Input input, SplitEnumeratorContext<InputSplit> context, Collection<InputSplit> waiting) {
        this.input = input;
        this.context = context;
        this.waiting = new ArrayDeque<>(waiting);
    }

    @Override
    public void start() {}

    @Override
    public void addReader(int subtask) {}

    @Override
    public void handleSplitRequest(int subtask, String host) {
        if (!context.registeredReaders().containsKey(subtask)) {
            return; // The reader failed after it had asked. It asks again when it has restarted.
        }
        List<InputSplit> assigned = new ArrayList<>();
        for (int left = batch(); left > 0 && !waiting.isEmpty(); left--) {
            assigned.add(waiting.remove());
        }
        boolean last = assigned.isEmpty() || input.together;
        if (!assigned.isEmpty()) {
            context.assignSplits(new SplitsAssignment<>(Collections.singletonMap(subtask, assigned)));
        }
        if (last) {
            context.signalNoMoreSplits(subtask);
        }
    }

    /** Returns the number of splits that a reader gets at once. */
    private int batch() {
        int parts = context.currentParallelism() * (input.together ? 1 : 2);
        return (input.parameters.splits + parts - 1) / parts;
    }

    /** Takes back splits that a reader got after the checkpoint from which it restarts. */
    @Override
    public void addSplitsBack(List<InputSplit> splits, int subtask) {
        waiting.addAll(splits);
    }

    @Override
    public List<InputSplit> snapshotState(long checkpoint) {
        return new ArrayList<>(waiting);
    }

    @Override
    public void close() {}
}
