// Package workloads holds the jobs that the reference engine runs, as
// docs/workloads.md specifies them: one file for each, with its operators and its
// graph.
//
// It is deliberately written from that document and shares nothing with the models
// that judge it.
//
// Start with [Parameters.Graph]; the simplest workload is in counts.go.
package workloads

import (
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/snapback/snapback/reference/dataflow"
)

// Parameters say which workload, and with what input. Not every workload uses all.
type Parameters struct {
	Name     string
	Seed     int64
	Splits   int
	Records  int // of each split
	Keys     int
	Pause    time.Duration // of a source after each record
	Snapshot time.Duration // that a snapshot of the stateful operator takes at least
	Slow     time.Duration // that the stateful operator takes for each record
	Payload  int           // bytes that each record adds to the state of workload growing
	Dir      string        // where input is followed and output committed; absolute path
}

// graphs holds the workloads.
var graphs = []struct {
	name  string
	graph func(Parameters) dataflow.Graph
}{
	{"counts", counts},
	{"transfers", transfers},
	{"windows", windows},
	{"rules", rules},
	{"growing", growing},
	{"backpressure", backpressure},
	{"splits", splits},
}

// Names lists the workloads.
func Names() []string {
	var names []string
	for _, g := range graphs {
		names = append(names, g.name)
	}
	return names
}

// SourceUID and SinkUID are operators that every workload has.
const (
	SourceUID = "source"
	SinkUID   = "sink"
)

// Graph returns the operators of the workload.
func (p Parameters) Graph() (dataflow.Graph, error) {
	for _, g := range graphs {
		if g.name == p.Name {
			return g.graph(p), nil
		}
	}
	return nil, fmt.Errorf("there is no workload %q; there are %v", p.Name, Names())
}

// Validate returns the first thing wrong with the parameters.
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
	if !path.IsAbs(p.Dir) {
		return fmt.Errorf("workload %s: dir: want an absolute path, got %q", p.Name, p.Dir)
	}
	return nil
}

// Input describes what a checkpoint's state is of: a job with another input must not
// be restored from it.
func (p Parameters) Input() string {
	return fmt.Sprintf("workload %s, seed %d, %d splits of %d records, %d keys", p.Name, p.Seed, p.Splits, p.Records, p.Keys)
}

// hash is what records are computed from.
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

// pipeline is the graph of most workloads: a source, an operator with keyed state, and
// a sink.
func pipeline(p Parameters, uid string, operator func() dataflow.Operator, format func(dataflow.Record) string) dataflow.Graph {
	return dataflow.Graph{
		{UID: SourceUID, New: func() dataflow.Operator { return &source{parameters: p, records: p.record} }},
		{UID: uid, Keyed: true, New: operator, Inputs: []dataflow.Edge{{From: SourceUID, Partitioning: dataflow.ByKey}}},
		{UID: SinkUID, New: sinkOf(p, format), Inputs: []dataflow.Edge{{From: uid, Partitioning: dataflow.Forward}}},
	}
}

// slowly is an operator that takes time: for its snapshots, and for each record.
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
