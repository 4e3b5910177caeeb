package snapback.connectors;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.SimpleStringEncoder;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.filesystem.OutputFileConfig;
import org.apache.flink.streaming.api.functions.sink.filesystem.bucketassigners.BasePathBucketAssigner;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;

/**
 * The workload counts, with Flink's own sink for files. The sinks of all jobs of a run write to one
 * directory {@code committed}, as those of a job that is resumed do. The name of a file begins with
 * the name of the job that wrote it. While the file is not committed, a dot stands before it.
 */
public final class FileSinkCounts {

    private FileSinkCounts() {}

    public static void main(String[] args) throws Exception {
        Params params = Params.parse(args);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        long last = params.splits * params.records - 1;
        env.fromSource(
                        new NumberSequenceSource(0, last),
                        WatermarkStrategy.noWatermarks(),
                        "source")
                .uid("source")
                .map(number -> event(params, number))
                .name("number")
                .uid("number")
                .map(new Pace(params))
                .name("pace")
                .uid("pace")
                .keyBy(event -> event.key)
                .process(new Counter(params))
                .name("counter")
                .uid("counter")
                .map(line -> line.text)
                .name("text")
                .uid("text")
                .sinkTo(
                        FileSink.forRowFormat(
                                        new Path("file://" + params.together() + "/committed"),
                                        new SimpleStringEncoder<String>())
                                .withBucketAssigner(new BasePathBucketAssigner<>())
                                .withRollingPolicy(OnCheckpointRollingPolicy.build())
                                .withOutputFileConfig(
                                        OutputFileConfig.builder()
                                                .withPartPrefix(params.job() + ".part")
                                                .build())
                                .build())
                .name("sink")
                .uid("sink");
        env.execute("snapback counts");
    }

    /** Computes the record with a number, as docs/workloads.md describes it. */
    private static Event event(Params params, long number) {
        Event event = new Event();
        event.split = number / params.records;
        event.index = number % params.records;
        long x = params.seed + event.split * 1000003 + event.index;
        x ^= x >>> 33;
        x *= 0xff51afd7ed558ccdL;
        x ^= x >>> 33;
        event.key = (int) Long.remainderUnsigned(x, params.keys);
        event.value = (x >>> 40) % 1000;
        return event;
    }
}
