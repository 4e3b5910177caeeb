package snapback.workloads;

/** Lines of output: numbers with a space between them. */
final class Line {
    static String of(long... numbers) {
        StringBuilder line = new StringBuilder();
        for (long number : numbers) {
            line.append(line.length() == 0 ? "" : " ").append(number);
        }
        return line.toString();
    }

    /** Returns a line that shows state at the end of the input. */
    static String ofState(long... numbers) {
        return "state " + of(numbers);
    }

    private Line() {}
}
