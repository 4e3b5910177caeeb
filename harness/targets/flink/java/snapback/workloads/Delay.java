package snapback.workloads;

import java.util.concurrent.locks.LockSupport;

/** Lets time pass in a task. A task that is being canceled is interrupted, which ends the delay. */
final class Delay {
    /** Waits for a number of microseconds. */
    static void micros(long micros) throws InterruptedException {
        // Thread.sleep would round up to whole milliseconds on Java 17.
        long end = System.nanoTime() + micros * 1000;
        for (long left = micros * 1000; left > 0; left = end - System.nanoTime()) {
            LockSupport.parkNanos(left);
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
        }
    }

    private Delay() {}
}
