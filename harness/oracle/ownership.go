package oracle

import (
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/snapback/snapback/harness/evidence"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/storage"
)

// siblings checks MOD-04: if a job claims a checkpoint, the other checkpoints of the earlier job stay
// whole. It also checks MOD-05: a job that claims nothing changes nothing in the directory of the
// earlier job.
func siblings(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		from, known := h.Job(j.From)
		_, ended := h.Status(from.ID)
		before, at := treeBefore(h, j.Submitted)
		if !known || j.Path == "" || !hasEnded(h, from) || at < ended || anotherClaims(h, j, 0) < j.Submitted {
			continue
		}
		until := anotherClaims(h, j, j.Submitted)
		for _, e := range h.Events {
			if e.Number < j.Submitted || e.Number > until || powerLost(h, e.Number+1) {
				continue
			}
			switch {
			case claimModeOf(h, j.Name) == storage.Claim:
				unclaimed(j, from, before, e, judge)
			case e.Kind == history.Storage:
				judge.examine("MOD-05")
				for _, change := range changes(below(before, from.ID), below(e.Tree, from.ID), from.ID, true) {
					judge.find(Finding{
						Requirement: "MOD-05", Problem: fmt.Sprintf("job %s claimed nothing, and the directory of job %s was changed", j.Name, from.Name),
						Expected: "no change", Found: change,
					})
				}
			}
		}
	}
}

// unclaimed checks MOD-04 at one event: the checkpoints that nobody claimed have their files.
func unclaimed(j, from history.Job, before []history.Entry, e history.Event, judge *judging) {
	for _, entry := range before {
		_, isCheckpoint := evidence.CheckpointID(path.Base(entry.Path))
		if !isCheckpoint || path.Dir(entry.Path) != from.ID || samePath(path.Base(entry.Path), path.Base(j.Path)) || !has(before, path.Join(entry.Path, evidence.MetadataName)) {
			continue
		}
		var wrong []string
		switch e.Kind {
		case history.Storage:
			judge.examine("MOD-04")
			wrong = changes(below(before, entry.Path), below(e.Tree, entry.Path), entry.Path, true)
		case history.Audit:
			at := slices.IndexFunc(e.Described, func(d history.Described) bool { return d.Path == entry.Path })
			if at < 0 {
				continue // the last tree shows whether it is gone
			}
			for _, file := range e.Described[at].Files {
				if file.Found < 0 {
					wrong = append(wrong, file.Path+" is gone")
				}
			}
		}
		for _, change := range wrong {
			judge.find(Finding{
				Requirement: "MOD-04", Problem: fmt.Sprintf("%s of job %s, which nobody claimed, was damaged after job %s had claimed another checkpoint", path.Base(entry.Path), from.Name, j.Name),
				Expected: "the checkpoint unchanged, with all its files", Found: change,
			})
		}
	}
}

// hasEnded says whether a job has ended.
func hasEnded(h *history.History, j history.Job) bool {
	status, _ := h.Status(j.ID)
	return h.Header.Scenario.Over(status)
}

// anotherClaims returns the number of the first event after the given one with which a job other than
// j claimed a checkpoint of the same earlier job. If there is none, it returns the number that the
// next event would have.
func anotherClaims(h *history.History, j history.Job, after int) int {
	for _, other := range claims(h) {
		if other.Name != j.Name && other.From == j.From && other.Submitted > after {
			return other.Submitted
		}
	}
	return h.End()
}

// treeBefore returns the last tree that was recorded before an event, and the number of its event.
func treeBefore(h *history.History, before int) (tree []history.Entry, at int) {
	for _, e := range h.Events[:before-1] {
		if e.Kind == history.Storage {
			tree, at = e.Tree, e.Number
		}
	}
	return tree, at
}

// held checks MOD-06: a claimed checkpoint stays until the job has enough checkpoints of its own.
func held(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		if j.Path == "" || claimModeOf(h, j.Name) != storage.Claim {
			continue
		}
		before := lastTree(h, j.Submitted)
		dir := dirIn(before, j.Path)
		if !has(before, path.Join(dir, evidence.MetadataName)) {
			continue
		}
		status, ended := h.Status(j.ID)
		for _, e := range h.Events {
			if e.Kind != history.Storage || e.Number < j.Submitted || e.Number > claimed(h, j.Name) || powerLost(h, e.Number+1) ||
				len(completedBy(h, j.ID, e.Number)) >= h.Header.Scenario.Cluster.Retained {
				continue
			}
			if e.Number > ended && h.Header.Scenario.Over(status) && !cleanupTable[status][configurationOf(h, j).Retention].kept {
				continue
			}
			judge.examine("MOD-06")
			for _, change := range changes(below(before, dir), below(e.Tree, dir), dir, true) {
				judge.find(Finding{
					Requirement: "MOD-06", Problem: fmt.Sprintf("the checkpoint that job %s claimed was changed before it was subsumed", j.Name),
					Expected: dir + " unchanged", Found: change,
				})
			}
		}
	}
}

// keeping checks CLN-10: while a job runs, its subsumed checkpoints are deleted. It also checks
// CLN-11: its newest checkpoints stay. A tree is a little older than its event. So a tree is not judged
// if a checkpoint completed just before.
func keeping(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		for _, e := range h.Events {
			if e.Kind != history.Storage || e.Number < j.Submitted || e.Number > claimed(h, j.Name) || powerLost(h, e.Number+1) || !wasRunning(h, j, e.Number) {
				continue
			}
			completed := completedBy(h, j.ID, e.Number)
			if completedSince(h, j, e, treeAge) {
				continue
			}
			newest := completed[max(0, len(completed)-h.Header.Scenario.Cluster.Retained):]
			_, _, inProgress := h.InProgress(e.Number)
			exact := !inProgress && !struck(h, e.Number) && !operationFailed(h, e.Number, "")
			for _, id := range completed {
				kept(j, e, id, newest, exact, judge)
			}
		}
	}
}

// kept checks CLN-10 and CLN-11 for one checkpoint that a job has completed. The parameter newest has
// the checkpoints that must stay. The flag exact says whether all others must be gone.
func kept(j history.Job, e history.Event, id int64, newest []int64, exact bool, judge *judging) {
	name := evidence.CheckpointName(id)
	there := has(e.Tree, path.Join(j.ID, name, evidence.MetadataName))
	switch {
	case slices.Contains(newest, id):
		judge.examine("CLN-11")
		if !there {
			judge.find(Finding{
				Requirement: "CLN-11", Problem: fmt.Sprintf("job %s runs, and %s is gone", j.Name, name),
				Expected: fmt.Sprintf("the newest %s", quantity(len(newest), "checkpoint")), Found: listing(e.Tree, j.ID),
			})
		}
	case exact:
		judge.examine("CLN-10")
		if there {
			judge.find(Finding{
				Requirement: "CLN-10", Problem: fmt.Sprintf("job %s runs, and %s still exists although it is subsumed", j.Name, name),
				Expected: fmt.Sprintf("only the newest %s", quantity(len(newest), "checkpoint")), Found: listing(e.Tree, path.Join(j.ID, name)),
			})
		}
	}
}

// treeAge is longer than the time between the last look at storage and the event with the tree.
const treeAge = 500 * time.Millisecond

// completedSince says whether a job completed a checkpoint within the given time before an event.
func completedSince(h *history.History, j history.Job, e history.Event, within time.Duration) bool {
	return slices.ContainsFunc(h.Events[:e.Number-1], func(before history.Event) bool {
		return before.Kind == history.Completed && before.ID == j.ID && e.At()-before.At() < within
	})
}

// wasRunning says whether a job was RUNNING at an event.
func wasRunning(h *history.History, j history.Job, at int) bool {
	before := history.History{Header: h.Header, Events: h.Events[:at-1]}
	status, _ := before.Status(j.ID)
	return status == storage.Running
}

// permanence checks SHR-04: a file to which a complete checkpoint refers does not change. DUR-02
// judges what a power loss leaves.
func permanence(h *history.History, judge *judging) {
	known := map[string]history.Entry{} // the files to which checkpoints refer, as they were first seen
	var tree []history.Entry
	for _, e := range h.Events {
		switch {
		case e.Label == history.AfterPowerLoss:
			return
		case e.Kind == history.Storage:
			tree = e.Tree
			unchanged(tree, known, judge)
		case e.Kind == history.Audit && tree != nil:
			note(tree, known, e.Described)
		}
	}
}

// unchanged compares the files in a tree with what is known of them.
func unchanged(tree []history.Entry, known map[string]history.Entry, judge *judging) {
	for _, entry := range tree {
		before, referred := known[entry.Path]
		if !referred {
			continue
		}
		judge.examine("SHR-04")
		if before != entry {
			judge.find(Finding{
				Requirement: "SHR-04", Problem: "a file of a complete checkpoint was changed",
				Expected: "the file unchanged, or gone", Found: fmt.Sprintf("%s with %d bytes, which had %d", entry.Path, entry.Size, before.Size),
			})
		}
	}
}

// note adds the files in a tree to which checkpoints refer to the known files.
func note(tree []history.Entry, known map[string]history.Entry, all []history.Described) {
	for _, d := range all {
		for _, file := range d.Files {
			at := slices.IndexFunc(tree, func(entry history.Entry) bool { return entry.Path == file.Path })
			if _, seen := known[file.Path]; !seen && at >= 0 {
				known[file.Path] = tree[at]
			}
		}
	}
}

// fencing checks REC-16: once another JobManager leads, storage holds no checkpoint that an earlier
// leader published and that nobody saw complete.
func fencing(h *history.History, judge *judging) {
	leaders := 0
	for _, e := range h.Events {
		switch {
		case e.Kind == history.Leads:
			leaders++
		case e.Kind != history.Storage || leaders < 2 || powerLost(h, e.Number+1):
		default:
			for _, j := range accepted(h) {
				judge.examine("REC-16")
				for _, entry := range e.Tree {
					dir, name := path.Split(entry.Path)
					id, is := evidence.CheckpointID(path.Base(dir))
					if name != evidence.MetadataName || !is || path.Dir(path.Clean(dir)) != j.ID || sawComplete(h, j, id) {
						continue
					}
					judge.find(Finding{
						Requirement: "REC-16", Problem: fmt.Sprintf("storage holds a checkpoint of job %s that only a deposed JobManager knows", j.Name),
						Expected: "only checkpoints that completed, or that a job was restored from", Found: path.Clean(dir),
					})
				}
			}
		}
	}
}

// sawComplete says whether a history shows that a checkpoint completed.
func sawComplete(h *history.History, j history.Job, checkpoint int64) bool {
	return slices.ContainsFunc(h.Events, func(e history.Event) bool {
		return e.ID == j.ID && e.Checkpoint == checkpoint && (e.Kind == history.Completed || e.Kind == history.Restored)
	})
}

// surviving checks DUR-03: a savepoint that was reported complete survives a power loss.
func surviving(h *history.History, judge *judging) {
	for _, e := range h.Events {
		if e.Kind != history.Audit || e.Label != history.AfterPowerLoss {
			continue
		}
		for _, taken := range h.Events[:e.Number] {
			if taken.Kind != history.Savepointed || slices.ContainsFunc(h.Jobs(), func(j history.Job) bool {
				return samePath(j.Path, taken.Path) && claimModeOf(h, j.Name) == storage.Claim
			}) {
				continue
			}
			judge.examine("DUR-03")
			if slices.Contains(e.Gone, taken.Path) {
				judge.find(Finding{
					Requirement: "DUR-03", Problem: "a complete savepoint did not survive a power loss",
					Expected: "a savepoint in " + taken.Path, Found: "no savepoint there",
				})
			}
		}
	}
}
