package target

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

// Checkpointer is a cluster that takes a checkpoint on request. It has the feature
// [scenarios.Trigger].
type Checkpointer interface {
	// Checkpoint takes a checkpoint of a job, and returns the id of the checkpoint when it is
	// complete. The error is a [RefusedError] if the cluster took no checkpoint.
	Checkpoint(ctx context.Context, id string) (int64, error)
}

// Savepointer is a cluster that takes savepoints. It has the feature [scenarios.Savepoint].
type Savepointer interface {
	// Savepoint takes a savepoint of a job, and returns the path of the savepoint when it is
	// complete. The parameter stop says whether the job goes on after the savepoint, or whether the
	// savepoint suspends or drains the job, as in Flink. The error is a [RefusedError] if the
	// cluster took no savepoint.
	Savepoint(ctx context.Context, id string, stop scenarios.Stop) (path string, err error)
}

// NativeSavepointer is a cluster that also takes savepoints in the format of the state backend. It
// has the feature [scenarios.Native].
type NativeSavepointer interface {
	// NativeSavepoint does the same as [Savepointer.Savepoint], but the savepoint has the format of
	// the state backend.
	NativeSavepoint(ctx context.Context, id string, stop scenarios.Stop) (path string, err error)
}

// Suspender is a cluster that can suspend a job. It has the feature [scenarios.SuspendJob]. A
// suspended job stops, but it can continue later.
type Suspender interface {
	Suspend(ctx context.Context, id string) error
}

// Killer is a cluster whose TaskManagers can be killed. It has the feature [scenarios.Kill].
type Killer interface {
	// TaskManagers returns the names of the running TaskManagers.
	TaskManagers() []string

	// Kill ends a process as SIGKILL does.
	Kill(ctx context.Context, process string) error

	// StartTaskManagers starts the missing TaskManagers.
	StartTaskManagers(ctx context.Context) error
}

// JobManagerKiller is a cluster whose JobManagers can be killed, with [Killer.Kill]. It has the
// feature [scenarios.JobManager].
type JobManagerKiller interface {
	// JobManager returns the name of the JobManager that leads. The name is empty if no JobManager
	// leads.
	JobManager() string

	// JobManagers returns the names of the running JobManagers.
	JobManagers() []string

	// StartJobManagers starts the missing JobManagers.
	StartJobManagers(ctx context.Context) error
}

// Pauser is a cluster whose processes can be stopped for a while. It has the feature
// [scenarios.Pause].
type Pauser interface {
	// Pause stops a process as SIGSTOP does.
	Pause(ctx context.Context, process string) error

	// Resume lets a process run at full speed again. It does nothing to a process that is neither
	// paused nor slow.
	Resume(ctx context.Context, process string) error
}

// Slower is a cluster whose processes can be slowed down. It has the feature [scenarios.Processor].
type Slower interface {
	// Slow lets a process run only for the given percentage of the time.
	Slow(ctx context.Context, process string, percent int64) error
}

// ClockSetter is a cluster whose clocks can be set wrong. It has the feature [scenarios.Clock].
type ClockSetter interface {
	// Jump sets the clock of a process forward by the given time.
	Jump(ctx context.Context, process string, by time.Duration) error

	// Drift changes the speed of the clock of a process to the given percentage.
	Drift(ctx context.Context, process string, percent int64) error
}

// Partitioner is a cluster whose processes can be cut off from the network. It has the feature
// [scenarios.Partition].
type Partitioner interface {
	// Cut drops everything that a process sends and receives. The process sees no error.
	Cut(ctx context.Context, process string) error

	Healer
}

// Disturber is a cluster whose connections can be disturbed. It has the feature
// [scenarios.Network].
type Disturber interface {
	// Break resets the connections of a process.
	Break(ctx context.Context, process string) error

	// Lag delays everything that a process sends and receives.
	Lag(ctx context.Context, process string, delay time.Duration) error

	Healer
}

// Limiter is a cluster whose bandwidth can be limited. It has the feature [scenarios.Bandwidth].
type Limiter interface {
	// Limit bounds the traffic from and to a process, in kilobytes per second.
	Limit(ctx context.Context, process string, kilobytesPerSecond int64) error

	Healer
}

// Healer is a cluster that can undo what was done to its connections.
type Healer interface {
	// Heal undoes all cuts, delays and limits, on all connections.
	Heal(ctx context.Context) error
}

// Remote is a cluster whose connections to storage can also be cut and disturbed. It has the
// feature [scenarios.Remote].
type Remote interface {
	// StorageEnd returns a name that stands for storage. [Partitioner], [Disturber] and
	// [Limiter] accept this name in place of a process.
	StorageEnd() string
}

// Tapped is a cluster whose operations on storage pass through a tap, which can make a fault fire
// before, during or after an operation. It has the feature [scenarios.Tap]. The tap calls the
// harness only while a method of the cluster runs. The operation waits until this call returns.
type Tapped interface {
	Tap() *tap.Tap
}

// Durable is a cluster that knows what a power loss leaves on its storage. It has the feature
// [scenarios.PowerLoss].
type Durable interface {
	// Disk calls look() with the cluster's storage. During the call nothing changes the storage.
	Disk(look func(*filesystem.Memory))

	// AfterPowerLoss returns a target for the time after a power loss. The next cluster of this
	// target begins with the given storage. Its clock and the numbers in its processes' names
	// continue from this cluster. This cluster does not change.
	AfterPowerLoss(left *filesystem.Memory) Target
}

// Logged is a cluster that writes a log for people. It shows no feature.
type Logged interface {
	// Log returns the path or the URL of the log that says why a job failed or was restarted.
	Log() string
}

// Upgrader is a cluster whose storage another version of the engine can use. It has the feature
// [scenarios.Upgrade].
type Upgrader interface {
	// Upgraded installs another version of the engine, and returns a target of it. The next cluster
	// of this target uses the storage of this cluster: Root and Work of both clusters are the same,
	// and faults that are armed stay armed. The clock and the numbers in its processes' names
	// continue from this cluster. The harness closes this cluster before it starts the next one.
	// The error is of [harness.Usagef] if there is no such version.
	Upgraded(ctx context.Context, version string) (Target, error)

	// HandOver makes the close of this cluster leave the storage, for the next cluster, as it is.
	HandOver()
}

// Brokered is a cluster that has a Kafka broker beside it, which can be killed with [Killer.Kill].
// Jobs read their input from the broker and write their output to it. It has the feature
// [scenarios.Kafka].
type Brokered interface {
	// Brokers returns the names of the running brokers.
	Brokers() []string

	// StartBrokers starts the missing broker with the data of the one that was killed, and returns
	// when it answers.
	StartBrokers(ctx context.Context) error

	// Deliver reads the output of all jobs from the broker, as a reader of committed records sees
	// it. It writes the lines of each job below the directory "committed" of this job. It also
	// returns the transactions of the output, those that were aborted too.
	Deliver(ctx context.Context) ([]history.Transaction, error)
}

// capabilities lists the features of clusters. For each feature, shown() says whether a cluster
// implements the interfaces of the feature.
var capabilities = []struct {
	feature scenarios.Feature
	shown   func(Cluster) bool
}{
	{scenarios.Trigger, shows[Checkpointer]},
	{scenarios.Savepoint, shows[Savepointer]},
	{scenarios.Native, shows[NativeSavepointer]},
	{scenarios.SuspendJob, shows[Suspender]},
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
	{scenarios.Upgrade, shows[Upgrader]},
	{scenarios.Kafka, shows[Brokered]},
}

func shows[Capability any](c Cluster) bool {
	_, ok := c.(Capability)
	return ok
}

// Features lists what a target can do: the features that the target claims for its engine, and the
// features that the interfaces of its clusters show.
func Features(t Target) []scenarios.Feature {
	all := t.Claims()
	for _, c := range capabilities {
		if c.shown(t.Cluster()) {
			all = append(all, c.feature)
		}
	}
	return all
}

// Unclaimed lists the features that a scenario needs but the target does not have.
func Unclaimed(t Target, s scenarios.Scenario) []scenarios.Feature {
	features := Features(t)
	return slices.DeleteFunc(slices.Clone(s.Features), func(f scenarios.Feature) bool { return slices.Contains(features, f) })
}

// Check returns an error if a target is described wrongly. The runner calls it before the target
// runs anything. A target must not claim a feature of clusters, because an interface shows that
// feature.
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
