// Package dataflow defines the parts of a job: records, the graph of operators through which they
// flow, the partitioning of records between subtasks, and the interfaces of an operator.
//
// This package runs nothing. Package operators implements the operators, and package task runs
// them.
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

// Record is a record. The meaning of most fields depends on the workload. See docs/workloads.md.
type Record struct {
	Split, Index      int64 // position of the input record from which this record was computed; Split is [AtEnd] if there is none
	Kind              int64
	Key               int32
	Time              int64 // event time in milliseconds
	Value, Count, Sum int64
}

// AtEnd is the Split of a record that shows the state of a key at the end of the input.
const AtEnd = -1

// recordFields is the number of integers in an encoded record.
const recordFields = 8

// Append appends the encoded record to data. Channel state holds records in this form.
func (r Record) Append(data []byte) []byte {
	for _, n := range []int64{r.Split, r.Index, r.Kind, int64(r.Key), r.Time, r.Value, r.Count, r.Sum} {
		data = binary.AppendVarint(data, n)
	}
	return data
}

// DecodeRecords decodes any number of records. It is the inverse of [Record.Append].
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

// Graph lists the operators of a job, upstream first.
type Graph []Vertex

// Vertex is one operator of a graph. The number of its subtasks is the job's parallelism.
type Vertex struct {
	UID    string
	Inputs []Edge // the edges from upstream; empty for a source
	Keyed  bool   // whether the operator has keyed state
	New    func() Operator
}

// Edge carries the records of an operator to another operator.
type Edge struct {
	From         string // the uid of the operator upstream
	Partitioning Partitioning
}

// Partitioning says to which subtasks downstream a record goes.
type Partitioning int

// The ways to partition.
const (
	ByKey     Partitioning = iota // the record goes to the subtask that owns the key's group
	Forward                       // the record goes to the subtask with the same index
	Broadcast                     // the record goes to all subtasks
)

// Vertex returns the operator with a uid.
func (g Graph) Vertex(uid string) (Vertex, bool) {
	at := slices.IndexFunc(g, func(v Vertex) bool { return v.UID == uid })
	if at < 0 {
		return Vertex{}, false
	}
	return g[at], true
}

// Regions returns the number of regions. Subtasks that exchange records, directly or not, form a
// region and restart together. Flink calls this a pipelined region. If all edges are [Forward], the
// subtasks of each index form a region. Otherwise there is only one region.
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

// Context is what a subtask gives to its operator.
type Context struct {
	Env          environment.Environment
	Index        int // the index of the subtask
	Parallelism  int
	Restored     bool // whether the state comes from a checkpoint
	State        *state.Subtask
	Emit         func(Record)     // sends a record on all edges; never waits
	Watermark    func(time int64) // says on all edges that no record with an earlier time follows
	RegisterTime func(time int64) // makes the subtask call OnTime for the current key when the watermark reaches the time
	CommitWith   bool             // whether output is committed only when a checkpoint is complete (exactly-once)
}

// Operator is the user's code in one subtask. Only this subtask calls its methods.
type Operator interface {
	// Open prepares the operator. The context holds the restored state, if there is any.
	Open(Context) error

	// Process handles one record. The parameter `input` is the number of the edge on which the
	// record arrived. If the operator has keyed state, the record's key is the current key.
	Process(input int, record Record) error
}

// Source is an operator that emits the input records of the job.
type Source interface {
	Operator

	// Next emits the next record, or returns false at the end of the input.
	Next() (bool, error)

	// Pause returns how long to wait after each record.
	Pause() time.Duration
}

// Timed is an operator with timers. When OnTime is called, the key that registered the timer is the
// current key.
type Timed interface {
	OnTime(time int64) error
}

// Ender is an operator that emits its last records when its input ends. If the job fails after that,
// End may be called again.
type Ender interface {
	End() error
}

// Snapshotter is an operator that must prepare its state before each snapshot.
type Snapshotter interface {
	Snapshot(checkpoint int64) error
}

// Committer is an operator that learns when a checkpoint is complete. A notification may be lost.
// Then the operator learns of a later checkpoint, or is restored from the checkpoint.
type Committer interface {
	Commit(checkpoint int64) error
}

// Unprocessed implements Process for sources, which have no input.
type Unprocessed struct{}

// Process implements [Operator].
func (Unprocessed) Process(int, Record) error {
	return errors.New("a record was sent to a source")
}
