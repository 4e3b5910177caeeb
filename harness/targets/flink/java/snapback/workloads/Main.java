package snapback.workloads;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * Runs one of the workloads of docs/workloads.md as a job. {@link Parameters} describes the
 * arguments.
 *
 * <p>The job configures no checkpoints; whoever submits it does.
 */
public final class Main {
    public static void main(String[] arguments) throws Exception {
        Parameters parameters = Parameters.parse(arguments);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        // Flink must know how to serialize each type. Kryo's format is not the same in all releases.
        env.configure(new Configuration().set(PipelineOptions.GENERIC_TYPES, false));
        lines(env, parameters)
            .sinkTo(new FileSink(parameters.dir)).name("sink").uid("sink");
        env.execute("snapback " + parameters.workload);
    }

    /** Returns the lines that the job with this workload puts out. */
    private static DataStream<String> lines(StreamExecutionEnvironment env, Parameters p) {
        switch (p.workload) {
            case "counts":
            case "backpressure":
                return Counts.of(events(env, p), p);
            case "transfers":
                return Transfers.of(events(env, p), p);
            case "windows":
                return Windows.of(env, p);
            case "rules":
                return Rules.of(env, events(env, p), p);
            case "growing":
                return Growing.of(events(env, p), p);
            case "splits":
                return Marks.of(events(env, p), p);
            default:
                throw new IllegalArgumentException("--workload: there is no workload " + p.workload);
        }
    }

    /** Returns the input. It has no watermarks but the one at its end. */
    private static DataStream<Event> events(StreamExecutionEnvironment env, Parameters p) {
        return env.fromSource(Input.of(p), WatermarkStrategy.noWatermarks(), "source").uid("source");
    }

    private Main() {}
}
