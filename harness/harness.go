// Package harness runs scenarios on targets and has them judged.
//
// A [Target] is an implementation of checkpoints that can be brought up as a
// cluster: the reference engine, real Apache Flink. The runner takes a scenario's
// steps on a [Cluster], writes down what it asked, what it was answered and what
// could be seen from outside, and asks package oracle. It knows no target, and
// trusts none.
//
// Start with [Runner].
package harness

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// Target is an implementation under test.
type Target interface {
	// Describe says what it is and what it promises.
	Describe() history.Target

	// Features are what it claims to be able to do.
	Features() []scenarios.Feature

	// Start brings up a fresh cluster. What is started is gone when the cluster is
	// closed, or the harness is killed.
	Start(ctx context.Context, spec ClusterSpec) (Cluster, error)
}

// Unclaimed returns the features that a scenario needs and the target does not
// claim.
func Unclaimed(target Target, s scenarios.Scenario) []scenarios.Feature {
	claimed := target.Features()
	return slices.DeleteFunc(slices.Clone(s.Features), func(f scenarios.Feature) bool { return slices.Contains(claimed, f) })
}

// ClusterSpec says what cluster to bring up.
type ClusterSpec struct {
	scenarios.Cluster
	Dir     string // for logs and what else the cluster needs; exists
	Seed    uint64
	Needs   []scenarios.Feature // of the cluster, by the scenario
	Observe func(history.Event) // receives what is seen; called within Cluster's methods only
}

// Cluster is a running implementation. It is used by one goroutine.
type Cluster interface {
	// Now is the cluster's clock, since it was started.
	Now() time.Duration

	// Step lets a moment pass, and observes what happened.
	Step(ctx context.Context) error

	// Submit submits a job and returns its id. The error is a [RefusedError] if the
	// job was refused; any other means that nobody knows.
	Submit(ctx context.Context, submission Submission) (id string, err error)

	// Cancel asks for a job to be canceled.
	Cancel(ctx context.Context, id string) error

	// Checkpoint takes a checkpoint of a job and returns its id once it is
	// complete. The error is a [RefusedError] if it was not taken.
	Checkpoint(ctx context.Context, id string) (int64, error)

	// TaskManagers names those that run.
	TaskManagers() []string

	// Kill ends a process as SIGKILL does.
	Kill(ctx context.Context, process string) error

	// StartTaskManagers starts as many as are missing.
	StartTaskManagers(ctx context.Context) error

	// Files is the storage of the cluster.
	Files() filesystem.FileSystem

	// Root is the path of the checkpoint directory, Work that of a directory for
	// the jobs' workloads, both on Files.
	Root() string
	Work() string

	// Close stops everything.
	Close() error
}

// Submission is a job to run.
type Submission struct {
	Name      string // the scenario's name for it
	ID        string // that it is to have; empty: a new one
	Job       scenarios.Job
	Workload  workload.Workload
	Dir       string            // path of the workload's directory
	Settings  map[string]string // keys of Flink's configuration, besides what the job says
	Restore   string            // path of the checkpoint to resume from, if any
	ClaimMode storage.ClaimMode // of that
}

// Controls are what only some clusters can do; the features of a target say whether its
// clusters have them.
type Controls interface {
	// Savepoint takes a savepoint of a job, which may stop with it, and returns its path
	// once it is complete. The error is a [RefusedError] if it was not taken.
	Savepoint(ctx context.Context, id string, stop scenarios.Stop) (path string, err error)

	// Suspend gives a job up without ending it for good.
	Suspend(ctx context.Context, id string) error

	// JobManager names the one that leads; it is empty if none does. Kill ends it too.
	JobManager() string

	// JobManagers names those that run.
	JobManagers() []string

	// StartJobManagers starts as many as are missing.
	StartJobManagers(ctx context.Context) error

	// Pause makes a process stand still, Resume all that do go on.
	Pause(ctx context.Context, process string) error
	Resume(ctx context.Context) error
}

// Tapped is a cluster whose processes' operations on storage come by a tap. What the tap
// sets off is called within the cluster's methods only, while the operation waits.
type Tapped interface {
	Tap() *tap.Tap
}

// Durable is a cluster of which it is known what a power loss would leave.
type Durable interface {
	// Disk calls with the cluster's storage, while nothing changes it.
	Disk(look func(*filesystem.Memory))

	// AfterPowerLoss returns a target whose next cluster finds this on storage. Its clock
	// goes on, and so do the names of its processes. The cluster itself stays as it is.
	AfterPowerLoss(left *filesystem.Memory) Target
}

// Perturbed is a cluster to which can be done what no other method does: to the clock or
// the processor of a process, to its connections or to those to storage.
type Perturbed interface {
	Perturb(ctx context.Context, fault faults.Fault, process string) error
}

// RefusedError is returned when an implementation would not do what it was asked.
type RefusedError struct{ Why string }

func (e *RefusedError) Error() string { return "refused: " + e.Why }

// UsageError is returned for what the user can mend: a flag, a file, a path.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a [UsageError].
func Usagef(format string, arguments ...any) error {
	return &UsageError{fmt.Errorf(format, arguments...)}
}
