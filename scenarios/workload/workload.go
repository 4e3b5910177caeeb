// Package workload holds the deterministic inputs of jobs, and the models of their outputs.
// docs/workloads.md specifies both for everybody who implements a job.
//
// This package runs nothing, and shares no code with any implementation.
//
// Start with [Workload] and [Model].
package workload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The workloads.
const (
	Counts       = "counts"       // counts the records of each key and sums their values
	Transfers    = "transfers"    // moves money between accounts; the sum of all balances stays the same
	Windows      = "windows"      // counts and sums the records of each key in windows of event time, with timers
	Rules        = "rules"        // broadcasts rules, which the job applies to records
	Growing      = "growing"      // has state that only grows
	Backpressure = "backpressure" // is like counts, with a slow operator
	Splits       = "splits"       // has no keys; the state is the position in each split
)

// Names lists the workloads; the first is the default.
func Names() []string {
	return []string{Counts, Transfers, Windows, Rules, Growing, Backpressure, Splits}
}

// Describe says what a workload does.
func Describe(name string) string {
	return map[string]string{
		Counts:       "counts and sums per key of numbered records",
		Transfers:    "transfers between accounts, whose sum stays the same",
		Windows:      "counts and sums per key and window of event time, with timers",
		Rules:        "broadcast rules, which are applied to records",
		Growing:      "state that only grows; each record reads an earlier value again",
		Backpressure: "counts, with an operator that is slower than its source",
		Splits:       "records without keys; the state is the position in each split",
	}[name]
}

// The connectors of the workload counts.
const (
	Kafka        = "kafka"         // Flink's source and sink for Kafka; each transaction has a name of its own, which is the default
	KafkaPooling = "kafka-pooling" // the same, but the sink uses the names of transactions again
	FileSink     = "filesink"      // a source of our own, and Flink's sink for files
)

// Connectors lists the connectors that a job can have instead of our own.
func Connectors() []string { return []string{Kafka, KafkaPooling, FileSink} }

// OnKafka says whether the job reads from Kafka and writes to Kafka.
func (w Workload) OnKafka() bool { return w.Connectors == Kafka || w.Connectors == KafkaPooling }

// Names of directories and files in the directory of a job.
const (
	CommittedName = "committed"
	ProgressName  = "progress"
	FailName      = "fail" // if the file exists, the job must fail
)

// Workload is one of the workloads, with the parameters of its input.
type Workload struct {
	Name     string        `json:"name" yaml:"name"` // one of the names above; in a scenario file, empty means counts
	Seed     int64         `json:"seed" yaml:"-"`
	Splits   int           `json:"splits" yaml:"splits"`
	Records  int           `json:"records" yaml:"records"` // the records in each split; if Uneven is true, those in the longest split
	Keys     int           `json:"keys" yaml:"keys"`
	Pause    time.Duration `json:"pause_ns" yaml:"pause"`                      // the pause of a source after each record
	Snapshot time.Duration `json:"snapshot_ns" yaml:"snapshot"`                // the least time for a snapshot of the stateful operator
	Slow     time.Duration `json:"slow_ns,omitempty" yaml:"slow,omitempty"`    // the time that the stateful operator needs for each record
	Payload  int           `json:"payload,omitempty" yaml:"payload,omitempty"` // the bytes that each record adds to the state of workload growing
	// Uneven says that split number s has s/(Splits-1) of the records of the last split. So the first
	// split is empty, and the others end one after the other.
	Uneven bool `json:"uneven,omitempty" yaml:"uneven,omitempty"`
	// Idle is the number of splits that are idle at first: a source reads the first splits only after
	// all its other splits.
	Idle int `json:"idle,omitempty" yaml:"idle,omitempty"`
	// Connectors says with which connectors the job reads and writes: Kafka, KafkaPooling or FileSink.
	// If it is empty, the job has a source and a sink of our own, as docs/workloads.md describes.
	Connectors string `json:"connectors,omitempty" yaml:"connectors,omitempty"`
	// TransactionTimeout is the time after which Kafka aborts a transaction that nobody committed.
	// If it is 0, the time is one minute.
	TransactionTimeout time.Duration `json:"transactionTimeout_ns,omitempty" yaml:"transactionTimeout,omitempty"`
}

// Total is the number of input records.
func (w Workload) Total() int {
	total := 0
	for split := range w.Splits {
		total += int(w.length(int64(split)))
	}
	return total
}

// length is the number of records of a split.
func (w Workload) length(split int64) int64 {
	if w.Uneven {
		return int64(w.Records) * split / int64(w.Splits-1)
	}
	return int64(w.Records)
}

// hash is the number from which an input record is computed.
func (w Workload) hash(split, index int64) uint64 {
	x := uint64(w.Seed + split*1_000_003 + index)
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}

// Input returns the key and the value of an input record.
func (w Workload) Input(split, index int64) (key, value int64) {
	x := w.hash(split, index)
	return int64(x % uint64(w.Keys)), int64(x >> 40 % 1000)
}

// Validate returns the first mistake in the parameters.
func (w Workload) Validate() error {
	if !slices.Contains(Names(), w.Name) {
		return fmt.Errorf("workload: want one of %v, got %q", Names(), w.Name)
	}
	for _, field := range []struct {
		name            string
		value, min, max int
	}{{"splits", w.Splits, 1, 1 << 10}, {"records", w.Records, 1, 1 << 24}, {"keys", w.Keys, 1, 1 << 20}, {"payload", w.Payload, 0, 1 << 20}} {
		if field.value < field.min || field.value > field.max {
			return fmt.Errorf("workload: %s: want %d to %d, got %d", field.name, field.min, field.max, field.value)
		}
	}
	if w.Pause < 0 || w.Snapshot < 0 || w.Slow < 0 {
		return fmt.Errorf("workload: pause, snapshot and slow: want 0 or more, got %s, %s and %s", w.Pause, w.Snapshot, w.Slow)
	}
	if w.Payload > 0 && w.Name != Growing {
		return fmt.Errorf("workload: payload: want none or the workload %s, got %d with the workload %s", Growing, w.Payload, w.Name)
	}
	switch {
	case w.Uneven && w.Splits < 2:
		return fmt.Errorf("workload: uneven: want 2 splits or more, got %d", w.Splits)
	case w.Idle < 0 || w.Idle > w.Splits:
		return fmt.Errorf("workload: idle: want 0 to %d, the number of splits, got %d", w.Splits, w.Idle)
	case (w.Uneven || w.Idle > 0) && w.Connectors != "":
		return fmt.Errorf("workload: uneven and idle: want no connectors, got %s: only our own source has such splits", w.Connectors)
	}
	return w.validateConnectors()
}

func (w Workload) validateConnectors() error {
	switch {
	case w.Connectors != "" && !slices.Contains(Connectors(), w.Connectors):
		return fmt.Errorf("workload: connectors: want one of %v, or none, got %q", Connectors(), w.Connectors)
	case w.Connectors != "" && w.Name != Counts:
		return fmt.Errorf("workload: connectors: want none or the workload %s, got %s with the workload %s", Counts, w.Connectors, w.Name)
	case w.TransactionTimeout < 0 || w.TransactionTimeout%time.Millisecond != 0:
		return fmt.Errorf("workload: transactionTimeout: want whole milliseconds, 0 or more, got %s", w.TransactionTimeout)
	case w.TransactionTimeout > 0 && !w.OnKafka():
		return fmt.Errorf("workload: transactionTimeout: want the connectors %s or %s, got %q", Kafka, KafkaPooling, w.Connectors)
	}
	return nil
}

// numbers reads a line of n integers.
func numbers(text string, n int) ([]int64, error) {
	fields := strings.Fields(text)
	if len(fields) != n {
		return nil, fmt.Errorf("want %d numbers in a line, got %q", n, text)
	}
	read := make([]int64, n)
	for i, field := range fields {
		var err error
		if read[i], err = strconv.ParseInt(field, 10, 64); err != nil {
			return nil, fmt.Errorf("want %d numbers in a line, got %q", n, text)
		}
	}
	return read, nil
}
