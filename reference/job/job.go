// Package job is what the reference engine runs: a job's description, its graph
// of operators, and the operators of the counts workload as docs/workloads.md
// specifies them.
//
// It is deliberately written from that document and shares nothing with the model
// that judges it.
//
// Start with [Job] and [Vertices].
package job

import (
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
)

// ParallelismMax bounds the parallelism of a job; it is also the number of key
// groups.
const ParallelismMax = 128

// Job describes a job as submitted.
type Job struct {
	ID            string
	Counts        Counts
	Parallelism   int
	Configuration configuration.Configuration // the job's own: its storage
	Interval      time.Duration               // between periodic checkpoints
	Timeout       time.Duration               // of one checkpoint
	Retention     storage.Retention
	Restarts      int               // how often a failed job is restarted
	Restore       string            // path or URL of the checkpoint to resume from, if any
	ClaimMode     storage.ClaimMode // of that checkpoint
}

// Vertex is one operator of the graph, run by as many subtasks as the job's
// parallelism says.
type Vertex struct {
	UID    string
	Output Partitioning
	Keyed  bool // its state has a part for each of its key groups
}

// Partitioning says which subtasks of the next vertex a record may go to.
type Partitioning int

// The ways to partition.
const (
	Nowhere Partitioning = iota // the last vertex
	ByKey                       // the subtask that owns the key's group
	Forward                     // the subtask with the same index
)

// Uids of the operators.
const (
	SourceUID  = "source"
	CounterUID = "counter"
	SinkUID    = "sink"
)

// Vertices returns the graph, upstream first.
func Vertices() []Vertex {
	return []Vertex{
		{UID: SourceUID, Output: ByKey}, {UID: CounterUID, Output: Forward, Keyed: true}, {UID: SinkUID, Output: Nowhere},
	}
}

// IsKeyed says whether the operator with a uid has keyed state.
func IsKeyed(uid string) bool {
	return slices.ContainsFunc(Vertices(), func(v Vertex) bool { return v.UID == uid && v.Keyed })
}

// Validate returns the first thing wrong with a job.
func (j Job) Validate() error {
	switch {
	case !storage.ValidJobID(j.ID):
		return fmt.Errorf("job id: want 32 hexadecimal digits, got %q", j.ID)
	case j.Parallelism < 1 || j.Parallelism > ParallelismMax:
		return fmt.Errorf("parallelism: want 1 to %d, got %d", ParallelismMax, j.Parallelism)
	case j.Interval <= 0:
		return fmt.Errorf("checkpoint interval: want more than 0, got %s", j.Interval)
	case j.Timeout <= 0:
		return fmt.Errorf("checkpoint timeout: want more than 0, got %s", j.Timeout)
	case j.Restarts < 0:
		return fmt.Errorf("restarts: want 0 or more, got %d", j.Restarts)
	}
	if _, err := storage.ParseRetention(string(j.Retention)); err != nil {
		return err
	}
	if _, err := storage.ParseClaimMode(string(j.ClaimMode)); err != nil {
		return err
	}
	return j.Counts.Validate()
}
