package snapback.connectors;

/** One record. The counter fills in {@link #count} and {@link #sum}. */
public final class Event {
    public long split;
    public long index;
    public int key;
    public long value;
    public long count;
    public long sum;

    public Event() {} // Flink's serializer for plain objects needs this constructor.

    /** Reads the form in which the harness writes the input: four numbers. */
    static Event parse(String text) {
        String[] fields = text.split(" ");
        Event event = new Event();
        event.split = Long.parseLong(fields[0]);
        event.index = Long.parseLong(fields[1]);
        event.key = Integer.parseInt(fields[2]);
        event.value = Long.parseLong(fields[3]);
        return event;
    }

    /** Returns the line of output, as docs/workloads.md describes it. */
    String line() {
        return split + " " + index + " " + key + " " + value + " " + count + " " + sum;
    }
}
