package oracle

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/snapback/snapback/harness/evidence"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
)

// recovery checks REC-01: when a job runs again, it was restored from the newest checkpoint that it
// had completed. If the job had completed no checkpoint, it was restored from the checkpoint from
// which it had resumed.
func recovery(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		ran, restored := false, int64(0)
		for _, e := range h.Events {
			if e.ID != j.ID {
				continue
			}
			switch {
			case e.Kind == history.Restored:
				restored = e.Checkpoint
			case e.Kind == history.Status && e.Status == storage.Restarting:
				restored = 0
			case e.Kind == history.Status && e.Status == storage.Running:
				newest := j.Checkpoint
				if completed := h.Completed(j.ID, e.Number); len(completed) > 0 {
					newest = slices.Max(completed)
				}
				if ran {
					judge.examine("REC-01")
				}
				// A newer checkpoint is also right if nobody saw how it ended, because it may be
				// complete.
				if ran && restored != newest && (restored < newest || !inDoubt(h, j.ID, restored, e.Number)) {
					judge.find(Finding{
						Requirement: "REC-01",
						Problem:     fmt.Sprintf("job %s was not restored from its newest completed checkpoint", j.Name),
						Expected:    from(newest, ""),
						Found:       from(restored, ""),
					})
				}
				ran = true
			}
		}
	}
}

// inDoubt says whether a checkpoint began before the given event and nobody saw how it ended.
func inDoubt(h *history.History, id string, checkpoint int64, before int) bool {
	begun := false
	for _, e := range h.Events {
		if e.ID != id || e.Checkpoint != checkpoint || e.Number >= before {
			continue
		}
		switch e.Kind {
		case history.Triggered:
			begun = true
		case history.Completed, history.Aborted:
			return false
		}
	}
	return begun
}

// from says from what a job was restored. The path is that of the checkpoint or savepoint; it is
// empty if nobody knows it.
func from(checkpoint int64, at string) string {
	if checkpoint == 0 {
		return "started without a checkpoint"
	}
	if _, ok := evidence.CheckpointID(path.Base(at)); at != "" && !ok {
		return fmt.Sprintf("restored from savepoint %d", checkpoint)
	}
	return "restored from " + evidence.CheckpointName(checkpoint)
}

// resume checks REC-04: a resumed job starts from exactly the checkpoint that the user gave. For a
// checkpoint from which an earlier job resumed already, it checks REC-05.
func resume(h *history.History, judge *judging) {
	times := map[string]int{}
	for _, j := range h.Jobs() {
		if j.Path == "" || expectsRefusal(h, j.Name) {
			continue
		}
		if !j.Refused && nobodySawItRun(h, j) {
			continue
		}
		times[j.Path]++
		requirement := "REC-04"
		if times[j.Path] > 1 {
			requirement = "REC-05"
		}
		judge.examine(requirement)
		found := fmt.Sprintf("the resume was refused: %s", j.Error)
		if !j.Refused {
			restored := firstRestored(h, j.ID)
			if restored.Checkpoint == j.Checkpoint && samePath(restored.Path, j.Path) {
				continue
			}
			found = strings.TrimSpace(from(restored.Checkpoint, restored.Path) + " " + restored.Path)
		}
		judge.find(Finding{
			Requirement: requirement,
			Problem:     fmt.Sprintf("job %s did not resume from %s", j.Name, j.Path),
			Expected:    from(j.Checkpoint, j.Path) + " " + j.Path,
			Found:       found,
		})
	}
}

// nobodySawItRun says whether the power was lost, or the run ended, before anybody could see from
// which checkpoint a job was restored.
func nobodySawItRun(h *history.History, j history.Job) bool {
	began := false
	for _, e := range h.Events[j.Submitted:] {
		switch {
		case e.ID == j.ID && (e.Kind == history.Restored || (e.Kind == history.Status && e.Status == storage.Running)):
			return false
		case e.ID == j.ID && e.Kind == history.Status:
			began = true
		case e.Label == history.AfterPowerLoss:
			return true
		}
	}
	return !began
}

// samePath says whether the path that an engine logs is the same as the given path. The logged path
// may be a URL.
func samePath(logged, given string) bool {
	for _, prefix := range []string{"file://", "file:"} {
		logged = strings.TrimPrefix(logged, prefix)
	}
	return path.Clean(logged) == path.Clean(given)
}

// firstRestored returns the event of a job's first restore. The event is empty if the job ran
// without a restore.
func firstRestored(h *history.History, id string) history.Event {
	for _, e := range h.Events {
		switch {
		case e.ID != id:
		case e.Kind == history.Restored:
			return e
		case e.Kind == history.Status && e.Status == storage.Running:
			return history.Event{}
		}
	}
	return history.Event{}
}

// refusal checks REC-06: a resume from a directory without `_metadata` is refused, with an error
// that names the path. For all other submissions that must be refused, it checks REC-09. It also
// checks REC-07: the refusal changes nothing on storage.
func refusal(h *history.History, judge *judging) {
	for _, j := range h.Jobs() {
		if !expectsRefusal(h, j.Name) {
			continue
		}
		if j.Refused || j.ID != "" {
			refusalOf(h, j, judge)
		}
		before, after := around(h, j.Submitted)
		if before != nil && after != nil {
			judge.examine("REC-07")
		}
		for _, change := range changes(before, after, "", h.Promises(history.NoTrace)) {
			judge.find(Finding{
				Requirement: "REC-07",
				Problem:     fmt.Sprintf("the refusal of job %s changed the checkpoint storage", j.Name),
				Expected:    "no change", Found: change,
			})
		}
	}
}

// refusalOf judges whether a job was refused, and with which words.
func refusalOf(h *history.History, j history.Job, judge *judging) {
	requirement, wanted := "REC-09", submitOf(h, j.Name).Refused.Why
	expected, because := "a refusal", "although it must be refused"
	if wanted != "" {
		expected = fmt.Sprintf("a refusal that says %q", wanted)
	}
	bare := lacksMetadata(h, j)
	if bare {
		requirement, because = "REC-06", "although it resumes from a directory without "+evidence.MetadataName
	}
	judge.examine(requirement)
	find := func(problem, expected, found string) {
		judge.find(Finding{Requirement: requirement, Problem: problem, Expected: expected, Found: found})
	}
	switch {
	case !j.Refused && failedBeforeItRan(h, j):
		if wanted != "" || bare {
			judge.leaveOpen(requirement, fmt.Sprintf("job %s was accepted, and failed before it ran; the history does not say why", j.Name))
		}
	case !j.Refused:
		find(fmt.Sprintf("job %s was accepted, %s", j.Name, because), expected, "accepted as job "+j.ID)
	case !strings.Contains(j.Error, wanted):
		find(fmt.Sprintf("job %s was refused for another reason", j.Name), expected, j.Error)
	case bare && !strings.Contains(j.Error, j.Path):
		find("the refusal does not name the path", "an error that names "+j.Path, j.Error)
	}
}

// failedBeforeItRan says whether a job was accepted, and then failed without ever having run. The
// adaptive scheduler of Flink reads the checkpoint of a job only after it has accepted the job.
func failedBeforeItRan(h *history.History, j history.Job) bool {
	status, _ := h.Status(j.ID)
	return status == storage.Failed && !slices.ContainsFunc(h.Events, func(e history.Event) bool {
		return e.ID == j.ID && (e.Kind == history.Restored || e.Status == storage.Running)
	})
}

// lacksMetadata says whether a job resumes from a directory without `_metadata`. Either the scenario
// made such a directory, or the files that were found before the submission show it.
func lacksMetadata(h *history.History, j history.Job) bool {
	if submitOf(h, j.Name).From == scenarios.ToIncomplete {
		return true
	}
	tree := lastTree(h, j.Submitted)
	dir := dirIn(tree, j.Path)
	return j.Path != "" && has(tree, dir) && !has(tree, path.Join(dir, evidence.MetadataName))
}

func expectsRefusal(h *history.History, job string) bool { return submitOf(h, job).Refused.Expected }

// submitOf returns the step that submitted a job. It is empty for a job that the harness submitted
// after a power loss.
func submitOf(h *history.History, job string) scenarios.Submit {
	for _, step := range h.Header.Scenario.Steps {
		if step.Submit != nil && step.Submit.Job == job {
			return *step.Submit
		}
	}
	return scenarios.Submit{}
}

func accepted(h *history.History) []history.Job {
	return slices.DeleteFunc(h.Jobs(), func(j history.Job) bool { return j.ID == "" })
}

// liveness checks LIV-01: everything that the scenario waited for happened in time.
func liveness(h *history.History, judge *judging) {
	judge.examine("LIV-01")
	for _, e := range h.Events {
		if e.Kind == history.GaveUp {
			judge.find(Finding{Requirement: "LIV-01", Problem: inVain(e), Expected: e.Label, Found: e.Error})
		}
	}
}

// inVain says how long a scenario waited in vain.
func inVain(gaveUp history.Event) string {
	if gaveUp.Waited == 0 {
		return "the scenario did not get what it needs"
	}
	waited := time.Duration(gaveUp.Waited) * time.Microsecond
	return fmt.Sprintf("the scenario waited for %s in vain", waited.Round(time.Millisecond))
}

// aborting checks TRG-03: an aborted checkpoint does not complete, and no job is restored from it.
func aborting(h *history.History, judge *judging) {
	type checkpoint struct {
		job string
		id  int64
	}
	aborted := map[checkpoint]bool{}
	for _, e := range h.Events {
		this := checkpoint{e.ID, e.Checkpoint}
		switch {
		case e.Kind == history.Aborted:
			judge.examine("TRG-03")
			aborted[this] = true
		case (e.Kind == history.Completed || e.Kind == history.Restored) && aborted[this]:
			judge.find(Finding{
				Requirement: "TRG-03",
				Problem:     fmt.Sprintf("checkpoint %d was %s although it had been aborted", e.Checkpoint, e.Kind),
				Expected:    "no use of an aborted checkpoint", Found: fmt.Sprintf("event %d of the history", e.Number),
			})
		}
	}
}

// concurrency checks TRG-04: at no time are more checkpoints in progress than the job allows.
// Savepoints do not count.
func concurrency(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		allowed := max(1, configurationOf(h, j).MaxConcurrent)
		inProgress := map[int64]bool{}
		for _, e := range h.Events {
			switch {
			case e.ID != j.ID || (e.Kind == history.Triggered && e.Label == "savepoint"):
			case e.Kind == history.Triggered:
				judge.examine("TRG-04")
				if inProgress[e.Checkpoint] = true; len(inProgress) > allowed {
					judge.find(Finding{
						Requirement: "TRG-04", Problem: fmt.Sprintf("job %s had more checkpoints in progress than allowed", j.Name),
						Expected: fmt.Sprintf("%d at a time", allowed), Found: fmt.Sprintf("%d when checkpoint %d was triggered", len(inProgress), e.Checkpoint),
					})
				}
			case e.Kind == history.Completed || e.Kind == history.Aborted:
				delete(inProgress, e.Checkpoint)
			case e.Kind == history.Restored || e.Kind == history.Status:
				clear(inProgress) // these checkpoints are aborted, even if the engine does not say so
			}
		}
	}
}

// triggering checks TRG-01: each new checkpoint id of a job is higher than the last. It also checks
// TRG-02: the job takes each checkpoint that the scenario asks for.
func triggering(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		last, triggered := j.Checkpoint, 0
		for _, e := range h.Events {
			if e.Kind != history.Triggered || e.ID != j.ID {
				continue
			}
			if triggered++; triggered > 1 || j.Checkpoint > 0 {
				judge.examine("TRG-01")
			}
			if e.Checkpoint <= last {
				judge.find(Finding{
					Requirement: "TRG-01",
					Problem:     fmt.Sprintf("job %s used a checkpoint id that is not higher than the last", j.Name),
					Expected:    fmt.Sprintf("an id above %d", last), Found: fmt.Sprintf("id %d", e.Checkpoint),
				})
			}
			last = max(last, e.Checkpoint)
		}
	}
	for _, e := range h.Events {
		if e.Kind == history.Trigger {
			judge.examine("TRG-02")
		}
		if e.Kind == history.Trigger && e.Error != "" {
			judge.find(Finding{
				Requirement: "TRG-02",
				Problem:     fmt.Sprintf("job %s did not take the checkpoint that the scenario asked for", e.Job),
				Expected:    "a completed checkpoint", Found: e.Error,
			})
		}
	}
}
