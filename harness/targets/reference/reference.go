// Package reference makes the reference engine a target: simulated in this process, or as real
// processes that can be killed. No other package of the harness knows the engine.
//
// Start with [Simulated] and [Processes].
package reference

import (
	"cmp"
	"errors"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/operators"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
)

// Name is the target's name.
const Name = "reference"

// checkpointTimeout is the longest time that the harness waits for a checkpoint.
const checkpointTimeout = time.Minute

// Storage says where the engine keeps checkpoints.
type Storage struct {
	text       string
	root       string // directory for the checkpoints of all runs; empty: each run uses a directory of its own
	jobManager bool   // the state of checkpoints stays in the JobManager's memory
}

// ParseStorage reads the text by which a user names a storage. The text is "jobmanager" or a URL.
// The empty text stands for a directory of the run.
func ParseStorage(text string) (Storage, error) {
	s := Storage{text: text, jobManager: text == storage.JobManagerName}
	if text == "" || s.jobManager {
		return s, nil
	}
	var err error
	s.root, err = storage.ParseDir(text)
	return s, err
}

// s3Endpoint is the environment variable that holds the URL of S3.
const s3Endpoint = "AWS_ENDPOINT_URL"

// simulatesObjects says whether the simulator keeps checkpoints as objects. It does so on every
// storage with a scheme.
func (s Storage) simulatesObjects() bool {
	on, _ := filesystem.Split(s.root)
	return on != ""
}

// remote says whether the harness can disturb the connections to this storage. It can disturb
// connections to S3 only if they are not encrypted.
func (s Storage) remote() bool {
	return strings.HasPrefix(s.root, "hdfs://") || (strings.HasPrefix(s.root, "s3://") && strings.HasPrefix(os.Getenv(s3Endpoint), "http://"))
}

func describe(runtime string, s Storage) history.Target {
	return history.Target{Name: Name, Runtime: runtime, Storage: s.text, Promises: []history.Promise{history.NoOrphans, history.Intact, history.NoTrace, history.InOrder, history.Reasons, history.Leaders}}
}

func claims() []scenarios.Feature {
	return []scenarios.Feature{
		scenarios.Restart, scenarios.Resume, scenarios.Retention, scenarios.HA, scenarios.Rescale, scenarios.Claim, scenarios.Modes, scenarios.Workloads,
	}
}

// honours says whether the engine carries out what a scenario sets in a field. It knows the keys of
// Flink's configuration that package configuration lists.
func honours(f target.Field) bool {
	switch f.Name {
	case target.ClusterSettings, target.JobSettings:
		return slices.ContainsFunc(configuration.Options(), func(o configuration.Option) bool {
			return slices.Contains(o.Keys(), f.Key) && (f.Name == target.ClusterSettings || o.Scope == configuration.Job)
		})
	case target.JobBackend:
		backend, ok := scenarios.ParseBackend(f.Value)
		return ok && backend.Reference != ""
	}
	return true
}

// clusterOf returns the configuration of a cluster for the engine.
func clusterOf(spec target.Spec, s Storage) configuration.Configuration {
	cluster := configuration.Configuration{
		configuration.NumRetained.Key: strconv.Itoa(spec.Retained),
		configuration.InlineMax.Key:   "0", // all state goes to files, so that the harness can see it
	}
	if s.jobManager {
		cluster[configuration.Storage.Key] = storage.JobManagerName
	}
	maps.Copy(cluster, spec.Settings)
	return cluster
}

// backendOf returns the engine's word for the backend of a job.
func backendOf(j scenarios.Job) state.Backend {
	backend, _ := scenarios.ParseBackend(cmp.Or(j.Backend, scenarios.Backends[0].Name))
	return state.Backend(backend.Reference)
}

// jobOf turns a submission of a scenario into a job for the engine. The parameter root is the
// directory for the checkpoints of all jobs.
func jobOf(submission target.Submission, id, root string) (job.Job, error) {
	w, wanted := submission.Workload, submission.Job
	j := job.Defaults()
	j.ID = id
	j.Workload = operators.Parameters{
		Name: w.Name, Seed: w.Seed, Splits: w.Splits, Records: w.Records, Keys: w.Keys,
		Pause: w.Pause, Snapshot: w.Snapshot, Slow: w.Slow, Payload: w.Payload, Uneven: w.Uneven, Idle: w.Idle,
		Dir: submission.Dir,
	}
	j.Parallelism, j.ParallelismMax = wanted.Parallelism, wanted.ParallelismMax
	j.Configuration = configuration.Configuration{configuration.Dir.Key: filesystem.URL(root)}
	maps.Copy(j.Configuration, submission.Settings)
	j.Checkpoints = job.Checkpoints{
		Interval: wanted.Interval, MinPause: wanted.MinPause, Timeout: wanted.Timeout, MaxConcurrent: max(1, wanted.MaxConcurrent),
		TolerableFailures: wanted.Tolerable, Retention: wanted.Retention, AtLeastOnce: wanted.AtLeastOnce,
		Unaligned: wanted.Unaligned, AlignmentTimeout: wanted.AlignmentTimeout,
		Backend: backendOf(wanted),
	}
	j.Restart = job.RestartStrategy{Kind: job.FixedDelay, Attempts: wanted.Restarts}
	j.Restore = job.Restore{
		Path: submission.Restore, ClaimMode: cmp.Or(submission.ClaimMode, storage.NoClaim), AllowNonRestored: submission.AllowNonRestored,
	}
	return j, j.Configure()
}

// observed turns a record that the engine logged into an event. It returns false if the history
// does not need the record.
func observed(r environment.Record) (event history.Event, ok bool) {
	event = history.Event{ID: r.Job, Checkpoint: r.Checkpoint, Error: r.Error}
	switch r.Event {
	case protocol.EventJob:
		event.Kind, event.Status = history.Status, storage.JobStatus(r.Status)
	case protocol.EventRestored:
		event.Kind, event.Path, event.Label = history.Restored, r.Path, r.Status
	case protocol.EventSubtaskRestored:
		event.Kind, event.Process, event.Label, event.Path = history.Subtask, r.Task, r.Status, r.Path
	case protocol.EventCheckpointTriggered:
		event.Kind, event.Label = history.Triggered, r.Status
	case protocol.EventCheckpointCompleted:
		event.Kind = history.Completed
	case protocol.EventSavepointCompleted:
		event.Kind, event.Path = history.Savepointed, r.Path
	case protocol.EventCheckpointAborted:
		event.Kind, event.Label = history.Aborted, r.Status
	default:
		return history.Event{}, false
	}
	return event, true
}

// refused turns the engine's refusal into a [target.RefusedError]. It returns any other error
// unchanged.
func refused(err error) error {
	var refusal *reference.RefusedError
	if errors.As(err, &refusal) {
		return &target.RefusedError{Why: refusal.Why}
	}
	return err
}

// stopOf translates the way in which a savepoint stops its job into the engine's terms.
func stopOf(stop scenarios.Stop) protocol.Stop {
	switch stop {
	case scenarios.Suspend:
		return protocol.Suspend
	case scenarios.Drain:
		return protocol.Drain
	}
	return protocol.GoOn
}

// savepointsName is the name of the directory for savepoints, beside the directory for checkpoints.
const savepointsName = "savepoints"

func savepointDir(root string) string {
	return filesystem.URL(filesystem.Join(filesystem.Dir(root), savepointsName))
}
