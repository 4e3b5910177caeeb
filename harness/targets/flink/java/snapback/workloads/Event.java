package snapback.workloads;

/** A record on its way from a source to a stateful operator. */
public final class Event {
    public long split;
    public long index;
    public long key;
    public long value;

    public Event() {} // Flink's serializer for plain objects needs this constructor.

    Event(long split, long index, long key, long value) {
        this.split = split;
        this.index = index;
        this.key = key;
        this.value = value;
    }
}
