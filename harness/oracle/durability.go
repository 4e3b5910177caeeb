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

// durability checks DUR-01, that what was complete survives a power loss, and DUR-02,
// that what survives can be restored from.
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
					Requirement: "DUR-02", Problem: "a checkpoint that a power loss left cannot be restored from",
					Expected: "every file that _metadata refers to", Found: dangling,
				})
			}
		}
	}
}

// survival looks for the newest checkpoint of each job that went on when the power was
// lost.
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
				Requirement: "DUR-01", Problem: fmt.Sprintf("a power loss took a complete checkpoint of job %s", j.Name),
				Expected: evidence.CheckpointName(newest) + ", or a newer one, on storage", Found: newestLeft(left),
			})
		}
	}
}

func newestLeft(id int64) string {
	if id == 0 {
		return "none"
	}
	return evidence.CheckpointName(id) + " as the newest"
}

// endedBefore says whether a job had ended, or was asked to, before the given event: then
// its checkpoints may be on their way out.
func endedBefore(h *history.History, j history.Job, before int) bool {
	for _, e := range h.Events[:before-1] {
		switch {
		case e.Job == j.Name && (e.Kind == history.Cancel || e.Kind == history.Fail || e.Kind == history.Suspend || (e.Kind == history.Savepoint && e.Label != "")):
			return true
		case e.ID == j.ID && e.Kind == history.Status && (e.Status.Terminal() || e.Status == storage.Failing || e.Status == storage.Cancelling):
			return true
		case e.Kind == history.Submit && e.From == j.Name && claimModeOf(h, e.Job) == storage.Claim:
			return true // its checkpoints are another's now
		}
	}
	return false
}

// powerLost says whether the power was lost before the given event. Then what was deleted
// may be there again, and nobody is at fault.
func powerLost(h *history.History, before int) bool {
	return slices.ContainsFunc(h.Events[:before-1], func(e history.Event) bool { return e.Label == history.AfterPowerLoss })
}
