package snapback.connectors;

/** A line of output, and the key to which it belongs. */
public final class Line {
    public int key;
    public String text;

    public Line() {} // Flink's serializer for plain objects needs this constructor.

    Line(int key, String text) {
        this.key = key;
        this.text = text;
    }
}
