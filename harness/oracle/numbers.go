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
}

// Recovery says how a job came back after a fault.
type Recovery struct {
	Fault      string        `json:"fault"`
	Process    string        `json:"process"`
	Checkpoint int64         `json:"checkpoint"` // the checkpoint that was in progress when the fault fired; 0 if no checkpoint was in progress
	Job        string        `json:"job"`        // the first job that ran again
	Restored   int64         `json:"restored"`   // the checkpoint that the job was restored from; 0 if the job was not restored
	Took       time.Duration `json:"took_ns"`    // time from the fault until the job ran again; 0 if the job never ran again
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
	if r.Took == 0 && !killed {
		return hit + "; no job had to come back"
	}
	if r.Took == 0 {
		return hit + "; no job came back"
	}
	return fmt.Sprintf("%s; job %s came back, %s, in %s", hit, r.Job, from(r.Restored), r.Took.Round(time.Millisecond))
}

func count(h *history.History) Numbers {
	var n Numbers
	for _, e := range h.Events {
		if e.Kind == history.Fault && e.Process != "" {
			n.Recoveries = append(n.Recoveries, recoveryFrom(h, e))
		}
	}
	model := h.Header.Scenario.Workload.Model()
	for _, r := range runs(h) {
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

// recoveryFrom finds the first job that was RUNNING again after a fault, and returns how this job
// came back.
func recoveryFrom(h *history.History, fault history.Event) Recovery {
	r := Recovery{Fault: fault.Fault, Process: fault.Process}
	if _, checkpoint, ok := h.InProgress(fault.Number); ok {
		r.Checkpoint = checkpoint
	}
	for _, e := range h.Events[fault.Number:] {
		switch {
		case e.Kind == history.Restored:
			r.Restored = e.Checkpoint
		case e.Kind == history.Status && e.Status == storage.Running:
			r.Took = e.At() - fault.At()
			jobs := h.Jobs()
			if at := slices.IndexFunc(jobs, func(j history.Job) bool { return j.ID == e.ID }); at >= 0 {
				r.Job = jobs[at].Name
			}
			return r
		}
	}
	return r
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
