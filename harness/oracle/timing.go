package oracle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
)

// A time of an event differs from the time that the coordinator noted. A coordinator notes when a
// checkpoint begins, and logs this after it has created the directory. If the coordinator is a
// process, the history has the time at which the harness read the log. On a busy machine the harness
// may have to wait for seconds before it can read.
const (
	simulatedDelay = 10 * time.Millisecond
	processDelay   = 5 * time.Second
)

// These are the longest times by which a coordinator may begin or abort a checkpoint later than
// planned, because it is busy. The processes of an engine may stand still for seconds on a busy
// machine.
const (
	simulatedGrace = time.Second
	processGrace   = 30 * time.Second
)

// grace returns by how much a coordinator may be late.
func grace(h *history.History) time.Duration {
	if h.Header.Target.Runtime == "simulated" {
		return simulatedGrace
	}
	return processGrace
}

// delay returns the largest error of a time in a history.
func delay(h *history.History) time.Duration {
	if h.Header.Target.Runtime == "simulated" {
		return simulatedDelay
	}
	return processDelay
}

// configurationOf returns the configuration with which a job was submitted.
func configurationOf(h *history.History, j history.Job) scenarios.Job {
	return h.Header.Scenario.JobOf(submitOf(h, j.Name))
}

// atLeastOnce says whether one of the jobs promises to apply each record at least once, and not exactly
// once. Then the output of all jobs may hold records more often.
func atLeastOnce(h *history.History) bool {
	return slices.ContainsFunc(accepted(h), func(j history.Job) bool { return configurationOf(h, j).AtLeastOnce })
}

// checkpoint is what a history shows of one checkpoint or savepoint of a job.
type checkpoint struct {
	id        int64
	savepoint bool
	begun     history.Event
	ended     history.Event // completed, savepointed or aborted; empty if nobody saw an end
	attempt   int           // how often the job had become RUNNING before
}

// complete says whether the history shows that the checkpoint completed.
func (c checkpoint) complete() bool { return c.ended.Kind == history.Completed }

// checkpointsOf returns the checkpoints and savepoints of a job in the order in which they began.
func checkpointsOf(h *history.History, id string) (all []checkpoint) {
	attempt := 0
	for _, e := range h.Events {
		switch {
		case e.ID != id:
		case e.Kind == history.Status && e.Status == storage.Running:
			attempt++
		case e.Kind == history.Triggered:
			all = append(all, checkpoint{id: e.Checkpoint, savepoint: e.Label == "savepoint", begun: e, attempt: attempt})
		case e.Kind == history.Completed || e.Kind == history.Savepointed || e.Kind == history.Aborted:
			for i := range all {
				if all[i].id == e.Checkpoint && all[i].ended.Kind == "" {
					all[i].ended = e
				}
			}
		}
	}
	return all
}

// periodic returns the checkpoints that began because it was time for them. If a scenario asks for
// checkpoints, the function leaves out the ones that it asked for, and the ones that did not
// complete, because the history does not show why these began.
func periodic(h *history.History, j history.Job) []checkpoint {
	asks := slices.ContainsFunc(h.Header.Scenario.Steps, func(s scenarios.Step) bool { return s.Checkpoint == j.Name })
	return slices.DeleteFunc(checkpointsOf(h, j.ID), func(c checkpoint) bool {
		asked := slices.ContainsFunc(h.Events, func(e history.Event) bool {
			return e.Kind == history.Trigger && e.Job == j.Name && e.Checkpoint == c.id
		})
		return c.savepoint || asked || (asks && !c.complete())
	})
}

// disturbs says whether a fault can change when the coordinator of a job does something.
func disturbs(e history.Event) bool {
	if e.Kind != history.Fault {
		return false
	}
	fault, err := faults.Parse(e.Fault)
	if err != nil {
		return true
	}
	switch fault.Action.(type) {
	case faults.Jump, faults.Drift:
		return true
	case faults.Delay:
		return !strings.HasPrefix(e.Process, string(faults.TaskManager))
	}
	return !fault.OfOperation() && !strings.HasPrefix(e.Process, string(faults.TaskManager))
}

// undisturbed says whether no fault could change the times of a job's checkpoints before the given
// event.
func undisturbed(h *history.History, before int) bool {
	return !slices.ContainsFunc(h.Events[:before-1], disturbs)
}

// pauses checks TRG-05: between the completion of a checkpoint and the next periodic checkpoint at
// least the minimum pause passes.
func pauses(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		wanted := configurationOf(h, j).MinPause
		if wanted == 0 {
			continue
		}
		all := checkpointsOf(h, j.ID)
		for _, c := range periodic(h, j) {
			if !undisturbed(h, c.begun.Number) {
				continue
			}
			for _, before := range all {
				if !before.complete() || before.attempt != c.attempt || before.ended.Number > c.begun.Number {
					continue
				}
				judge.examine("TRG-05")
				if pause := c.begun.At() - before.ended.At(); pause+delay(h) < wanted {
					judge.find(Finding{
						Requirement: "TRG-05", Problem: fmt.Sprintf("job %s began a checkpoint before its minimum pause was over", j.Name),
						Expected: fmt.Sprintf("a pause of at least %s", wanted),
						Found:    fmt.Sprintf("checkpoint %d began %s after checkpoint %d was complete", c.id, pause, before.id),
					})
				}
			}
		}
	}
}

// intervals checks TRG-06: periodic checkpoints do not begin more often than the interval says. One
// more may begin at the end of the input, or because it had to wait for another checkpoint. And one
// more if the first began late, for example because a store was slow: the others do not wait for it.
func intervals(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		interval := configurationOf(h, j).Interval
		var first checkpoint
		began := 0
		for _, c := range periodic(h, j) {
			if !undisturbed(h, c.begun.Number) || interval == 0 {
				break
			}
			if began == 0 || c.attempt != first.attempt {
				first, began = c, 0
			}
			began++
			elapsed := c.begun.At() - first.begun.At() + delay(h)
			if allowed := int(elapsed/interval) + 3; began > allowed {
				judge.find(Finding{
					Requirement: "TRG-06", Problem: fmt.Sprintf("job %s began checkpoints more often than its interval says", j.Name),
					Expected: fmt.Sprintf("one in %s", interval), Found: fmt.Sprintf("%d in %s, from checkpoint %d to %d", began, elapsed, first.id, c.id),
				})
				break
			}
			if began > 3 {
				judge.examine("TRG-06")
			}
		}
	}
}

// steadiness checks TRG-07: while a job runs and no checkpoint is in progress, the next one begins
// in time.
func steadiness(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		wanted := configurationOf(h, j)
		limit := 3*(wanted.Interval+wanted.MinPause) + grace(h)
		running, inProgress := false, map[int64]bool{}
		var since history.Event
		for _, e := range h.Events {
			if e.Number > j.Submitted && disturbs(e) {
				break
			}
			late := running && len(inProgress) == 0 && e.At()-since.At() > limit
			if late {
				judge.find(Finding{
					Requirement: "TRG-07", Problem: fmt.Sprintf("job %s runs, and no checkpoint begins", j.Name),
					Expected: fmt.Sprintf("a checkpoint in each %s", wanted.Interval), Found: fmt.Sprintf("none for %s after event %d of the history", e.At()-since.At(), since.Number),
				})
				break
			}
			switch {
			case e.ID != j.ID:
				continue
			case e.Kind == history.Status:
				running = e.Status == storage.Running
				clear(inProgress)
			case e.Kind == history.Triggered:
				if running {
					judge.examine("TRG-07")
				}
				inProgress[e.Checkpoint] = true
			case e.Kind == history.Completed || e.Kind == history.Savepointed || e.Kind == history.Aborted:
				delete(inProgress, e.Checkpoint)
			default:
				continue
			}
			since = e
		}
	}
}

// timeouts checks TRG-08: a checkpoint that takes longer than the time-out is aborted. It also
// checks TRG-09: no checkpoint expires before the time-out.
func timeouts(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		timeout := configurationOf(h, j).Timeout
		for _, c := range checkpointsOf(h, j.ID) {
			end := lastOf(h, j, c)
			if timeout == 0 || !undisturbed(h, end.Number) {
				continue
			}
			took := end.At() - c.begun.At()
			if took+delay(h) >= timeout {
				judge.examine("TRG-08")
			}
			late := took > timeout+grace(h)
			if c.complete() || c.ended.Kind == history.Savepointed {
				late = took > timeout+10*delay(h) // it may be completed when its time is over
			}
			if late {
				judge.find(Finding{
					Requirement: "TRG-08", Problem: fmt.Sprintf("a checkpoint of job %s took longer than its time-out, and was not aborted", j.Name),
					Expected: fmt.Sprintf("a checkpoint aborted after %s", timeout), Found: fmt.Sprintf("checkpoint %d %s after %s", c.id, endOf(c), took),
				})
			}
			if c.ended.Label == "CHECKPOINT_EXPIRED" {
				judge.examine("TRG-09")
				if took+delay(h) < timeout {
					judge.find(Finding{
						Requirement: "TRG-09", Problem: fmt.Sprintf("a checkpoint of job %s expired before its time-out", j.Name),
						Expected: fmt.Sprintf("%s or more", timeout), Found: fmt.Sprintf("checkpoint %d expired after %s", c.id, took),
					})
				}
			}
		}
	}
}

// lastOf returns the event that ended a checkpoint: its own end, or the next status of the job, which
// ends all checkpoints in progress. If there is none, it returns the last event of the history.
func lastOf(h *history.History, j history.Job, c checkpoint) history.Event {
	for _, e := range h.Events[c.begun.Number:] {
		if e.Number == c.ended.Number || (e.ID == j.ID && e.Kind == history.Status) || e.Label == history.AfterPowerLoss {
			return e
		}
	}
	last := h.Events[len(h.Events)-1]
	return last
}

func endOf(c checkpoint) string {
	if c.ended.Kind == "" {
		return "still in progress"
	}
	return string(c.ended.Kind)
}

// countedReasons are Flink's reasons for which an aborted checkpoint counts as failed.
var countedReasons = []string{"IO_EXCEPTION", "CHECKPOINT_ASYNC_EXCEPTION", "CHECKPOINT_DECLINED", "CHECKPOINT_EXPIRED", "FINALIZE_CHECKPOINT_FAILURE"}

// tolerance checks TRG-10: a job fails because of its checkpoints only if more of them failed in a
// row than it tolerates. It also checks TRG-11: then it does fail. A savepoint does not count, nor
// does a checkpoint older than the newest complete one.
//
// Another JobManager begins to count again. After a fault that may have brought another JobManager,
// the job may have counted all failures in a row, or only those after the fault.
func tolerance(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		tolerable := configurationOf(h, j).Tolerable
		least, most := 0, 0 // how many failures in a row the job has counted
		newest, exceeded := j.Checkpoint, false
		savepoints := map[int64]bool{}
		for _, e := range h.Events {
			switch {
			case e.Kind == history.Leads:
				least, most = 0, 0
			case e.Kind == history.Fault && disturbs(e):
				least = 0
			case e.ID != j.ID:
			case e.Kind == history.Triggered:
				savepoints[e.Checkpoint] = e.Label == "savepoint"
			case e.Kind == history.Completed:
				least, most, newest = 0, 0, max(newest, e.Checkpoint)
			case e.Kind == history.Aborted:
				if savepoints[e.Checkpoint] || e.Checkpoint <= newest || !slices.Contains(countedReasons, e.Label) {
					continue
				}
				judge.examine("TRG-10")
				least, most = least+1, most+1
				exceeded = exceeded || most > tolerable
				if least > tolerable {
					judge.examine("TRG-11")
					stillRuns(h, j, e, least, judge)
					least, most = 0, 0
				}
			case e.Kind == history.Status && e.Status == storage.Running:
				exceeded = false
			case e.Kind == history.Status && strings.Contains(e.Error, "tolerable-failed-checkpoints"):
				if !exceeded {
					judge.find(Finding{
						Requirement: "TRG-10", Problem: fmt.Sprintf("job %s failed because of failed checkpoints that it must tolerate", j.Name),
						Expected: fmt.Sprintf("no failure before %d checkpoints in a row have failed", tolerable+1), Found: fmt.Sprintf("%d: %s", most, e.Error),
					})
				}
				least, most = 0, 0
			}
		}
	}
}

// stillRuns checks TRG-11 after a checkpoint that failed: the job does not go on.
func stillRuns(h *history.History, j history.Job, failed history.Event, failures int, judge *judging) {
	for _, e := range h.Events[failed.Number:] {
		switch {
		case e.ID != j.ID:
		case e.Kind == history.Status:
			return
		case e.Kind == history.Triggered || e.Kind == history.Completed:
			judge.find(Finding{
				Requirement: "TRG-11", Problem: fmt.Sprintf("job %s runs on, although more checkpoints in a row failed than it tolerates", j.Name),
				Expected: fmt.Sprintf("a failure after %s", quantity(configurationOf(h, j).Tolerable+1, "failed checkpoint")),
				Found:    fmt.Sprintf("%d failed, the last with %s, and checkpoint %d was %s", failures, failed.Label, e.Checkpoint, e.Kind),
			})
			return
		}
	}
}

// completions checks TRG-12: checkpoints complete in the order of their ids. A checkpoint that
// completes subsumes all older ones, which are aborted.
func completions(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		if configurationOf(h, j).MaxConcurrent < 2 {
			continue
		}
		newest := int64(0)
		for _, id := range h.Completed(j.ID, h.End()) {
			if newest > 0 {
				judge.examine("TRG-12")
			}
			if id < newest {
				judge.find(Finding{
					Requirement: "TRG-12", Problem: fmt.Sprintf("a checkpoint of job %s completed after a newer one", j.Name),
					Expected: fmt.Sprintf("checkpoint %d aborted when checkpoint %d was complete", id, newest), Found: fmt.Sprintf("checkpoint %d complete", id),
				})
			}
			newest = max(newest, id)
		}
	}
}

// asked checks TRG-13: a running job takes the savepoint that a user asks for, unless a fault
// prevents it.
func asked(h *history.History, judge *judging) {
	for _, e := range h.Events {
		if e.Kind != history.Savepoint || slices.ContainsFunc(h.Events[:e.Number], func(e history.Event) bool { return e.Kind == history.Fault || e.Kind == history.Fail }) {
			continue
		}
		judge.examine("TRG-13")
		late := slices.ContainsFunc(h.Events[e.Number:], func(e history.Event) bool { return e.Kind == history.Missed })
		if e.Error != "" && !late {
			judge.find(Finding{
				Requirement: "TRG-13", Problem: fmt.Sprintf("job %s did not take the savepoint that the scenario asked for", e.Job),
				Expected: "a complete savepoint", Found: e.Error,
			})
		}
	}
}
