package oracle

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/snapback/snapback/harness/evidence"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
)

// subtasks checks REC-12: each subtask is restored from the checkpoint that the job names for the
// attempt. A subtask of an attempt for which the history has no such checkpoint is not judged, since
// its JobManager may have been deposed.
func subtasks(h *history.History, judge *judging) {
	attempts := map[string]history.Event{} // by the job and the attempt: what the job named last
	for _, e := range h.Events {
		at := e.ID + " " + e.Label
		switch {
		case e.Label == history.AfterPowerLoss:
			clear(attempts) // the next cluster counts the attempts from the beginning
		case e.Kind == history.Restored:
			attempts[at] = e
		case e.Kind == history.Subtask:
			named, known := attempts[at]
			if !known {
				continue
			}
			judge.examine("REC-12")
			if !samePath(e.Path, strings.TrimSuffix(named.Path, "/"+evidence.MetadataName)) {
				judge.find(Finding{
					Requirement: "REC-12", Problem: fmt.Sprintf("in attempt %s of job %s, subtasks were not restored from the checkpoint that the job named", e.Label, jobName(h, e.ID)),
					Expected: from(named.Checkpoint, named.Path), Found: fmt.Sprintf("%s from %s", e.Process, nothingOr(path.Base(e.Path))),
				})
			}
		}
	}
}

func nothingOr(name string) string {
	if name == "." {
		return "nothing"
	}
	return name
}

// restarts checks LIV-02: a job does not fail for good while it may be restarted. It also checks
// LIV-03: a job is not restarted more often than it may be.
func restarts(h *history.History, judge *judging) {
	if h.Header.Scenario.Cluster.Settings[scheduler] != "" || slices.ContainsFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Leads }) {
		return // the adaptive scheduler restarts a job to rescale it, and each new leader counts again
	}
	for _, j := range accepted(h) {
		config := configurationOf(h, j)
		if overridden(config) || slices.ContainsFunc(h.Header.Scenario.Steps, func(s scenarios.Step) bool {
			return s.Savepoint != nil && s.Savepoint.Job == j.Name && s.Savepoint.Stop != scenarios.GoOn
		}) {
			continue // a job that stops must not be restarted once its savepoint is complete
		}
		ran, restarted := false, 0
		for _, e := range h.Events {
			switch {
			case e.Label == history.AfterPowerLoss:
				restarted = 0
			case e.ID != j.ID || e.Kind != history.Status:
			case e.Status == storage.Running:
				ran = true
			case e.Status == storage.Restarting:
				judge.examine("LIV-03")
				if restarted++; restarted > config.Restarts {
					judge.find(Finding{
						Requirement: "LIV-03", Problem: fmt.Sprintf("job %s was restarted more often than it may be", j.Name),
						Expected: quantity(config.Restarts, "restart"), Found: quantity(restarted, "restart"),
					})
				}
			case e.Status == storage.Failed && ran:
				judge.examine("LIV-02")
				if restarted < config.Restarts {
					judge.find(Finding{
						Requirement: "LIV-02", Problem: fmt.Sprintf("job %s has failed for good, although it may be restarted", j.Name),
						Expected: quantity(config.Restarts, "restart"), Found: fmt.Sprintf("%s: %s", quantity(restarted, "restart"), e.Error),
					})
				}
			}
		}
	}
}

// overridden says whether a job has another restart strategy than a number of restarts.
func overridden(config scenarios.Job) bool {
	for key := range config.Settings {
		if strings.HasPrefix(key, "restart-strategy") {
			return true
		}
	}
	return false
}
