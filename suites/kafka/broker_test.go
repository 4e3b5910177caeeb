package kafka_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/flink/kafka"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/suites/internal/programs"
)

var _ = Describe("The broker", Ordered, func() {
	var (
		broker *kafka.Broker
		ran    *programs.Program
		dir    string
		w      = workload.Workload{Name: workload.Counts, Seed: 7, Splits: 2, Records: 5, Keys: 3}
	)

	start := func(ctx context.Context) {
		var err error
		ran, err = programs.Start(dir, "broker", broker.Command())
		Expect(err).NotTo(HaveOccurred())
		Expect(broker.Await(ctx, ran.Ended)).To(Succeed())
	}

	// begin begins a transaction, and writes a line to partition 0 of the output.
	begin := func(ctx context.Context, name, text string) *kgo.Client {
		client, err := kgo.NewClient(kgo.SeedBrokers(broker.Address), kgo.TransactionalID(name),
			kgo.TransactionTimeout(time.Minute), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		Expect(err).NotTo(HaveOccurred())
		Expect(client.BeginTransaction()).To(Succeed())
		record := &kgo.Record{Topic: kafka.Output, Value: []byte(text), Headers: []kgo.RecordHeader{{Key: kafka.JobHeader, Value: []byte("first")}}}
		Expect(client.ProduceSync(ctx, record).FirstErr()).To(Succeed())
		return client
	}

	BeforeAll(func(ctx SpecContext) {
		_, err := under(workload.Kafka)(ctx)
		Expect(err).NotTo(HaveOccurred())
		cache, err := flink.CacheDir()
		Expect(err).NotTo(HaveOccurred())
		dir = GinkgoT().TempDir()
		broker, err = kafka.New(func(name string, command *exec.Cmd) (string, error) {
			return programs.Run(ctx, dir, name, command)
		}, kafka.BrokerDir(cache), filepath.Join(dir, "kafka"))
		Expect(err).NotTo(HaveOccurred())
		start(ctx)
		Expect(broker.Fill(ctx, w)).To(Succeed())
	})

	AfterAll(func() {
		broker.Close()
		Expect(ran.Kill()).To(Succeed())
	})

	It("shows only what was committed, also after it was killed", func(ctx SpecContext) {
		committed := begin(ctx, "a", "1")
		defer committed.Close()
		Expect(committed.EndTransaction(ctx, kgo.TryCommit)).To(Succeed())
		aborted := begin(ctx, "b", "2")
		defer aborted.Close()
		Expect(aborted.EndTransaction(ctx, kgo.TryAbort)).To(Succeed())

		// Kafka answers before it has ended a transaction. One that is being ended when the broker is
		// killed may stay open: see docs/kafka.md.
		_, err := broker.Committed(ctx, time.Minute)
		Expect(err).NotTo(HaveOccurred())
		Expect(ran.Kill()).To(Succeed())
		start(ctx)
		out, err := broker.Committed(ctx, time.Minute)
		Expect(err).NotTo(HaveOccurred())
		Expect(out.Lines).To(Equal([]kafka.Line{{Job: "first", Text: "1"}}))
		Expect(out.Transactions).To(HaveLen(2))
		Expect(out.Transactions[0].Aborted).To(BeFalse())
		Expect(out.Transactions[1].Aborted).To(BeTrue())
	})

	It("hides what is behind an open transaction", func(ctx SpecContext) {
		open := begin(ctx, "c", "3")
		defer open.Close()
		behind := begin(ctx, "d", "4")
		defer behind.Close()
		Expect(behind.EndTransaction(ctx, kgo.TryCommit)).To(Succeed())

		out, err := broker.Committed(ctx, 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(out.Lines).To(HaveLen(1))

		Expect(open.EndTransaction(ctx, kgo.TryCommit)).To(Succeed())
		out, err = broker.Committed(ctx, 3*time.Minute) // a busy broker ends the transaction late
		Expect(err).NotTo(HaveOccurred())
		Expect(out.Lines).To(HaveLen(3))
	})
})
