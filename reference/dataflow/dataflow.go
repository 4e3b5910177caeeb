// Package dataflow is what a job is made of: records, the graph of operators that
// they flow through, how they are partitioned between subtasks, and what an operator
// is to the subtask that runs it.
//
// It runs nothing. Which operators there are is in package workloads, how a subtask
// runs one in package task.
//
// Start with [Graph] and [Operator].
package dataflow

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/state"
)

// Record is what flows. Where it comes from is always set; what the other fields mean
// is the workload's matter, on its page of docs/workloads.md.
type Record struct {
	Split, Index      int64 // of the input record it comes from
	Kind              int64
	Key               int32
	Time              int64 // event time, milliseconds
	Value, Count, Sum int64
}

// recordFields is how many numbers an encoded record has.
const recordFields = 8

// Append encodes a record for the state of a channel.
func (r Record) Append(data []byte) []byte {
	for _, n := range []int64{r.Split, r.Index, r.Kind, int64(r.Key), r.Time, r.Value, r.Count, r.Sum} {
		data = binary.AppendVarint(data, n)
	}
	return data
}

// DecodeRecords is the inverse of [Record.Append], for any number of records.
func DecodeRecords(data []byte) ([]Record, error) {
	var records []Record
	for len(data) > 0 {
		var numbers [recordFields]int64
		for i := range numbers {
			n, size := binary.Varint(data)
			if size <= 0 {
				return nil, errors.New("records in flight: the data ends within a record")
			}
			numbers[i], data = n, data[size:]
		}
		records = append(records, Record{
			Split: numbers[0], Index: numbers[1], Kind: numbers[2], Key: int32(numbers[3]),
			Time: numbers[4], Value: numbers[5], Count: numbers[6], Sum: numbers[7],
		})
	}
	return records, nil
}

// Graph is the operators of a job, upstream first.
type Graph []Vertex

// Vertex is one operator of a graph, run by as many subtasks as the job's parallelism
// says.
type Vertex struct {
	UID    string
	Inputs []Edge // none: it is a source
	Keyed  bool   // it has keyed state, by the key of its records
	New    func() Operator
}

// Edge brings the records of one operator to another.
type Edge struct {
	From         string // uid
	Partitioning Partitioning
}

// Partitioning says which subtasks downstream a record goes to.
type Partitioning int

// The ways to partition.
const (
	ByKey     Partitioning = iota // the one that owns the key's group
	Forward                       // the one with the same index
	Broadcast                     // all of them
)

// Vertex returns the one with a uid.
func (g Graph) Vertex(uid string) (Vertex, bool) {
	at := slices.IndexFunc(g, func(v Vertex) bool { return v.UID == uid })
	if at < 0 {
		return Vertex{}, false
	}
	return g[at], true
}

// Regions says for each subtask which region it belongs to: subtasks that exchange
// records, directly or not, restart together. Where all edges are [Forward] there is a
// region for each index, and otherwise one in all.
func (g Graph) Regions(parallelism int) int {
	for _, vertex := range g {
		for _, edge := range vertex.Inputs {
			if edge.Partitioning != Forward {
				return 1
			}
		}
	}
	return parallelism
}

// Context is what a subtask gives its operator.
type Context struct {
	Env          environment.Environment
	Index        int // of the subtask
	Parallelism  int
	Restored     bool // from a checkpoint; else it is a fresh start
	State        *state.Subtask
	Emit         func(Record)     // to all edges; it never waits
	Watermark    func(time int64) // to all edges: no record with an earlier time follows
	RegisterTime func(time int64) // calls OnTime for the current key, once the watermark is there
	CommitWith   bool             // output is committed with checkpoints: exactly once
}

// Operator is the user's code in one subtask. Its methods are called by that subtask
// alone.
type Operator interface {
	// Open prepares the operator, with the state of the checkpoint that is restored, if
	// one is.
	Open(Context) error

	// Process handles one record of the given input edge. For an operator with keyed
	// state the record's key is the current one.
	Process(input int, record Record) error
}

// Source is an operator that brings records into the job.
type Source interface {
	Operator

	// Next emits the next record, or returns false at the end of the input.
	Next() (bool, error)

	// Pause is how long to wait after each record.
	Pause() time.Duration
}

// Timed is an operator that asked to be called at an event time. The key that asked is
// the current one.
type Timed interface {
	OnTime(time int64) error
}

// Snapshotter is an operator that has something to do before its state is taken for a
// checkpoint.
type Snapshotter interface {
	Snapshot(checkpoint int64) error
}

// Committer is told that a checkpoint is complete. It may never be told of one that
// is, and then is told of a later one, or opened with its state.
type Committer interface {
	Commit(checkpoint int64) error
}

// Unprocessed is for sources: they have no input.
type Unprocessed struct{}

// Process implements [Operator].
func (Unprocessed) Process(int, Record) error {
	return errors.New("a record was sent to a source")
}
