// Package job describes a job as a client submits it: its workload, its parallelism, how its
// checkpoints are taken, whether it restarts after a failure, and from which checkpoint it resumes.
//
// Start with [Job].
package job

import (
	"errors"
	"fmt"
	"time"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/operators"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
)

// Job describes a job.
type Job struct {
	ID             string
	Workload       operators.Parameters
	Parallelism    int
	ParallelismMax int                         // number of key groups; 0: the number in the restored checkpoint or, without a checkpoint, Flink's default
	Configuration  configuration.Configuration // the job's own configuration keys, such as those that select its storage
	Checkpoints    Checkpoints
	Restart        RestartStrategy
	Restore        Restore
}

// Checkpoints say how a job's checkpoints are taken.
type Checkpoints struct {
	Interval          time.Duration // time between the beginnings of two periodic checkpoints
	MinPause          time.Duration // least time between the end of a checkpoint and the next periodic checkpoint
	Timeout           time.Duration // a checkpoint that takes longer than this time is aborted
	MaxConcurrent     int           // largest number of checkpoints in progress at the same time
	TolerableFailures int           // number of checkpoints that may fail in a row; after one more failure the job fails
	Retention         storage.Retention
	AtLeastOnce       bool // whether records behind a barrier need not wait for the barriers on other channels
	Unaligned         bool // whether barriers overtake records; overtaken records become part of the checkpoint
	// AlignmentTimeout is the time that a barrier waits before it overtakes records. 0 means that
	// it overtakes at once. The field has no effect if Unaligned is false.
	AlignmentTimeout time.Duration
	Backend          state.Backend
}

// Restore says from which checkpoint a job resumes.
type Restore struct {
	Path             string // path or URL of a checkpoint; empty if the job starts without one
	ClaimMode        storage.ClaimMode
	AllowNonRestored bool // whether the checkpoint may hold state of operators that the job does not have
}

// Defaults returns Flink's defaults, except for the interval and the retention.
func Defaults() Job {
	return Job{
		Parallelism: 1,
		Checkpoints: Checkpoints{
			Interval: time.Second, Timeout: 10 * time.Minute, MaxConcurrent: 1,
			Retention: storage.RetainOnCancellation, Backend: state.Full,
		},
		Restart: RestartStrategy{Kind: NoRestart},
		Restore: Restore{ClaimMode: storage.NoClaim},
	}
}

// KeyGroups returns the job's number of key groups. The result does not hold for a job that takes
// the number from a restored checkpoint.
func (j Job) KeyGroups() int {
	if j.ParallelismMax > 0 {
		return j.ParallelismMax
	}
	return dataflow.DefaultParallelismMax(j.Parallelism)
}

// Validate returns the first mistake in a job.
func (j Job) Validate() error {
	switch {
	case !storage.ValidJobID(j.ID):
		return fmt.Errorf("job id: want 32 hexadecimal digits, got %q", j.ID)
	case j.ParallelismMax < 0 || j.ParallelismMax > dataflow.ParallelismMax:
		return fmt.Errorf("maximum parallelism: want 1 to %d, got %d", dataflow.ParallelismMax, j.ParallelismMax)
	case j.Parallelism < 1 || j.Parallelism > j.KeyGroups():
		return fmt.Errorf("parallelism: want 1 to %d, got %d", j.KeyGroups(), j.Parallelism)
	}
	if err := j.Checkpoints.validate(); err != nil {
		return err
	}
	if err := j.Restart.validate(); err != nil {
		return err
	}
	if _, err := storage.ParseClaimMode(string(j.Restore.ClaimMode)); err != nil {
		return err
	}
	return j.Workload.Validate()
}

func (c Checkpoints) validate() error {
	switch {
	case c.Interval <= 0:
		return fmt.Errorf("checkpoint interval: want more than 0, got %s", c.Interval)
	case c.Timeout <= 0:
		return fmt.Errorf("checkpoint timeout: want more than 0, got %s", c.Timeout)
	case c.MinPause < 0 || c.AlignmentTimeout < 0:
		return errors.New("minimum pause and alignment timeout: want 0 or more")
	case c.MaxConcurrent < 1:
		return fmt.Errorf("concurrent checkpoints: want 1 or more, got %d", c.MaxConcurrent)
	case c.TolerableFailures < 0:
		return fmt.Errorf("tolerable checkpoint failures: want 0 or more, got %d", c.TolerableFailures)
	case c.Unaligned && c.MaxConcurrent > 1:
		return fmt.Errorf("unaligned checkpoints: only one can be in progress, got %d concurrent ones", c.MaxConcurrent)
	case c.Unaligned && c.AtLeastOnce:
		return errors.New("unaligned checkpoints: they are for exactly-once, got at-least-once")
	}
	known := false
	for _, backend := range state.Backends() {
		known = known || backend == c.Backend
	}
	if !known {
		return fmt.Errorf("state backend: want one of %v, got %q", state.Backends(), c.Backend)
	}
	_, err := storage.ParseRetention(string(c.Retention))
	return err
}
