package snapback.host;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/** How one running job is steered, and what it reports; found by its key, since jobs share this JVM and class loader. */
class Control {
    static final Map<String, Control> ALL = new ConcurrentHashMap<>();
    static final AtomicLong next = new AtomicLong();

    final String key = "job-" + next.incrementAndGet();
    volatile long rounds;           // rounds a source subtask may emit in this run
    volatile long delayMicros;      // per record, in the counter
    volatile long snapshotMillis;   // that the last subtask of the counter takes to snapshot; files of the others wait for it
    volatile boolean finish;        // sources end
    volatile boolean fail;          // sources throw
    final AtomicLong restoredRounds = new AtomicLong();
    final AtomicLong emittedRounds = new AtomicLong();
    final AtomicLong seen = new AtomicLong();
    final Map<Long, Long> counts = new ConcurrentHashMap<>();

    Control() {
        ALL.put(key, this);
    }

    /** Every key was counted once for each round ever emitted: no record was lost or counted twice. */
    boolean consistent() {
        long want = restoredRounds.get() + emittedRounds.get();
        return counts.size() == Job.KEYS && counts.values().stream().allMatch(c -> c == want);
    }
}
