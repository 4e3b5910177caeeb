package target

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

// Checkpointer is a cluster that takes a checkpoint when asked: [scenarios.Trigger].
type Checkpointer interface {
	// Checkpoint takes a checkpoint of a job and returns its id once it is complete. The error
	// is a [RefusedError] if the cluster took none.
	Checkpoint(ctx context.Context, id string) (int64, error)
}

// Savepointer is a cluster that takes savepoints: with [Suspender], [scenarios.Savepoint].
type Savepointer interface {
	// Savepoint takes a savepoint of a job, stops the job with it if asked, and returns the
	// savepoint's path once it is complete. The error is a [RefusedError] if there is none.
	Savepoint(ctx context.Context, id string, stop scenarios.Stop) (path string, err error)
}

// Suspender is a cluster that can suspend a job: the job stops, but does not end for good.
type Suspender interface {
	Suspend(ctx context.Context, id string) error
}

// Killer is a cluster whose TaskManagers can be killed: [scenarios.Kill].
type Killer interface {
	// TaskManagers names the TaskManagers that run.
	TaskManagers() []string

	// Kill ends a process as SIGKILL does.
	Kill(ctx context.Context, process string) error

	// StartTaskManagers starts as many TaskManagers as are missing.
	StartTaskManagers(ctx context.Context) error
}

// JobManagerKiller is a cluster whose JobManagers can be killed, with [Killer.Kill]:
// [scenarios.JobManager].
type JobManagerKiller interface {
	// JobManager names the JobManager that leads; it is empty if none leads.
	JobManager() string

	// JobManagers names the JobManagers that run.
	JobManagers() []string

	// StartJobManagers starts as many JobManagers as are missing.
	StartJobManagers(ctx context.Context) error
}

// Pauser is a cluster whose processes can be stopped for a while: [scenarios.Pause].
type Pauser interface {
	// Pause stops a process as SIGSTOP does.
	Pause(ctx context.Context, process string) error

	// Resume lets all paused processes run again, and all slowed processes at full speed.
	Resume(ctx context.Context) error
}

// Slower is a cluster whose processes can be slowed down: [scenarios.Processor].
type Slower interface {
	// Slow leaves a process a share of its time, in percent.
	Slow(ctx context.Context, process string, percent int64) error
}

// ClockSetter is a cluster whose clocks can be set wrong: [scenarios.Clock].
type ClockSetter interface {
	// Jump puts the clock of a process forward.
	Jump(ctx context.Context, process string, by time.Duration) error

	// Drift lets the clock of a process run at a share of its pace, in percent.
	Drift(ctx context.Context, process string, percent int64) error
}

// Partitioner is a cluster whose processes can be cut off: [scenarios.Partition].
type Partitioner interface {
	// Cut silently drops all that a process sends and receives.
	Cut(ctx context.Context, process string) error

	Healer
}

// Disturber is a cluster whose connections can be disturbed: [scenarios.Network].
type Disturber interface {
	// Break resets the connections of a process.
	Break(ctx context.Context, process string) error

	// Lag delays what a process sends and receives.
	Lag(ctx context.Context, process string, delay time.Duration) error

	Healer
}

// Limiter is a cluster whose bandwidth can be limited: [scenarios.Bandwidth].
type Limiter interface {
	// Limit bounds what passes from and to a process, in kilobytes a second.
	Limit(ctx context.Context, process string, kilobytesPerSecond int64) error

	Healer
}

// Healer is a cluster whose connections can be mended.
type Healer interface {
	// Heal lets everything pass again, on all connections.
	Heal(ctx context.Context) error
}

// Remote is a cluster whose connections to storage can be cut and disturbed, too:
// [scenarios.Remote].
type Remote interface {
	// StorageEnd returns a name that stands for storage. [Partitioner], [Disturber] and
	// [Limiter] accept this name in place of a process.
	StorageEnd() string
}

// Tapped is a cluster whose operations on storage pass through a tap: [scenarios.Tap]. The
// tap calls back within the cluster's methods only, while the operation waits.
type Tapped interface {
	Tap() *tap.Tap
}

// Durable is a cluster that knows what a power loss leaves on its storage:
// [scenarios.PowerLoss].
type Durable interface {
	// Disk calls look with the cluster's storage, while nothing changes it.
	Disk(look func(*filesystem.Memory))

	// AfterPowerLoss returns a target whose next cluster finds left on its storage. The next
	// cluster continues the clock and the names of processes. This cluster does not change.
	AfterPowerLoss(left *filesystem.Memory) Target
}

// capabilities says, for each feature of clusters, how to see that a cluster has it: by the
// interfaces that the cluster implements.
var capabilities = []struct {
	feature scenarios.Feature
	shown   func(Cluster) bool
}{
	{scenarios.Trigger, shows[Checkpointer]},
	{scenarios.Savepoint, func(c Cluster) bool { return shows[Savepointer](c) && shows[Suspender](c) }},
	{scenarios.Kill, shows[Killer]},
	{scenarios.JobManager, shows[JobManagerKiller]},
	{scenarios.Pause, shows[Pauser]},
	{scenarios.Processor, shows[Slower]},
	{scenarios.Clock, shows[ClockSetter]},
	{scenarios.Partition, shows[Partitioner]},
	{scenarios.Network, shows[Disturber]},
	{scenarios.Bandwidth, shows[Limiter]},
	{scenarios.Remote, shows[Remote]},
	{scenarios.Tap, shows[Tapped]},
	{scenarios.PowerLoss, shows[Durable]},
}

func shows[Capability any](c Cluster) bool {
	_, ok := c.(Capability)
	return ok
}

// Features lists what a target can do: what it claims of its engine, and what the interfaces
// of its clusters show.
func Features(t Target) []scenarios.Feature {
	all := t.Claims()
	for _, c := range capabilities {
		if c.shown(t.Cluster()) {
			all = append(all, c.feature)
		}
	}
	return all
}

// Unclaimed lists the features that a scenario needs and the target does not have.
func Unclaimed(t Target, s scenarios.Scenario) []scenarios.Feature {
	features := Features(t)
	return slices.DeleteFunc(slices.Clone(s.Features), func(f scenarios.Feature) bool { return slices.Contains(features, f) })
}

// Check says what is wrong with a target before it runs anything. A feature of clusters must
// not be claimed: an interface shows it.
func Check(t Target) error {
	for _, c := range capabilities {
		if slices.Contains(t.Claims(), c.feature) {
			return fmt.Errorf("target %s claims the feature %s: want its clusters to implement the interface that shows it", t.Describe(), c.feature)
		}
	}
	if t.Cluster() == nil {
		return fmt.Errorf("target %s: Cluster returned nil: want a value of the type that Start returns", t.Describe())
	}
	return nil
}
