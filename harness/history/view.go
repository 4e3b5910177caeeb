package history

import (
	"path"
	"slices"

	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
)

// Job is a job that the scenario submitted.
type Job struct {
	Name       string // the scenario's name for the job
	ID         string // empty if the job was refused
	Submitted  int    // number of the event with which the job was submitted
	From       string // name of the job whose checkpoint this job resumes from
	Path       string // path of that checkpoint
	Checkpoint int64  // id of that checkpoint
	Refused    bool
	Error      string // why the job was refused
}

// Jobs returns the jobs that were submitted, in order.
func (h *History) Jobs() []Job {
	var jobs []Job
	for _, e := range h.Events {
		switch e.Kind {
		case Submit:
			jobs = append(jobs, Job{Name: e.Job, Submitted: e.Number, From: e.From, Path: e.Path, Checkpoint: e.Checkpoint})
		case Accepted:
			jobs[len(jobs)-1].ID = e.ID
		case Refused:
			jobs[len(jobs)-1].Refused, jobs[len(jobs)-1].Error = true, e.Error
		}
	}
	return jobs
}

// Job returns the job with the given name.
func (h *History) Job(name string) (Job, bool) {
	jobs := h.Jobs()
	at := slices.IndexFunc(jobs, func(j Job) bool { return j.Name == name })
	if at < 0 {
		return Job{}, false
	}
	return jobs[at], true
}

// Lineage returns a job and its ancestors, oldest first. Each job resumed from a checkpoint of
// the job before it.
func (h *History) Lineage(job Job) []Job {
	lineage := []Job{job}
	for lineage[0].From != "" {
		parent, ok := h.Job(lineage[0].From)
		if !ok {
			break
		}
		lineage = append([]Job{parent}, lineage...)
	}
	return lineage
}

// Completed returns the ids of the checkpoints that a job completed, in order. It ignores the event
// with the number in the parameter before, and all later events.
func (h *History) Completed(id string, before int) []int64 {
	var ids []int64
	for _, e := range h.Events {
		if e.Number >= before {
			break
		}
		if e.Kind == Completed && e.ID == id {
			ids = append(ids, e.Checkpoint)
		}
	}
	return ids
}

// InProgress returns the last checkpoint that was triggered before the event with the given number,
// and the id of its job. It returns true if that checkpoint was still in progress.
func (h *History) InProgress(before int) (id string, checkpoint int64, ok bool) {
	for _, e := range h.Events {
		if e.Number >= before {
			break
		}
		switch {
		case e.Kind == Triggered:
			id, checkpoint, ok = e.ID, e.Checkpoint, true
		case (e.Kind == Completed || e.Kind == Aborted || e.Kind == Savepointed) && e.ID == id && e.Checkpoint == checkpoint:
			ok = false
		}
	}
	return id, checkpoint, ok
}

// Stopped says whether the job with the given name stopped with a savepoint. Such a job did
// not reach the end of its input, unless [History.ReadWhole] says so.
func (h *History) Stopped(name string) bool {
	return slices.ContainsFunc(h.Events, func(e Event) bool {
		return e.Kind == Savepoint && e.Job == name && e.Label != "" && e.Error == ""
	})
}

// Drained says whether the job with the given name was stopped with a savepoint and drained first.
// The input of such a job ended early.
func (h *History) Drained(name string) bool {
	return slices.ContainsFunc(h.Events, func(e Event) bool {
		return e.Kind == Savepoint && e.Job == name && e.Label == string(scenarios.Drain) && e.Error == ""
	})
}

// ReadWhole says whether the job with the given name was drained after it had read its whole input.
func (h *History) ReadWhole(name string) bool {
	return h.Drained(name) && slices.ContainsFunc(h.Events, func(e Event) bool { return e.Kind == ReadAll && e.Job == name })
}

// Fired returns the events that record the firing of a fault. The parameter is the text of the
// fault.
func (h *History) Fired(fault string) []Event {
	return slices.DeleteFunc(slices.Clone(h.Events), func(e Event) bool { return e.Kind != Fault || e.Fault != fault })
}

// Status returns the last observed status of the job with the given id, and the number of the
// event that showed it.
func (h *History) Status(id string) (status storage.JobStatus, number int) {
	for _, e := range h.Events {
		if e.Kind == Status && e.ID == id {
			status, number = e.Status, e.Number
		}
	}
	return status, number
}

// KindOf says what a job was restored from: "checkpoint" or "savepoint". The parameter is an event
// of the kind [Restored].
func (h *History) KindOf(restored Event) string {
	for _, e := range h.Events {
		samePlace := e.Path != "" && path.Base(e.Path) == path.Base(restored.Path)
		if e.Kind == Savepointed && e.Checkpoint == restored.Checkpoint && (e.ID == restored.ID || samePlace) {
			return "savepoint"
		}
	}
	return "checkpoint"
}

// End returns the number that the next event will have.
func (h *History) End() int { return len(h.Events) + 1 }

// Promises says whether the target made the given promise.
func (h *History) Promises(promise Promise) bool {
	return slices.Contains(h.Header.Target.Promises, promise)
}
