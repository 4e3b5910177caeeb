package snapback.workloads;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceOutput;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.core.io.InputStatus;

/**
 * Reads its splits in turn, one record of each, with a pause after each record. Splits that are idle
 * at first come after all others.
 */
final class InputReader implements SourceReader<Event, InputSplit> {
    private final Input input;
    private final SourceReaderContext context;
    private final Deque<Reading> splits = new ArrayDeque<>(); // The split that is read next is the first.
    private boolean complete; // Whether no more splits will come.
    private CompletableFuture<Void> available = new CompletableFuture<>();

    InputReader(Input input, SourceReaderContext context) {
        this.input = input;
        this.context = context;
    }

    /** A split that this reader reads. */
    private final class Reading {
        final long number;
        long next;
        SourceOutput<Event> output; // Null until the first call of pollNext.
        Progress progress; // Null before the first record.

        Reading(InputSplit split) {
            number = split.number;
            next = split.next;
        }

        String id() {
            return Long.toString(number);
        }

        void readOne() throws IOException {
            if (input.traced) {
                if (progress == null) {
                    progress = new Progress(input.parameters.dir, number, next);
                }
                progress.advance();
            }
            Event event = input.records.at(number, next);
            output.collect(event, input.parameters.time(event));
            next++;
        }

        boolean ended() {
            return next >= input.parameters.length(number);
        }

        void close() throws IOException {
            if (progress != null) {
                progress.close();
            }
        }
    }

    @Override
    public void start() {
        if (splits.isEmpty() || input.together) {
            context.sendSplitRequest();
        }
    }

    @Override
    public InputStatus pollNext(ReaderOutput<Event> output) throws IOException {
        if (complete && splits.isEmpty()) {
            return InputStatus.END_OF_INPUT;
        }
        if (!available.isDone() || (input.together && !complete)) {
            return InputStatus.NOTHING_AVAILABLE;
        }
        // Every split has an output, so that the watermark waits for every split.
        for (Reading each : splits) {
            if (each.output == null) {
                each.output = output.createOutputForSplit(each.id());
            }
        }
        Reading reading = due();
        splits.remove(reading);
        if (!reading.ended()) {
            reading.readOne();
            available = pause();
        }
        if (reading.ended()) {
            end(reading, output);
        } else {
            splits.add(reading);
        }
        return InputStatus.NOTHING_AVAILABLE;
    }

    /** Returns the split that is read next. */
    private Reading due() {
        for (Reading each : splits) {
            if (each.number >= input.parameters.idle) {
                return each;
            }
        }
        return splits.element();
    }

    private void end(Reading reading, ReaderOutput<Event> output) throws IOException {
        output.releaseOutputForSplit(reading.id());
        reading.close();
        if (splits.isEmpty() && !complete) {
            available = new CompletableFuture<>();
            context.sendSplitRequest();
        }
    }

    private CompletableFuture<Void> pause() {
        long micros = input.parameters.pauseMicros;
        if (micros == 0) {
            return CompletableFuture.completedFuture(null);
        }
        return new CompletableFuture<Void>().completeOnTimeout(null, micros, TimeUnit.MICROSECONDS);
    }

    @Override
    public CompletableFuture<Void> isAvailable() {
        return available;
    }

    @Override
    public void addSplits(List<InputSplit> added) {
        for (InputSplit split : added) {
            splits.add(new Reading(split));
        }
        available.complete(null);
    }

    @Override
    public void notifyNoMoreSplits() {
        complete = true;
        available.complete(null);
    }

    @Override
    public List<InputSplit> snapshotState(long checkpoint) {
        List<InputSplit> state = new ArrayList<>();
        for (Reading reading : splits) {
            state.add(new InputSplit(reading.number, reading.next));
        }
        return state;
    }

    @Override
    public void close() throws IOException {
        for (Reading reading : splits) {
            reading.close();
        }
    }
}
