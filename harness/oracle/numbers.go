package oracle

import (
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/storage"
)

// Numbers sums up a run in figures for people.
type Numbers struct {
	Recoveries []Recovery `json:"recoveries,omitempty"`
	Records    int        `json:"records"`  // records in the input of the jobs that finished
	Replayed   int        `json:"replayed"` // records that were read more than once
	Lost       int        `json:"lost"`
	Doubled    int        `json:"doubled"`
	InFlight   []InFlight `json:"in_flight,omitempty"` // only of jobs with unaligned checkpoints
}

// InFlight says how much data in flight a checkpoint holds: the records that its barriers overtook.
type InFlight struct {
	Job        string `json:"job"`
	Checkpoint int64  `json:"checkpoint"`
	Bytes      int64  `json:"bytes"`
}

// Recovery says how a job came back after a fault.
type Recovery struct {
	Fault      string        `json:"fault"`
	Process    string        `json:"process"`
	Checkpoint int64         `json:"checkpoint"`          // the checkpoint that was in progress when the fault fired; 0 if no checkpoint was in progress
	Job        string        `json:"job"`                 // the job that came back or, if none did, the job during which the fault fired
	Restored   int64         `json:"restored"`            // the checkpoint that the job was restored from; 0 if the job was not restored
	Savepoint  bool          `json:"savepoint,omitempty"` // whether Restored is a savepoint
	Failed     bool          `json:"failed,omitempty"`    // whether the job failed for good
	Took       time.Duration `json:"took_ns"`             // time from the fault until the job ran again; 0 if the job never ran again
}

func (r Recovery) String() string {
	hit := fmt.Sprintf("%s hit %s", r.Fault, r.Process)
	killed := false
	fault, _ := faults.Parse(r.Fault) // if this fails, the text of the fault is printed
	switch fault.Action.(type) {
	case faults.Kill:
		hit, killed = fmt.Sprintf("killed %s", r.Process), true
	case faults.Pause:
		hit = fmt.Sprintf("%s stood still", r.Process)
	}
	if r.Checkpoint > 0 {
		hit += fmt.Sprintf(" during checkpoint %d", r.Checkpoint)
	}
	if r.Took == 0 && r.Job != "" {
		hit += " in job " + r.Job
	}
	if r.Failed {
		return hit + "; the job failed"
	}
	if r.Took == 0 && !killed {
		return hit + "; no job had to come back"
	}
	if r.Took == 0 {
		return hit + "; no job came back"
	}
	restored := from(r.Restored, "")
	if r.Savepoint {
		restored = fmt.Sprintf("restored from savepoint %d", r.Restored)
	}
	return fmt.Sprintf("%s; job %s came back, %s, in %s", hit, r.Job, restored, r.Took.Round(time.Millisecond))
}

func count(h *history.History, all []run) Numbers {
	var n Numbers
	for _, e := range h.Events {
		switch {
		case e.Kind == history.Fault && e.Process != "":
			n.Recoveries = append(n.Recoveries, recoveryFrom(h, e))
		case e.Kind == history.InFlight:
			n.InFlight = append(n.InFlight, InFlight{jobName(h, e.ID), e.Checkpoint, e.Size})
		}
	}
	model := h.Header.Scenario.Workload.Model()
	for _, r := range all {
		lost, doubled := compare(model, r)
		n.Lost += len(lost)
		n.Doubled += len(doubled)
		if r.finished {
			n.Records += h.Header.Scenario.Workload.Total()
			n.Replayed += replayed(h, r.last)
		}
	}
	return n
}

// recoveryFrom returns how the job during which a fault fired came back. It came back when it was
// RUNNING again. Without high availability it can also come back as another job, which resumed from
// it. A job that ended before has not come back.
func recoveryFrom(h *history.History, fault history.Event) Recovery {
	r := Recovery{Fault: fault.Fault, Process: fault.Process}
	if _, checkpoint, ok := h.InProgress(fault.Number); ok {
		r.Checkpoint = checkpoint
	}
	job, ok := during(h, fault.Number)
	if !ok {
		return r
	}
	r.Job = job.Name
	parsed, _ := faults.Parse(fault.Fault) // an error leaves the action empty
	_, kills := parsed.Action.(faults.Kill)
	for _, e := range h.Events[fault.Number:] {
		heir := e.Kind == history.Status && e.ID != job.ID && resumedFrom(h, e.ID, job.Name)
		switch {
		case e.Kind == history.Fault && !kills:
			return r // what follows may be the effect of this other fault
		case e.Kind != history.Status || (e.ID != job.ID && !heir):
		case e.Status == storage.Running:
			r.Took = e.At() - fault.At()
			r.Restored, r.Savepoint = restoredBefore(h, e)
			r.Job = jobName(h, e.ID)
			return r
		case e.Status.Terminal() && !heir:
			r.Failed = e.Status == storage.Failed
			return r
		default:
			kills = true // the job is not RUNNING any more, so the fault had an effect
		}
	}
	return r
}

// during returns the job that ran at an event: the last job that was accepted and not over.
func during(h *history.History, number int) (history.Job, bool) {
	before := history.History{Header: h.Header, Events: h.Events[:number-1]}
	for _, j := range slices.Backward(accepted(&before)) {
		if status, _ := before.Status(j.ID); !h.Header.Scenario.Over(status) {
			return j, true
		}
	}
	return history.Job{}, false
}

// resumedFrom says whether a job resumed from another job.
func resumedFrom(h *history.History, id, from string) bool {
	return slices.ContainsFunc(h.Jobs(), func(j history.Job) bool { return j.ID == id && j.From == from })
}

// jobName returns the scenario's name for the job with an id, or the empty name if no job has it.
func jobName(h *history.History, id string) string {
	jobs := h.Jobs()
	at := slices.IndexFunc(jobs, func(j history.Job) bool { return j.ID == id })
	if at < 0 {
		return ""
	}
	return jobs[at].Name
}

// restoredBefore returns the checkpoint or savepoint from which a job was restored before it became
// RUNNING. It is 0 if the job was not restored.
func restoredBefore(h *history.History, running history.Event) (id int64, savepoint bool) {
	for _, e := range slices.Backward(h.Events[:running.Number-1]) {
		switch {
		case e.ID != running.ID:
		case e.Kind == history.Restored:
			return e.Checkpoint, h.KindOf(e) == "savepoint"
		case e.Kind == history.Status && (e.Status == storage.Restarting || e.Status == storage.Running):
			return 0, false
		}
	}
	return 0, false
}

// replayed counts the records that the sources read again. A source creates a progress file at each
// start. The name of the file says where the source began to read, and the size of the file says
// how many records the source read.
func replayed(h *history.History, last history.Job) int {
	var read int64
	for _, j := range h.Lineage(last) {
		for _, e := range h.Events {
			if e.Kind == history.Progress && e.Job == j.Name {
				var split, index int64
				if n, _ := fmt.Sscanf(path.Base(e.Path), "split-%d-from-%d-", &split, &index); n == 2 {
					read += e.Size
				}
			}
		}
	}
	return max(0, int(read)-h.Header.Scenario.Workload.Total())
}
