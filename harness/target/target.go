// Package target says what an engine must offer to be tested. A [Target] starts a [Cluster]. For
// each thing that only some clusters can do, capability.go has one small interface.
//
// The package runs nothing and judges nothing: package run does. A target never judges itself.
//
// Start with [Target]. The function [Features] lists what a target can do.
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
	// shows, such as [scenarios.Retention]. The other features follow from the type that the method
	// Cluster returns.
	Claims() []scenarios.Feature

	// Honours says whether the target carries out what a scenario sets in a field. If it does not,
	// the scenario is skipped.
	Honours(Field) bool

	// Cluster returns a cluster that is not running, of the type that Start returns. Only its type
	// matters: it implements the interfaces of the features that the target has.
	Cluster() Cluster

	// Start starts a fresh cluster. Everything that it starts ends when the cluster is closed
	// or when the harness is killed.
	Start(ctx context.Context, spec Spec) (Cluster, error)
}

// Spec says which cluster to start.
type Spec struct {
	scenarios.Cluster

	// Dir is an existing directory for logs and for other files of the cluster. It is empty if the
	// cluster must not write any files.
	Dir string

	Seed  uint64
	Needs []scenarios.Feature // the features that the scenario uses

	// Observe receives what happens to jobs. The cluster calls Observe only while one of the
	// cluster's methods runs. It calls Observe once for each event, in the order of the events.
	// Each event has the job's ID and these fields:
	//
	//   - [history.Status]: the job's new Status. A job is RUNNING once all its subtasks have
	//     restored their state and run. Error says why a job failed or restarts.
	//   - [history.Restored]: the Checkpoint from which the job was restored, also after a
	//     submission with Restore, and its Path if the cluster knows the path. This event comes
	//     before the status RUNNING.
	//   - [history.Triggered]: the Checkpoint that began.
	//   - [history.Completed]: the Checkpoint that completed.
	//   - [history.Aborted]: the Checkpoint in progress that was aborted, and the Error.
	//   - [history.Savepointed]: the savepoint that completed, as Checkpoint and Path. Only a
	//     [Savepointer] must send this event.
	//
	// The harness finds out everything else itself.
	Observe func(history.Event)
}

// Cluster is a running implementation. Only one goroutine may use a cluster.
type Cluster interface {
	// Now returns the time since the cluster was started, by the cluster's clock.
	Now() time.Duration

	// Step lets a moment pass, and calls Observe with the events of this moment.
	Step(ctx context.Context) error

	// Submit submits a job and returns its id. The error is a [RefusedError] if the cluster refused
	// the job. After any other error, nobody knows whether the job runs.
	Submit(ctx context.Context, submission Submission) (id string, err error)

	// Cancel asks the cluster to cancel a job.
	Cancel(ctx context.Context, id string) error

	// Files returns the cluster's storage. After Close the harness may still read from it.
	Files() filesystem.FileSystem

	// Root returns the path of the checkpoint directory on the cluster's storage.
	Root() string

	// Work returns the path of a directory on the cluster's storage, for the inputs and outputs of
	// jobs.
	Work() string

	// Close stops everything that the cluster started.
	Close() error
}

// Submission is a job to run. In the directory Dir, the job must write its output below the
// directory "committed", and its progress below the directory "progress". The file
// docs/workloads.md says what a job computes and what it writes.
type Submission struct {
	Name      string        // the scenario's name for the job
	ID        string        // the id that the job gets; empty: the cluster chooses an id
	Job       scenarios.Job // the configuration of this submission
	Workload  workload.Workload
	Dir       string            // path of the workload's directory
	Settings  map[string]string // keys of the engine's own configuration: those of the job, and further ones
	Restore   string            // path of the checkpoint to resume from; empty: the job starts without a checkpoint
	ClaimMode storage.ClaimMode // says who owns the checkpoint in Restore afterwards

	// AllowNonRestored says that the job may leave out state of the checkpoint in Restore.
	AllowNonRestored bool
}

// RefusedError is the error of an implementation that refuses a request.
type RefusedError struct {
	Why       string
	Finishing bool // whether a subtask of the job had finished, or was finishing; then an engine may take no checkpoint of it
}

func (e *RefusedError) Error() string { return "refused: " + e.Why }
