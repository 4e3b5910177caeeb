// Package reference makes the reference engine a target: simulated in this
// process, or as processes that are killed for real. It is the only package of the
// harness that knows the engine.
//
// Start with [Simulated] and [Processes].
package reference

import (
	"errors"
	"strconv"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
)

// Name is the target's name.
const Name = "reference"

// Storage says where the engine keeps checkpoints.
type Storage struct {
	text       string
	root       string // name of a directory; empty for one of the run
	jobManager bool   // state stays in the JobManager's memory
}

// ParseStorage reads what a user wants: jobmanager, a URL, or nothing for a directory
// of the run.
func ParseStorage(text string) (Storage, error) {
	s := Storage{text: text, jobManager: text == storage.JobManagerName}
	if text == "" || s.jobManager {
		return s, nil
	}
	var err error
	s.root, err = storage.ParseDir(text)
	return s, err
}

func describe(runtime string, s Storage) history.Target {
	return history.Target{Name: Name, Runtime: runtime, Storage: s.text, Promises: []history.Promise{history.NoOrphans, history.NoTrace}}
}

func features() []scenarios.Feature {
	return []scenarios.Feature{scenarios.Kill, scenarios.Restart, scenarios.Resume, scenarios.Trigger, scenarios.Retention}
}

// clusterOf makes the configuration of a cluster.
func clusterOf(spec harness.ClusterSpec, s Storage) configuration.Configuration {
	cluster := configuration.Configuration{
		configuration.NumRetained.Key: strconv.Itoa(spec.Retained),
		configuration.InlineMax.Key:   "0", // all state goes to files, so that it can be seen
	}
	if s.jobManager {
		cluster[configuration.Storage.Key] = storage.JobManagerName
	}
	return cluster
}

// jobOf makes a job for the engine of what a scenario submits.
func jobOf(submission harness.Submission, id, root string) job.Job {
	w := submission.Workload
	return job.Job{
		ID: id,
		Counts: job.Counts{
			Seed: w.Seed, Splits: w.Splits, Records: w.Records, Keys: w.Keys,
			Pause: w.Pause, Snapshot: w.Snapshot, Dir: submission.Dir,
		},
		Parallelism:   submission.Job.Parallelism,
		Configuration: configuration.Configuration{configuration.Dir.Key: filesystem.URL(root)},
		Interval:      submission.Job.Interval,
		Timeout:       submission.Job.Timeout,
		Retention:     submission.Job.Retention,
		Restarts:      submission.Job.Restarts,
		Restore:       submission.Restore,
		ClaimMode:     storage.NoClaim,
	}
}

// observed translates what the engine logs; ok is false for what is of no
// interest here.
func observed(r environment.Record) (event history.Event, ok bool) {
	event = history.Event{ID: r.Job, Checkpoint: r.Checkpoint, Error: r.Error}
	switch r.Event {
	case protocol.EventJob:
		event.Kind, event.Status = history.Status, storage.JobStatus(r.Status)
	case protocol.EventRestored:
		event.Kind, event.Path = history.Restored, r.Path
	case protocol.EventCheckpointTriggered:
		event.Kind = history.Triggered
	case protocol.EventCheckpointCompleted:
		event.Kind = history.Completed
	case protocol.EventCheckpointAborted:
		event.Kind = history.Aborted
	default:
		return history.Event{}, false
	}
	return event, true
}

// refused tells a refusal from a failure.
func refused(err error) error {
	var refusal *reference.RefusedError
	if errors.As(err, &refusal) {
		return &harness.RefusedError{Why: refusal.Why}
	}
	return err
}
