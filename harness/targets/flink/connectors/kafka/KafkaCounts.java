package snapback.connectors;

import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.HeaderProvider;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.sink.KafkaSinkBuilder;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.common.header.internals.RecordHeaders;

/**
 * The workload counts, with Flink's own connectors for Kafka at both ends. The job reads the
 * partitions of the topic {@code input} up to their ends, and writes its lines to the topic {@code
 * output} in transactions. Each line has a header {@code job} with the name of the job.
 *
 * <p>Arguments besides those of {@link Params}: {@code servers}, the address of the broker; {@code
 * transaction-timeout-ms}; {@code naming}, which is {@code INCREMENTING} or {@code POOLING}.
 */
public final class KafkaCounts {

    private KafkaCounts() {}

    public static void main(String[] args) throws Exception {
        Params params = Params.parse(args, "servers", "transaction-timeout-ms", "naming");
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        KafkaSource<String> source =
                KafkaSource.<String>builder()
                        .setBootstrapServers(params.other("servers"))
                        .setTopics("input")
                        .setGroupId("snapback")
                        .setStartingOffsets(OffsetsInitializer.earliest())
                        .setBounded(OffsetsInitializer.latest())
                        .setValueOnlyDeserializer(new SimpleStringSchema())
                        .build();
        env.fromSource(source, WatermarkStrategy.noWatermarks(), "source")
                .uid("source")
                .map(Event::parse)
                .name("parse")
                .uid("parse")
                .map(new Pace(params))
                .name("pace")
                .uid("pace")
                .keyBy(event -> event.key)
                .process(new Counter(params))
                .name("counter")
                .uid("counter")
                .sinkTo(sink(params))
                .name("sink")
                .uid("sink");
        env.execute("snapback counts");
    }

    /** Returns the sink. All jobs of a run have the same prefix of transactions, as users have. */
    private static KafkaSink<Line> sink(Params params) throws ReflectiveOperationException {
        byte[] job = params.job().getBytes(StandardCharsets.UTF_8);
        HeaderProvider<Line> header = line -> new RecordHeaders().add("job", job);
        KafkaSinkBuilder<Line> builder =
                KafkaSink.<Line>builder()
                        .setBootstrapServers(params.other("servers"))
                        .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
                        .setTransactionalIdPrefix("snapback")
                        .setProperty("transaction.timeout.ms", params.other("transaction-timeout-ms"))
                        .setRecordSerializer(
                                KafkaRecordSerializationSchema.<Line>builder()
                                        .setTopic("output")
                                        .setKeySerializationSchema(new Key())
                                        .setValueSerializationSchema(new Value())
                                        .setHeaderProvider(header)
                                        .build());
        setNaming(builder, params.other("naming"));
        return builder.build();
    }

    /** The key of a record of the output, so that all lines of a key are in one partition. */
    static final class Key implements SerializationSchema<Line> {
        private static final long serialVersionUID = 1L;

        @Override
        public byte[] serialize(Line line) {
            return Integer.toString(line.key).getBytes(StandardCharsets.UTF_8);
        }
    }

    /** The value of a record of the output: a line. */
    static final class Value implements SerializationSchema<Line> {
        private static final long serialVersionUID = 1L;

        @Override
        public byte[] serialize(Line line) {
            return line.text.getBytes(StandardCharsets.UTF_8);
        }
    }

    /**
     * Sets how the sink names its transactions. Connectors before 4.0 have no such setting: they
     * always use a new name, which later connectors call INCREMENTING.
     */
    @SuppressWarnings({"unchecked", "rawtypes"})
    private static void setNaming(KafkaSinkBuilder<Line> builder, String naming)
            throws ReflectiveOperationException {
        Class type;
        try {
            type = Class.forName("org.apache.flink.connector.kafka.sink.TransactionNamingStrategy");
        } catch (ClassNotFoundException e) {
            if (naming.equals("INCREMENTING")) {
                return;
            }
            throw new IllegalArgumentException(
                    "this connector for Kafka cannot use names of transactions again: --naming "
                            + naming,
                    e);
        }
        builder.getClass()
                .getMethod("setTransactionNamingStrategy", type)
                .invoke(builder, Enum.valueOf(type, naming));
    }
}
