package snapback.host;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/** Controls a running job and holds what the job reports. Jobs share this JVM and find their Control by its key. */
class Control {
    static final Map<String, Control> ALL = new ConcurrentHashMap<>();
    static final AtomicLong next = new AtomicLong();

    final String key = "job-" + next.incrementAndGet();
    volatile long rounds;           // rounds a source subtask may emit in this run
    volatile long delayMicros;      // delay of each record in the counter
    volatile long snapshotMillis;   // duration of the snapshot in the last subtask of the counter; the files of other subtasks wait for it
    volatile boolean finish;        // sources end
    volatile boolean fail;          // sources throw
    final AtomicLong restoredRounds = new AtomicLong();
    final AtomicLong emittedRounds = new AtomicLong();
    final AtomicLong seen = new AtomicLong();
    final Map<Long, Long> counts = new ConcurrentHashMap<>();

    Control() {
        ALL.put(key, this);
    }

    /** Returns whether every key was counted once for each emitted round: no record was lost or counted twice. */
    boolean consistent() {
        long want = restoredRounds.get() + emittedRounds.get();
        return counts.size() == Job.KEYS && counts.values().stream().allMatch(c -> c == want);
    }
}
