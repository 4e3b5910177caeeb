// Package operators implements the workloads of docs/workloads.md for the reference engine. Each
// workload has a file with its graph and its operators.
//
// It shares no code with package workload, which holds the models that judge the output: both
// were written from the document.
//
// Start with [Parameters.Graph]. The simplest workload is in counts.go.
package operators

import (
	"errors"
	"fmt"
	"math"
	"path"
	"time"

	"github.com/snapback/snapback/reference/dataflow"
)

// Parameters select a workload and its input. A workload may ignore some of the parameters.
type Parameters struct {
	Name     string
	Seed     int64
	Splits   int
	Records  int // number of records in each split, or in the longest one
	Keys     int
	Pause    time.Duration // a source waits this long after each record
	Snapshot time.Duration // a snapshot of the stateful operator takes at least this long
	Slow     time.Duration // the stateful operator needs this long for each record
	Payload  int           // bytes that each record adds to the state of workload growing
	Uneven   bool          // whether split number s has s/(Splits-1) of the records of the last split
	Idle     int           // so many of the first splits are read only after all other splits of their source
	Dir      string        // absolute path: sources write their progress here, sinks their output
}

// graphs lists the workloads by name.
var graphs = []struct {
	name  string
	graph func(Parameters) dataflow.Graph
}{
	{"counts", counts},
	{"transfers", transfers},
	{"windows", windows},
	{"rules", rules},
	{"growing", growing},
	{"backpressure", counts},
	{"splits", splits},
}

// Workloads lists the names of the workloads.
func Workloads() []string {
	var names []string
	for _, g := range graphs {
		names = append(names, g.name)
	}
	return names
}

// Every workload has operators with these uids.
const (
	SourceUID = "source"
	SinkUID   = "sink"
)

// Graph returns the operators of the workload and the edges between them.
func (p Parameters) Graph() (dataflow.Graph, error) {
	for _, g := range graphs {
		if g.name == p.Name {
			return g.graph(p), nil
		}
	}
	return nil, fmt.Errorf("there is no workload %q; there are %v", p.Name, Workloads())
}

// Validate returns the first mistake in the parameters.
func (p Parameters) Validate() error {
	if _, err := p.Graph(); err != nil {
		return err
	}
	for _, number := range []struct {
		name  string
		value int
	}{{"splits", p.Splits}, {"records", p.Records}, {"keys", p.Keys}} {
		if number.value < 1 {
			return fmt.Errorf("workload %s: %s: want 1 or more, got %d", p.Name, number.name, number.value)
		}
	}
	if p.Pause < 0 || p.Snapshot < 0 || p.Slow < 0 || p.Payload < 0 {
		return fmt.Errorf("workload %s: pause, snapshot, slow and payload: want 0 or more", p.Name)
	}
	if (p.Uneven && p.Splits < 2) || p.Idle < 0 || p.Idle > p.Splits {
		return fmt.Errorf("workload %s: want 2 splits or more if they are uneven, and 0 to %d idle splits, got %d", p.Name, p.Splits, p.Idle)
	}
	if !path.IsAbs(p.Dir) {
		return fmt.Errorf("workload %s: dir: want an absolute path, got %q", p.Name, p.Dir)
	}
	return nil
}

// Input describes the input in words. A checkpoint records this description. A job with another
// input must not be restored from that checkpoint.
func (p Parameters) Input() string {
	splits := "splits"
	if p.Uneven {
		splits = "uneven splits"
	}
	return fmt.Sprintf("workload %s, seed %d, %d %s of %d records, %d keys", p.Name, p.Seed, p.Splits, splits, p.Records, p.Keys)
}

// length returns the number of records of a split.
func (p Parameters) length(split int64) int64 {
	if p.Uneven {
		return int64(p.Records) * split / int64(p.Splits-1)
	}
	return int64(p.Records)
}

// hash returns the number from which a record is computed.
func (p Parameters) hash(split, index int64) uint64 {
	x := uint64(p.Seed) + uint64(split)*1000003 + uint64(index)
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}

// record computes an input record: its key and its value.
func (p Parameters) record(split, index int64) dataflow.Record {
	x := p.hash(split, index)
	return dataflow.Record{Split: split, Index: index, Key: int32(x % uint64(p.Keys)), Value: int64((x >> 40) % 1000)}
}

// endOfTime is the time of the timers that emit the state of a key at the end of the input. There,
// the watermark reaches this time.
const endOfTime = math.MaxInt64

// pipeline returns the graph that most workloads have: a source, an operator with keyed state, and
// a sink.
func pipeline(p Parameters, uid string, operator func() dataflow.Operator, format func(dataflow.Record) string) dataflow.Graph {
	return dataflow.Graph{
		{UID: SourceUID, New: func() dataflow.Operator { return &source{parameters: p, records: p.record} }},
		{UID: uid, Keyed: true, New: operator, Inputs: []dataflow.Edge{{From: SourceUID, Partitioning: dataflow.ByKey}}},
		{UID: SinkUID, New: sinkOf(p, format), Inputs: []dataflow.Edge{{From: uid, Partitioning: dataflow.Forward}}},
	}
}

// slowly wraps an operator. It makes each snapshot and the processing of each record take longer.
type slowly struct {
	dataflow.Operator
	context        dataflow.Context
	snapshot, slow time.Duration
}

func (s *slowly) Open(c dataflow.Context) error {
	s.context = c
	return s.Operator.Open(c)
}

func (s *slowly) Process(input int, r dataflow.Record) error {
	if s.slow > 0 {
		s.context.Env.Sleep(s.slow)
	}
	return s.Operator.Process(input, r)
}

func (s *slowly) Snapshot(checkpoint int64) error {
	if s.snapshot > 0 {
		s.context.Env.Sleep(s.snapshot)
	}
	if inner, ok := s.Operator.(dataflow.Snapshotter); ok {
		return inner.Snapshot(checkpoint)
	}
	return nil
}

func (s *slowly) OnTime(time int64) error {
	timed, ok := s.Operator.(dataflow.Timed)
	if !ok {
		return errors.New("an operator without timers was called at a time")
	}
	return timed.OnTime(time)
}

func (s *slowly) End() error {
	if ender, ok := s.Operator.(dataflow.Ender); ok {
		return ender.End()
	}
	return nil
}

// formatTotal formats the count and the sum of a key, with the record to which they belong. At the
// end of the input there is no such record.
func formatTotal(r dataflow.Record) string {
	if r.Split == dataflow.AtEnd {
		return fmt.Sprintf("state %d %d %d", r.Key, r.Count, r.Sum)
	}
	return fmt.Sprintf("%d %d %d %d %d %d", r.Split, r.Index, r.Key, r.Value, r.Count, r.Sum)
}
