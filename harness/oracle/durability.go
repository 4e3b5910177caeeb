package oracle

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/snapback/snapback/harness/evidence"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/storage"
)

// durability checks DUR-01: a complete checkpoint survives a power loss. It also checks DUR-02:
// every checkpoint that survives can be restored.
func durability(h *history.History, judge *judging) {
	for _, e := range h.Events {
		if e.Label != history.AfterPowerLoss {
			continue
		}
		switch e.Kind {
		case history.Storage:
			survival(h, e, judge)
		case history.Audit:
			judge.examine("DUR-02")
			for _, dangling := range e.Dangling {
				judge.find(Finding{
					Requirement: "DUR-02", Problem: "after a power loss a checkpoint lacks a file, so no job can be restored from it",
					Expected: "every file that its _metadata refers to", Found: dangling,
				})
			}
		}
	}
}

// survival looks at each job that was running when the power was lost. It checks that the newest
// checkpoint of the job survived. The parameter found is the event that says what the power loss
// left on storage.
func survival(h *history.History, found history.Event, judge *judging) {
	for _, j := range accepted(h) {
		completed := h.Completed(j.ID, found.Number)
		if j.Submitted > found.Number || len(completed) == 0 || endedBefore(h, j, found.Number) {
			continue
		}
		judge.examine("DUR-01")
		newest, left := slices.Max(completed), int64(0)
		for _, entry := range found.Tree {
			if dir, name := path.Split(entry.Path); name == evidence.MetadataName && strings.HasPrefix(dir, j.ID+"/") {
				if id, ok := evidence.CheckpointID(path.Base(dir)); ok {
					left = max(left, id)
				}
			}
		}
		if left < newest {
			judge.find(Finding{
				Requirement: "DUR-01", Problem: fmt.Sprintf("a complete checkpoint of job %s did not survive a power loss", j.Name),
				Expected: evidence.CheckpointName(newest) + " or a newer checkpoint on storage", Found: newestLeft(left),
			})
		}
	}
}

func newestLeft(id int64) string {
	if id == 0 {
		return "no checkpoint"
	}
	return evidence.CheckpointName(id) + " as the newest checkpoint"
}

// endedBefore says whether, before the given event, a job had ended, was asked to end, or lost its
// checkpoints to another job that claimed one of them. The checkpoints of such a job may be
// deleted.
func endedBefore(h *history.History, j history.Job, before int) bool {
	for _, e := range h.Events[:before-1] {
		switch {
		case e.Job == j.Name && (e.Kind == history.Cancel || e.Kind == history.Fail || e.Kind == history.Suspend || (e.Kind == history.Savepoint && e.Label != "")):
			return true
		case e.ID == j.ID && e.Kind == history.Status && (e.Status.Terminal() || e.Status == storage.Failing || e.Status == storage.Cancelling):
			return true
		case e.Kind == history.Submit && e.From == j.Name && claimModeOf(h, e.Job) == storage.Claim:
			return true // another job owns the checkpoints of this job now
		}
	}
	return false
}

// powerLost says whether the power was lost before the given event. After a power loss, deleted
// files may exist again, which is nobody's mistake.
func powerLost(h *history.History, before int) bool {
	return slices.ContainsFunc(h.Events[:before-1], func(e history.Event) bool { return e.Label == history.AfterPowerLoss })
}
