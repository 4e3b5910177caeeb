package oracle

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/evidence"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/storage"
)

// cell is a cell of Flink's table that says which checkpoints stay when a job ends.
type cell struct {
	requirement string
	kept        bool
}

// cleanupTable says, for each terminal status and cleanup mode, whether the newest checkpoints
// stay. It is written from Flink's documentation, and shares nothing with the code that it judges.
var cleanupTable = map[storage.JobStatus]map[storage.Retention]cell{
	storage.Canceled: {
		storage.RetainOnCancellation:     {"CLN-01", true},
		storage.DeleteOnCancellation:     {"CLN-02", false},
		storage.NoExternalizedCheckpoint: {"CLN-03", false},
	},
	storage.Failed: {
		storage.RetainOnCancellation:     {"CLN-04", true},
		storage.DeleteOnCancellation:     {"CLN-05", true},
		storage.NoExternalizedCheckpoint: {"CLN-06", false},
	},
	storage.Finished: {
		storage.RetainOnCancellation:     {"CLN-07", false},
		storage.DeleteOnCancellation:     {"CLN-07", false},
		storage.NoExternalizedCheckpoint: {"CLN-07", false},
	},
	storage.Suspended: {
		storage.RetainOnCancellation:     {"CLN-08", true},
		storage.DeleteOnCancellation:     {"CLN-08", false},
		storage.NoExternalizedCheckpoint: {"CLN-08", false},
	},
}

// retention checks CLN-01 to CLN-08: once a job has ended, storage holds exactly the checkpoints
// that the cleanup mode promises, each with the same files as before.
func retention(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		status, ended := h.Status(j.ID)
		promised, terminal := cleanupTable[status][configurationOf(h, j).Retention]
		if !terminal || !h.Header.Scenario.Over(status) {
			continue
		}
		var kept []int64
		if completed := completedBy(h, j.ID, h.End()); promised.kept {
			kept = completed[max(0, len(completed)-h.Header.Scenario.Cluster.Retained):]
		}
		earlier := lastTree(h, ended)
		for _, e := range h.Events {
			if e.Kind != history.Storage || e.Number < ended || e.Number > claimed(h, j.Name) || powerLost(h, e.Number+1) {
				continue
			}
			judge.examine(promised.requirement)
			for _, problem := range residue(h, j.ID, e.Tree, earlier, kept) {
				problem.Requirement = promised.requirement
				problem.Problem = fmt.Sprintf("job %s is %s under %s, and %s", j.Name, status, configurationOf(h, j).Retention, problem.Problem)
				judge.find(problem)
			}
		}
	}
}

// completedBy returns the checkpoints that a job had completed before an event, the newest last. A
// JobManager may have died after it completed a checkpoint and before it reported that. Then the job
// itself is restored from the checkpoint.
func completedBy(h *history.History, job string, before int) []int64 {
	all := h.Completed(job, before)
	for _, e := range h.Events[:before-1] {
		if e.Kind == history.Restored && e.ID == job && path.Base(path.Dir(e.Path)) == job {
			all = append(all, e.Checkpoint)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// claims returns the jobs that claimed a checkpoint, in the order of their submission. A job that was
// refused claimed nothing.
func claims(h *history.History) []history.Job {
	return slices.DeleteFunc(accepted(h), func(j history.Job) bool { return claimModeOf(h, j.Name) != storage.Claim })
}

// claimed returns the number of the event with which another job claimed a checkpoint of this job.
// From then on the other job may delete that checkpoint. If no job claimed one, claimed returns the
// number that the next event would have.
func claimed(h *history.History, job string) int {
	for _, j := range claims(h) {
		if j.From == job {
			return j.Submitted
		}
	}
	return h.End()
}

// claimModeOf returns the claim mode with which a job was submitted.
func claimModeOf(h *history.History, job string) storage.ClaimMode {
	for _, step := range h.Header.Scenario.Steps {
		if step.Submit != nil && step.Submit.Job == job && step.Submit.ClaimMode != "" {
			return step.Submit.ClaimMode
		}
	}
	return storage.NoClaim
}

// references checks SHR-01: no checkpoint refers to a missing file. It also checks SHR-02: once all
// jobs have ended, each file on storage belongs to a checkpoint.
func references(h *history.History, judge *judging) {
	for _, e := range h.Events {
		if e.Kind != history.Audit {
			continue
		}
		if !h.Promises(history.Intact) && (e.Label == "" || !quiet(h, e.Number)) {
			continue
		}
		judge.examine("SHR-01")
		for _, dangling := range e.Dangling {
			if e.Label == "" && ofAWokenLeader(h, dangling) {
				continue
			}
			judge.find(Finding{
				Requirement: "SHR-01", Problem: "a checkpoint on storage lacks a file, so no job can be restored from it",
				Expected: "every file that its _metadata refers to", Found: dangling,
			})
		}
		if e.Label == "" || !h.Promises(history.NoOrphans) || !quiet(h, e.Number) || powerLost(h, e.Number+1) {
			continue
		}
		if operationFailed(h, e.Number, "") {
			continue // the failed operation may have been a deletion, and no engine promises to repeat a deletion
		}
		judge.examine("SHR-02")
		if len(e.Orphans) > 0 {
			judge.find(Finding{
				Requirement: "SHR-02", Problem: fmt.Sprintf("storage holds %s that no checkpoint refers to", quantity(len(e.Orphans), "file")),
				Expected: "only files that a _metadata refers to", Found: name(e.Orphans),
			})
		}
	}
}

// operationFailed says whether a fault made an operation on storage fail before the given
// event. If a kind is given, only operations of that kind count.
func operationFailed(h *history.History, before int, kind faults.Kind) bool {
	return slices.ContainsFunc(h.Events[:before-1], func(e history.Event) bool {
		fault, err := faults.Parse(e.Fault)
		_, delays := fault.Action.(faults.Delay)
		return e.Kind == history.Fault && err == nil && fault.OfOperation() && !delays && strings.HasPrefix(e.Operation, string(kind))
	})
}

// leaks checks SHR-03: while a job runs and no checkpoint is in progress, each file in the
// checkpoint directory belongs to a completed checkpoint. It does not judge a run in which a fault
// hit a process or a connection, or made a deletion fail. If a process dies while it writes a file,
// that file stays until the job ends.
func leaks(h *history.History, judge *judging) {
	for _, e := range h.Events {
		if e.Kind != history.Audit || e.Label == "" || !h.Promises(history.NoOrphans) || quiet(h, e.Number) {
			continue
		}
		_, _, inProgress := h.InProgress(e.Number)
		if inProgress || struck(h, e.Number) || operationFailed(h, e.Number, faults.Remove) || operationFailed(h, e.Number, faults.Delete) {
			continue
		}
		judge.examine("SHR-03")
		if len(e.Orphans) > 0 {
			judge.find(Finding{
				Requirement: "SHR-03",
				Problem:     fmt.Sprintf("storage holds %s that no checkpoint refers to, while the job runs", quantity(len(e.Orphans), "file")),
				Expected:    "no files of aborted checkpoints", Found: name(e.Orphans),
			})
		}
	}
}

// struck says whether a fault hit a process or a connection before the given event.
func struck(h *history.History, before int) bool {
	return slices.ContainsFunc(h.Events[:before-1], func(e history.Event) bool {
		fault, err := faults.Parse(e.Fault)
		return e.Kind == history.Fault && (err != nil || !fault.OfOperation())
	})
}

// ofAWokenLeader says whether a checkpoint with a missing file may be the work of a JobManager that
// was paused. When this JobManager wakes up, it may publish a `_metadata`, and no storage can
// prevent this. As soon as this JobManager hears that another one leads, it must delete the
// `_metadata` again. Nobody saw such a checkpoint complete.
func ofAWokenLeader(h *history.History, dangling string) bool {
	paused := slices.ContainsFunc(h.Events, func(e history.Event) bool {
		return e.Kind == history.Fault && strings.HasPrefix(e.Fault, "(Pause jobmanager")
	})
	id, rest, _ := strings.Cut(dangling, "/")
	name, _, _ := strings.Cut(rest, "/")
	checkpoint, ok := evidence.CheckpointID(name)
	return paused && ok && !slices.Contains(h.Completed(id, h.End()), checkpoint)
}

// quiet says whether no job was running at the given event: each job that was submitted before the
// event had also ended before the event.
func quiet(h *history.History, number int) bool {
	for _, j := range accepted(h) {
		if status, ended := h.Status(j.ID); j.Submitted < number && (!status.Terminal() || ended > number) {
			return false
		}
	}
	return true
}

// residue compares the checkpoints of a job on storage with the checkpoints that must be kept. The
// parameter tree lists the files on storage now, earlier lists them before the job ended, and kept
// has the ids of the checkpoints that must be kept.
func residue(h *history.History, id string, tree, earlier []history.Entry, kept []int64) []Finding {
	var problems []Finding
	for _, checkpoint := range kept {
		dir := path.Join(id, evidence.CheckpointName(checkpoint))
		if !has(tree, path.Join(dir, evidence.MetadataName)) {
			problems = append(problems, Finding{
				Problem:  evidence.CheckpointName(checkpoint) + " is gone",
				Expected: dir + " with " + evidence.MetadataName, Found: listing(tree, id),
			})
			continue
		}
		if !has(earlier, path.Join(dir, evidence.MetadataName)) {
			continue // the checkpoint was not complete when storage was last recorded
		}
		for _, change := range changes(below(earlier, dir), below(tree, dir), dir, true) {
			problems = append(problems, Finding{
				Problem:  evidence.CheckpointName(checkpoint) + " was changed",
				Expected: "the checkpoint unchanged", Found: change,
			})
		}
	}
	for _, e := range tree {
		parent, name := path.Split(e.Path)
		number, isCheckpoint := evidence.CheckpointID(name)
		if !isCheckpoint || path.Clean(parent) != id || slices.Contains(kept, number) {
			continue
		}
		// A directory without `_metadata` is no checkpoint. An engine may leave such a directory
		// unless it promises to leave no orphans.
		if has(tree, path.Join(e.Path, evidence.MetadataName)) || h.Promises(history.NoOrphans) {
			problems = append(problems, Finding{
				Problem:  name + " still exists",
				Expected: "no " + e.Path, Found: listing(tree, e.Path),
			})
		}
	}
	if len(kept) == 0 && h.Promises(history.NoOrphans) {
		problems = append(problems, leftovers(tree, id)...)
	}
	return problems
}

// leftovers finds the files in the directories that a job's checkpoints shared. The caller must
// make sure that no checkpoint of the job is left, because otherwise these files may belong to that
// checkpoint.
func leftovers(tree []history.Entry, id string) []Finding {
	var problems []Finding
	for _, name := range []string{evidence.SharedName, evidence.TaskOwnedName} {
		if dir := path.Join(id, name); len(below(tree, dir)) > 0 {
			problems = append(problems, Finding{
				Problem:  name + " is not empty",
				Expected: "nothing in " + dir, Found: listing(tree, dir),
			})
		}
	}
	return problems
}

// missingDirectories names the directories that a job's checkpoints share and that do not exist. It
// names none on a storage that has no empty directories, such as an object store.
func missingDirectories(h *history.History, tree []history.Entry, id string) []string {
	var missing []string
	for _, name := range []string{evidence.SharedName, evidence.TaskOwnedName} {
		if h.Header.Target.KeepsDirectories() && !onJobManager(h, history.Job{}) && !has(tree, path.Join(id, name)) {
			missing = append(missing, name)
		}
	}
	return missing
}

// layout checks LAY-01: a job's directory holds the directories shared, taskowned and chk-N for
// each checkpoint, and nothing else.
func layout(h *history.History, judge *judging) {
	problem := func(id, what string, tree []history.Entry) {
		judge.find(Finding{
			Requirement: "LAY-01",
			Problem:     fmt.Sprintf("the directory of job %s %s", id, what),
			Expected:    "the directories shared, taskowned and chk-N, and nothing else", Found: listing(tree, id),
		})
	}
	for _, e := range h.Events {
		if e.Kind != history.Storage {
			continue
		}
		for _, j := range accepted(h) {
			if j.Submitted > e.Number {
				continue
			}
			judge.examine("LAY-01")
			for _, name := range missingDirectories(h, e.Tree, j.ID) {
				if !powerLost(h, e.Number+1) {
					problem(j.ID, "has no directory "+name, e.Tree)
				}
			}
			for _, entry := range e.Tree {
				parent, name := path.Split(entry.Path)
				_, isCheckpoint := evidence.CheckpointID(name)
				expected := isCheckpoint || name == evidence.SharedName || name == evidence.TaskOwnedName
				if path.Clean(parent) == j.ID && (!expected || !entry.Directory) {
					problem(j.ID, "holds something unexpected: "+name, e.Tree)
				}
			}
		}
	}
}

// claim checks MOD-01: if a job resumes from a checkpoint without claiming it, the checkpoint stays
// unchanged, until another job claims it.
func claim(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		if j.Path == "" || claimModeOf(h, j.Name) == storage.Claim {
			continue
		}
		before := lastTree(h, j.Submitted)
		dir := dirIn(before, j.Path)
		if !has(before, path.Join(dir, evidence.MetadataName)) {
			continue
		}
		for _, e := range h.Events {
			if e.Kind != history.Storage || e.Number < j.Submitted || claimedBefore(h, j.Path, e.Number) {
				continue
			}
			judge.examine("MOD-01")
			for _, change := range changes(below(before, dir), below(e.Tree, dir), dir, true) {
				judge.find(Finding{
					Requirement: "MOD-01",
					Problem:     fmt.Sprintf("the checkpoint that job %s resumed from was changed", j.Name),
					Expected:    j.Path + " unchanged", Found: change,
				})
			}
		}
	}
}

// claimedBefore says whether a job has claimed the checkpoint at a path before an event.
func claimedBefore(h *history.History, at string, before int) bool {
	return slices.ContainsFunc(claims(h), func(j history.Job) bool { return j.Path == at && j.Submitted < before })
}

// dependence checks MOD-02. It looks at a job that resumed from a checkpoint without claiming it.
// Once the job has completed a checkpoint of its own, it no longer needs the other checkpoint.
func dependence(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		if j.Path == "" || claimModeOf(h, j.Name) != storage.NoClaim {
			continue
		}
		for _, e := range h.Events {
			if e.Kind != history.Audit || e.Label == "" || e.Number < j.Submitted || len(h.Completed(j.ID, e.Number)) == 0 {
				continue
			}
			judge.examine("MOD-02")
			for _, checkpoint := range e.Foreign {
				if strings.HasPrefix(checkpoint, j.ID+"/") {
					judge.find(Finding{
						Requirement: "MOD-02", Problem: fmt.Sprintf("job %s depends on a checkpoint that it did not claim", j.Name),
						Expected: "only files in the job's own directory", Found: checkpoint + " refers to files elsewhere",
					})
				}
			}
		}
	}
}

// ownership checks MOD-03: a job discards a claimed checkpoint in the same cases as a checkpoint of
// its own.
func ownership(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		if j.Path == "" || claimModeOf(h, j.Name) != storage.Claim {
			continue
		}
		status, ended := h.Status(j.ID)
		cell, known := cleanupTable[status][configurationOf(h, j).Retention]
		subsumed := len(h.Completed(j.ID, h.End())) >= h.Header.Scenario.Cluster.Retained
		if !known || (cell.kept && !subsumed) || !h.Header.Scenario.Over(status) {
			continue
		}
		dir := dirIn(lastTree(h, j.Submitted), j.Path)
		for _, e := range h.Events {
			if e.Kind != history.Storage || e.Number < ended || dir == "" || powerLost(h, e.Number+1) || operationFailed(h, e.Number, "") {
				continue
			}
			judge.examine("MOD-03")
			if has(e.Tree, path.Join(dir, evidence.MetadataName)) {
				judge.find(Finding{
					Requirement: "MOD-03", Problem: fmt.Sprintf("the checkpoint that job %s claimed still exists", j.Name),
					Expected: "no " + dir, Found: listing(e.Tree, dir),
				})
			}
		}
	}
}

// savepoints checks CLN-09: a savepoint stays after the end of its job, unless another job claims
// the savepoint. It does not matter how the job ended.
func savepoints(h *history.History, judge *judging) {
	for _, e := range h.Events {
		if e.Kind != history.Audit || e.Label == "" || powerLost(h, e.Number+1) {
			continue
		}
		taken := slices.ContainsFunc(h.Events[:e.Number], func(e history.Event) bool { return e.Kind == history.Savepointed })
		if taken {
			judge.examine("CLN-09")
		}
		for _, gone := range e.Gone {
			if slices.ContainsFunc(h.Jobs(), func(j history.Job) bool { return samePath(j.Path, gone) && claimModeOf(h, j.Name) == storage.Claim }) {
				continue
			}
			judge.find(Finding{
				Requirement: "CLN-09", Problem: "a savepoint that no job claimed is gone", Expected: "a savepoint in " + gone, Found: "no savepoint there",
			})
		}
	}
}

// lastTree returns the last tree, a list of all files on storage, that was recorded before the
// given event.
func lastTree(h *history.History, before int) []history.Entry {
	tree, _ := around(h, before)
	return tree
}

// around returns two trees, which are lists of all files on storage: the last tree that was
// recorded before the event with this number, and the first tree that was recorded after that
// event. If no such tree was recorded, it is nil.
func around(h *history.History, number int) (before, after []history.Entry) {
	for _, e := range h.Events {
		switch {
		case e.Kind != history.Storage:
		case e.Number < number:
			before = e.Tree
		default:
			return before, e.Tree
		}
	}
	return before, nil
}

// changes lists the differences between two trees, which are lists of the files on storage. The
// parameter under is the directory with which each reported path begins. The function lists new
// directories only if the parameter directoriesMatter is true, and lists nothing if one of the
// trees was not recorded.
func changes(before, after []history.Entry, under string, directoriesMatter bool) []string {
	if before == nil || after == nil {
		return nil
	}
	var found []string
	for _, e := range before {
		at := slices.IndexFunc(after, func(a history.Entry) bool { return a.Path == e.Path })
		switch {
		case at < 0:
			found = append(found, path.Join(under, e.Path)+" is gone")
		case after[at].Size != e.Size:
			found = append(found, fmt.Sprintf("%s has %d bytes, but had %d before", path.Join(under, e.Path), after[at].Size, e.Size))
		case after[at] != e:
			found = append(found, path.Join(under, e.Path)+" has different content than before")
		}
	}
	for _, e := range after {
		if !has(before, e.Path) && (!e.Directory || directoriesMatter) {
			found = append(found, path.Join(under, e.Path)+" is new")
		}
	}
	return found
}

// below returns the entries of a tree below a directory, with paths relative to that directory.
func below(tree []history.Entry, dir string) []history.Entry {
	if tree == nil {
		return nil
	}
	held := []history.Entry{}
	for _, e := range tree {
		if relative, ok := strings.CutPrefix(e.Path, dir+"/"); ok {
			e.Path = relative
			held = append(held, e)
		}
	}
	return held
}

// dirIn finds a directory in a tree. The given absolute path ends with the path of this directory.
func dirIn(tree []history.Entry, absolute string) string {
	for _, e := range tree {
		if e.Directory && strings.Contains(e.Path, "/") && strings.HasSuffix(absolute, "/"+e.Path) {
			return e.Path
		}
	}
	return path.Base(absolute)
}

func has(tree []history.Entry, name string) bool {
	return slices.ContainsFunc(tree, func(e history.Entry) bool { return e.Path == name })
}

// listing returns, as text for a finding, the names of a directory and of everything below it.
func listing(tree []history.Entry, dir string) string {
	var names []string
	for _, e := range tree {
		if e.Path == dir || strings.HasPrefix(e.Path, dir+"/") {
			names = append(names, e.Path)
		}
	}
	if len(names) == 0 {
		return "nothing in " + dir
	}
	return strings.Join(names, " ")
}
