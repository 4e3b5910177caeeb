package oracle

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
)

// A job may be resumed from a checkpoint that is not the newest. It then puts out again what its
// ancestors had committed after that checkpoint. This output of its ancestors does not count.

// continued says whether another job continues all of the output of a job.
func continued(h *history.History, j history.Job) bool {
	return slices.ContainsFunc(h.Jobs(), func(other history.Job) bool {
		return other.From == j.Name && !other.Refused && (!rollsBack(h, other) || other.Checkpoint >= newest(h, j))
	})
}

// putOutAgain says whether a committed file of a job does not count, since one of the jobs that
// were resumed later puts its lines out again. That a file was committed before a checkpoint with
// it was complete is no excuse: such a file counts.
func putOutAgain(h *history.History, j history.Job, later []history.Job, file string) bool {
	checkpoint, known := committedWith(file)
	if !known || checkpoint > newest(h, j) {
		return false
	}
	return slices.ContainsFunc(later, func(resumed history.Job) bool {
		return rollsBack(h, resumed) && resumed.Checkpoint < checkpoint
	})
}

// committedWith returns the id of the first checkpoint that holds a committed file. The name of the
// file says so.
func committedWith(file string) (checkpoint int64, known bool) {
	parts := strings.SplitN(path.Base(file), "-", 4)
	if len(parts) != 4 || parts[0] != "part" {
		return 0, false
	}
	checkpoint, err := strconv.ParseInt(parts[2], 10, 64)
	return checkpoint, err == nil
}

// rollsBack says whether the user resumed a job from a checkpoint that may be older than the
// newest. A job that resumes from the newest checkpoint rolls back only if another job claimed a
// checkpoint before, because then the newest may belong to that other job. A job that the harness
// brings back after a power loss never rolls back.
func rollsBack(h *history.History, j history.Job) bool {
	for _, step := range h.Header.Scenario.Steps {
		if step.Submit != nil && step.Submit.Job == j.Name && step.Submit.Restore != "" {
			return step.Submit.From != scenarios.ToCheckpoint || claimed(h, j.From) < j.Submitted
		}
	}
	return false
}

// newest returns the id of the newest checkpoint or savepoint that a job is known to have
// completed.
func newest(h *history.History, j history.Job) int64 {
	var id int64
	for _, e := range h.Events {
		completed := (e.Kind == history.Completed || e.Kind == history.Savepointed) && e.ID == j.ID
		if completed || (e.Kind == history.Submit && e.From == j.Name) {
			id = max(id, e.Checkpoint)
		}
	}
	return id
}
