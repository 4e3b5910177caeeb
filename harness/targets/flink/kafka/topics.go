package kafka

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/snapback/snapback/scenarios/workload"
)

// The topics of a workload. Both have as many partitions as the workload has splits.
const (
	Input  = "input"
	Output = "output"
)

// JobHeader is the header of a record of the output that names the job.
const JobHeader = "job"

// Fill creates the topics, and writes the input of a workload: each split into the partition of
// its number, one record for each line "split index key value".
func (b *Broker) Fill(ctx context.Context, w workload.Workload) error {
	// The state at the end has the largest time that there is, which Kafka would refuse.
	stamped := map[string]*string{"message.timestamp.type": kadm.StringPtr("LogAppendTime")}
	created, err := kadm.NewClient(b.client).CreateTopics(ctx, int32(w.Splits), 1, stamped, Input, Output)
	if err == nil {
		err = created.Error()
	}
	if err != nil {
		return fmt.Errorf("create the topics %s and %s: %w", Input, Output, err)
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(b.Address), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer producer.Close()
	var records []*kgo.Record
	for split := range int64(w.Splits) {
		for index := range int64(w.Records) {
			key, value := w.Input(split, index)
			line := fmt.Appendf(nil, "%d %d %d %d", split, index, key, value)
			records = append(records, &kgo.Record{Topic: Input, Partition: int32(split), Value: line})
		}
	}
	if err := producer.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("write the input: %w", err)
	}
	return nil
}

// Line is a committed line of the output.
type Line struct {
	Job       string // the name of the job
	Partition int32
	Text      string
}

// Transaction is a transaction that was committed or aborted, in one partition of the output.
type Transaction struct {
	Began   time.Time // the broker's time of its first record
	Ended   time.Time
	Aborted bool
}

// Committed is what a reader of committed records sees of the output, and how its transactions ended.
type Committed struct {
	Lines        []Line
	Transactions []Transaction // those that were aborted, too
	Waited       time.Duration // how long open transactions hid records
}

// openRetry is the time after which Committed looks again whether a transaction is still open.
const openRetry = 100 * time.Millisecond

// Committed returns what a reader of committed records sees of the output. Records behind an open
// transaction are hidden from readers. So it first waits until no transaction is open, but not
// longer than the given time.
func (b *Broker) Committed(ctx context.Context, patience time.Duration) (out Committed, err error) {
	began := time.Now()
	ends, err := b.stableEnds(ctx, patience)
	if err != nil {
		return Committed{}, err
	}
	out.Waited = time.Since(began)
	err = b.read(ctx, ends, kgo.ReadCommitted(), func(r *kgo.Record) {
		if !r.Attrs.IsControl() {
			out.Lines = append(out.Lines, line(r))
		}
	})
	if err != nil {
		return Committed{}, err
	}
	begun := map[writer]time.Time{} // when the open transaction of each writer began
	err = b.read(ctx, ends, kgo.ReadUncommitted(), func(r *kgo.Record) { out.follow(r, begun) })
	return out, err
}

// stableEnds returns the offset, for each partition of the output, at which the first open
// transaction begins, or at which the partition ends.
func (b *Broker) stableEnds(ctx context.Context, patience time.Duration) (map[int32]int64, error) {
	admin := kadm.NewClient(b.client)
	for deadline := time.Now().Add(patience); ; {
		stable, err := admin.ListCommittedOffsets(ctx, Output)
		if err == nil {
			err = stable.Error()
		}
		if err != nil {
			return nil, fmt.Errorf("find the last stable offset of %s: %w", Output, err)
		}
		all, err := admin.ListEndOffsets(ctx, Output)
		if err == nil {
			err = all.Error()
		}
		if err != nil {
			return nil, fmt.Errorf("find the end of %s: %w", Output, err)
		}
		ends, open := map[int32]int64{}, false
		stable.Each(func(o kadm.ListedOffset) {
			end, _ := all.Lookup(Output, o.Partition)
			ends[o.Partition], open = o.Offset, open || o.Offset < end.Offset
		})
		if !open || time.Now().After(deadline) {
			return ends, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(openRetry):
		}
	}
}

// read calls see() with each record of the output up to the given offsets that a reader with the
// given isolation sees, and with each control record. A reader of committed records does not see
// those of an aborted transaction.
func (b *Broker) read(ctx context.Context, ends map[int32]int64, isolation kgo.IsolationLevel, see func(*kgo.Record)) error {
	from, missing := map[int32]kgo.Offset{}, 0
	for partition, end := range ends {
		if from[partition] = kgo.NewOffset().At(0); end > 0 {
			missing++
		}
	}
	reader, err := kgo.NewClient(
		kgo.SeedBrokers(b.Address), kgo.FetchIsolationLevel(isolation),
		kgo.KeepControlRecords(), // with them a reader sees that it is at the end
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{Output: from}),
	)
	if err != nil {
		return err
	}
	defer reader.Close()
	for missing > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read %s: %w", Output, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset == ends[r.Partition]-1 {
				missing--
			}
			if r.Offset < ends[r.Partition] {
				see(r)
			}
		})
	}
	return nil
}

// writer is a producer that writes to a partition. It has one transaction at a time there.
type writer struct {
	partition int32
	producer  int64
}

// follow adds the transaction that a control record ends.
func (out *Committed) follow(r *kgo.Record, begun map[writer]time.Time) {
	by := writer{r.Partition, r.ProducerID}
	began, open := begun[by]
	switch {
	case !r.Attrs.IsControl() && !open:
		begun[by] = r.Timestamp
	case r.Attrs.IsControl() && open:
		out.Transactions = append(out.Transactions, Transaction{Began: began, Ended: r.Timestamp, Aborted: !commits(r)})
		delete(begun, by)
	}
}

// commits says whether a control record commits a transaction. Its key is a version and a type, each
// of two bytes. The type 1 is a commit.
func commits(r *kgo.Record) bool { return len(r.Key) == 4 && binary.BigEndian.Uint16(r.Key[2:]) == 1 }

func line(r *kgo.Record) Line {
	l := Line{Partition: r.Partition, Text: string(r.Value)}
	for _, header := range r.Headers {
		if header.Key == JobHeader {
			l.Job = string(header.Value)
		}
	}
	return l
}
