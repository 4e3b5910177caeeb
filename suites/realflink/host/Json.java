package snapback.host;

import java.util.LinkedHashMap;
import java.util.Map;

/** JSON objects with their keys in the given order. Each is printed on a line of its own. */
final class Json {
    private Json() {}

    /** Returns an object with its keys in the given order. */
    static Map<String, Object> obj(Object... keysAndValues) {
        Map<String, Object> m = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            m.put((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return m;
    }

    static void print(Map<String, Object> object) {
        StringBuilder b = new StringBuilder();
        json(object, b);
        synchronized (Host.out) {
            Host.out.println(b);
        }
    }

    static void json(Object o, StringBuilder b) {
        if (o instanceof Map<?, ?> m) {
            String sep = "{";
            for (Map.Entry<?, ?> e : m.entrySet()) {
                b.append(sep);
                json(e.getKey(), b);
                b.append(':');
                json(e.getValue(), b);
                sep = ",";
            }
            b.append(m.isEmpty() ? "{}" : "}");
        } else if (o instanceof Iterable<?> l) {
            b.append('[');
            String sep = "";
            for (Object x : l) {
                b.append(sep);
                json(x, b);
                sep = ",";
            }
            b.append(']');
        } else if (o == null || o instanceof Boolean || o instanceof Integer || o instanceof Long) {
            b.append(o);
        } else {
            b.append('"');
            for (char c : o.toString().toCharArray()) {
                if (c == '"' || c == '\\') {
                    b.append('\\').append(c);
                } else if (c < ' ') {
                    b.append(String.format("\\u%04x", (int) c));
                } else {
                    b.append(c);
                }
            }
            b.append('"');
        }
    }
}
