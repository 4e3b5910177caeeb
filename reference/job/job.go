// Package job is the description of a job, as it is submitted: which workload, how
// parallel, how its checkpoints are taken, what happens when it fails, and what it is
// restored from.
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

// Job describes a job as submitted.
type Job struct {
	ID             string
	Workload       operators.Parameters
	Parallelism    int
	ParallelismMax int                         // number of key groups; 0 for the checkpoint's or, without one, Flink's default
	Configuration  configuration.Configuration // the job's own: its storage
	Checkpoints    Checkpoints
	Restart        RestartStrategy
	Restore        Restore
}

// Checkpoints say how those of a job are taken.
type Checkpoints struct {
	Interval          time.Duration // between periodic ones
	MinPause          time.Duration // after one has ended, before the next periodic one
	Timeout           time.Duration // of one
	MaxConcurrent     int           // in progress at a time
	TolerableFailures int           // in a row; one more fails the job
	Retention         storage.Retention
	AtLeastOnce       bool // barriers are not aligned
	Unaligned         bool // barriers overtake records, which become part of the checkpoint
	// AlignmentTimeout is how long a barrier may wait for the others before it overtakes
	// records, where it is allowed to; 0: not at all.
	AlignmentTimeout time.Duration
	Backend          state.Backend
}

// Restore says what a job resumes from.
type Restore struct {
	Path             string // or URL of a checkpoint; empty: nothing
	ClaimMode        storage.ClaimMode
	AllowNonRestored bool // state of operators that the job has not is left behind
}

// Defaults are Flink's, but for the interval and the retention.
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

// KeyGroups is the number of key groups of a job that is not restored, or says it
// itself.
func (j Job) KeyGroups() int {
	if j.ParallelismMax > 0 {
		return j.ParallelismMax
	}
	return dataflow.DefaultParallelismMax(j.Parallelism)
}

// Validate returns the first thing wrong with a job.
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
