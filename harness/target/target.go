// Package target says what an engine must offer to be tested: a [Target] starts a [Cluster],
// and a cluster has one small interface of capability.go for each thing that only some
// clusters can do.
//
// It runs nothing and judges nothing: package run does. A target never judges itself.
//
// Start with [Target]; [Features] derives from it what the target claims.
package target

import (
	"context"
	"time"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// Target is an implementation under test.
type Target interface {
	// Describe names the target and says what it promises.
	Describe() history.Target

	// Claims lists what the engine can do with jobs: the features that no method of a cluster
	// shows, such as [scenarios.Retention]. The other features follow from Cluster.
	Claims() []scenarios.Feature

	// Cluster returns a cluster that is not running, of the type that Start returns. Only its
	// type matters: the interfaces that it implements are features that the target claims.
	Cluster() Cluster

	// Start starts a fresh cluster. Everything that it starts ends when the cluster is closed
	// or when the harness is killed.
	Start(ctx context.Context, spec Spec) (Cluster, error)
}

// Spec says which cluster to start.
type Spec struct {
	scenarios.Cluster

	// Dir is the directory for logs and whatever else the cluster writes. It exists, or it is empty
	// if nothing may be written.
	Dir string

	Seed  uint64
	Needs []scenarios.Feature // the features that the scenario uses

	// Observe receives what happens to jobs. The cluster calls it within its own methods only,
	// once for each event, in the order of the events. Each event has the job's ID, and:
	//
	//   - [history.Status]: the job's new Status. A job is RUNNING once all its subtasks have
	//     restored their state and run. Error says why a job failed or restarts.
	//   - [history.Restored]: the Checkpoint that the job comes back from, also after a submission
	//     with Restore, and its Path if the cluster knows it. It comes before the job is RUNNING.
	//   - [history.Triggered]: the Checkpoint that began.
	//   - [history.Completed]: the Checkpoint that completed.
	//   - [history.Aborted]: the Checkpoint in progress that was aborted, and the Error.
	//   - [history.Savepointed]: the savepoint that completed, as Checkpoint and Path. Only a
	//     [Savepointer] needs it.
	//
	// The harness finds out everything else itself.
	Observe func(history.Event)
}

// Cluster is a running implementation. One goroutine uses it.
type Cluster interface {
	// Now returns the cluster's time since it was started.
	Now() time.Duration

	// Step lets a moment pass, and observes what happened meanwhile.
	Step(ctx context.Context) error

	// Submit submits a job and returns its id. The error is a [RefusedError] if the cluster
	// refused the job. After any other error nobody knows whether the job runs.
	Submit(ctx context.Context, submission Submission) (id string, err error)

	// Cancel asks the cluster to cancel a job.
	Cancel(ctx context.Context, id string) error

	// Files is the cluster's storage.
	Files() filesystem.FileSystem

	// Root is the path of the checkpoint directory on Files.
	Root() string

	// Work is the path of a directory on Files for the inputs and outputs of jobs.
	Work() string

	// Close stops everything.
	Close() error
}

// Submission is a job to run. In Dir, the job must write its output below committed, and its
// progress below progress. The file docs/workloads.md says what it writes there, and what it
// computes.
type Submission struct {
	Name      string // the scenario's name for the job
	ID        string // the id that the job gets; empty: the cluster chooses one
	Job       scenarios.Job
	Workload  workload.Workload
	Dir       string            // path of the workload's directory
	Settings  map[string]string // further keys of Flink's configuration
	Restore   string            // path of the checkpoint to resume from; empty: none
	ClaimMode storage.ClaimMode // who owns the checkpoint in Restore afterwards
}

// RefusedError is returned when an implementation declines what it was asked to do.
type RefusedError struct{ Why string }

func (e *RefusedError) Error() string { return "refused: " + e.Why }
