package oracle_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
)

// The histories in testdata come from the simulated reference and have no findings. The test
// TestGoldenHistories in harness/targets/reference writes them.
const (
	killed   = "recovery-kill-taskmanager-mid-checkpoint"
	canceled = "recovery-kill-cancel-resume"
	twice    = "recovery-resume-twice"
	refused  = "recovery-resume-without-metadata"
	retain   = "cleanup-cancel-retention=RETAIN_ON_CANCELLATION"
	drop     = "cleanup-cancel-retention=DELETE_ON_CANCELLATION"
	dark     = "durability-power-loss-after-publish"
	back     = "rollback-savepoint"
	drained  = "savepoints-drained"
	windows  = "savepoints-drained-windows"
	stopped  = "savepoints-stopped-windows"
)

func good(t *testing.T, name string) *history.History {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	h, err := history.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestGoodHistoriesPass(t *testing.T) {
	for _, name := range []string{killed, canceled, twice, refused, retain, drop, dark, back, drained, windows, stopped} {
		j := oracle.Judge(good(t, name))
		if j.Verdict != oracle.Pass || len(j.Findings) > 0 {
			t.Errorf("%s: %s %s %v", name, j.Verdict, j.Void, j.Findings)
		}
		for _, r := range j.Requirements {
			if r.Verdict != oracle.Pass {
				t.Errorf("%s: %s is %s", name, r.ID, r.Verdict)
			}
		}
	}
}

// plant changes a good history, so that the history has a violation.
type plant func(h *history.History)

type violation struct {
	what        string
	history     string // name of the good history in which to plant the violation
	plant       plant
	requirement string // the requirement that must fail
	says        string
}

// planted lists changes of good histories, at least one for each kind of finding of the oracles.
// After the change the oracle must report this finding.
var planted = []violation{
	{"a record is lost", killed, output(func(lines []string) []string { return lines[1:] }), "REC-02", "the output of job first has 1 lost record"},
	{"a record is doubled", killed, output(func(lines []string) []string { return append(lines, lines[0]) }), "REC-02", "the output of job first has 1 doubled record"},
	{"a resumed job doubles a record", twice, outputOf("third", func(lines []string) []string { return append(lines, lines[0]) }), "REC-02", "the output of job third has 1 doubled record"},
	{"a record comes from nowhere", killed, output(func(lines []string) []string { return append(lines, "9 9 0 0 1 0") }), "REC-02", "1 unexpected record"},
	{"a line is torn", killed, output(func(lines []string) []string { return append(lines, "0 1 2") }), "REC-02", "1 unexpected record"},
	{"a count is reached twice", killed, output(repeatCount), "REC-03", "the state of job first is wrong in 1 place"},
	{"a sum is off", killed, output(wrongSum), "REC-03", "the state of job first is wrong in 1 place"},
	{"the state of a key is wrong, and no later record reads it", killed, changeState("state 3 ", "state 3 1 1"), "REC-03", "the state of job first is wrong in 1 place"},
	{"the state of a key is lost, and no later record would read it", killed, changeState("state 3 "), "REC-03", "the state of job first is wrong in 1 place"},
	{"two subtasks have the state of one key", killed, output(func(lines []string) []string {
		return append(lines, "state 3 1 1")
	}), "REC-03", "the state of job first is wrong in 1 place"},
	{"there is state of a key that no record has", killed, output(func(lines []string) []string {
		return append(lines, "state 77 1 1")
	}), "REC-03", "the state of job first is wrong in 1 place"},
	{"the state that a drained job puts out is wrong", drained, changeState("state 3 ", "state 3 1 1"), "REC-03", "the state of job first is wrong in 1 place"},
	{"a line of state is torn", killed, output(func(lines []string) []string {
		return append(lines, "state 3 1")
	}), "REC-02", "1 unexpected record"},
	{"a job that was rolled back doubles a record from before the savepoint", back, output(func(lines []string) []string {
		return append(lines, lines[0])
	}), "REC-02", "the output of job second has 1 doubled record"},
	{"a job commits output without a complete checkpoint before it is rolled back", back, func(h *history.History) {
		for i, e := range h.Events {
			if e.Kind == history.Output && e.Job == "first" {
				h.Events[i].Path = "part-1-99-x" // the last one counts
			}
		}
	}, "REC-02", "the output of job second has"},
	{"two records of a key change places", killed, everyOutput(swapCounts), "REC-10", "job first processed records of one key in another order"},
	{"the lines of a key change places", killed, everyOutput(reversed), "REC-11", "the output of job first is not in the order in which it was made"},
	{"a drained job puts out no state", drained, changeState("state "), "REC-13", "job first was drained, and did not put out all"},
	{"a drained job keeps a window open", windows, outputOf("first", func(lines []string) []string { return lines[1:] }), "REC-13", "job first was drained, and did not put out all"},
	{"a stopped job puts out an open window", stopped, outputOf("first", func(lines []string) []string {
		return append([]string{partOf(lines[0])}, lines[1:]...)
	}), "REC-14", "job first was stopped without a drain, and put out"},
	{"the rest of a window is put out with too many records", windows, outputOf("second", func(lines []string) []string {
		return append([]string{partOf(lines[0])}, lines[1:]...)
	}), "REC-03", "the state of job second is wrong in 1 place"},
	{"output is committed before its checkpoint", killed, each(history.Output, func(e *history.Event) {
		e.Path = "part-0-99-x"
	}), "REC-15", "job first committed output without a complete checkpoint"},
	{"a record is lost at least once", killed, both(atLeastOnce, output(func(lines []string) []string { return lines[1:] })), "REC-08", "the output of job first has 1 lost record"},
	{"a checkpoint refers to what is not there", retain, eachAudit(func(e *history.Event) { e.Dangling = []string{"chk-2/_metadata refers to x"} }), "SHR-01", "a checkpoint on storage lacks a file"},
	{"a file is left that belongs to nobody", retain, eachAudit(func(e *history.Event) { e.Orphans = []string{"x/shared/y"} }), "SHR-02", "storage holds 1 file that no checkpoint refers to"},
	{"the job comes back from an older checkpoint", killed, each(history.Restored, func(e *history.Event) { e.Checkpoint-- }), "REC-01", "job first was not restored from its newest completed checkpoint"},
	{"the job comes back from nothing", killed, without(history.Restored), "REC-01", "job first was not restored from its newest completed checkpoint"},
	{"a resumed job starts from another checkpoint", canceled, each(history.Restored, func(e *history.Event) { e.Checkpoint = 1 }), "REC-04", "job second did not resume from"},
	{"a resumed job starts from nothing", canceled, without(history.Restored), "REC-04", "job second did not resume from"},
	{"a resumed job starts from a checkpoint of the same number elsewhere", canceled, each(history.Restored, func(e *history.Event) { e.Path = "/elsewhere/chk-2" }), "REC-04", "job second did not resume from"},
	{"the second resume is refused", twice, refuse("third"), "REC-05", "job third did not resume from"},
	{"a resume without _metadata is accepted", refused, accept("second"), "REC-06", "job second was accepted"},
	{"the refusal does not name the path", refused, each(history.Refused, func(e *history.Event) { e.Error = "no" }), "REC-06", "the refusal does not name the path"},
	{"the refusal names another path", refused, each(history.Refused, func(e *history.Event) { e.Error = "no /elsewhere/chk-2" }), "REC-06", "the refusal does not name the path"},
	{"a refused resume deletes a file", refused, lastTree(remove("/_metadata")), "REC-07", "the refusal of job second changed"},
	{"a refused resume leaves a directory", refused, lastTree(add("0123/shared", true)), "REC-07", "the refusal of job second changed"},
	{"a checkpoint is deleted under RETAIN", retain, lastTree(removeCheckpoints), "CLN-01", "CANCELED under RETAIN_ON_CANCELLATION, and chk-2 is gone"},
	{"a file of a retained checkpoint is changed", retain, lastTree(func(tree []history.Entry) []history.Entry {
		tree[len(tree)-3].Digest = "0"
		return tree
	}), "CLN-01", "chk-2 was changed"},
	{"an older checkpoint is left under RETAIN", retain, lastTree(addInJob("chk-1/_metadata")), "CLN-01", "chk-1 still exists"},
	{"a checkpoint is left under DELETE", drop, keepLast, "CLN-02", "CANCELED under DELETE_ON_CANCELLATION, and chk-2 still exists"},
	{"an empty directory is left under DELETE", drop, lastTree(addInJob("chk-3")), "CLN-02", "chk-3 still exists"},
	{"shared state is left under DELETE", drop, lastTree(addInJob("shared/state")), "CLN-02", "shared is not empty"},
	{"a checkpoint is left under NO_EXTERNALIZED", drop, both(keepLast, retention(storage.NoExternalizedCheckpoint)), "CLN-03", "chk-2 still exists"},
	{"a failed job's checkpoint is deleted under RETAIN", retain, both(lastTree(removeCheckpoints), status(storage.Failed)), "CLN-04", "FAILED under RETAIN_ON_CANCELLATION, and chk-2 is gone"},
	{"a failed job's checkpoint is deleted under DELETE", drop, status(storage.Failed), "CLN-05", "FAILED under DELETE_ON_CANCELLATION, and chk-2 is gone"},
	{"a failed job's checkpoint is left under NO_EXTERNALIZED", drop, both(keepLast, retention(storage.NoExternalizedCheckpoint), status(storage.Failed)), "CLN-06", "chk-2 still exists"},
	{"a finished job's checkpoint is left", retain, status(storage.Finished), "CLN-07", "FINISHED under RETAIN_ON_CANCELLATION, and chk-2 still exists"},
	{"there is no shared directory", retain, lastTree(remove("/shared")), "LAY-01", "has no directory shared"},
	{"there is a file beside the checkpoints", retain, lastTree(addInJob("notes")), "LAY-01", "holds something unexpected: notes"},
	{"a resumed job deletes what it came from", twice, lastTree(removeCheckpoints), "MOD-01", "the checkpoint that job second resumed from was changed"},
	{"a checkpoint id is used twice", killed, each(history.Triggered, func(e *history.Event) { e.Checkpoint = 1 }), "TRG-01", "job first used a checkpoint id that is not higher than the last"},
	{"ids begin again after a resume", canceled, afterResume(func(e *history.Event) {
		if e.Kind == history.Triggered {
			e.Checkpoint -= 2
		}
	}), "TRG-01", "job second used a checkpoint id that is not higher than the last"},
	{"a checkpoint asked for is not taken", retain, each(history.Trigger, func(e *history.Event) { e.Error = "no" }), "TRG-02", "job first did not take the checkpoint"},
	{"an aborted checkpoint completes", killed, func(h *history.History) {
		at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Aborted })
		late := h.Events[at]
		late.Kind, late.Error = history.Completed, ""
		h.Events = slices.Insert(h.Events, at+1, late)
		renumber(h)
	}, "TRG-03", "checkpoint 3 was completed although it had been aborted"},
	{"a suspended job's checkpoint is deleted under RETAIN", retain, both(lastTree(removeCheckpoints), status(storage.Suspended)), "CLN-08", "SUSPENDED under RETAIN_ON_CANCELLATION, and chk-2 is gone"},
	{"a suspended job's checkpoint is left under DELETE", drop, both(keepLast, status(storage.Suspended)), "CLN-08", "SUSPENDED under DELETE_ON_CANCELLATION, and chk-2 still exists"},
	{"a savepoint goes with its job", retain, eachAudit(func(e *history.Event) { e.Gone = []string{"/savepoints/savepoint-1"} }), "CLN-09", "a savepoint that no job claimed is gone"},
	{"a job depends on what it did not claim", canceled, func(h *history.History) {
		second, _ := h.Job("second")
		eachAudit(func(e *history.Event) { e.Foreign = []string{second.ID + "/chk-12"} })(h)
	}, "MOD-02", "job second depends on a checkpoint that it did not claim"},
	{"a claimed checkpoint is never deleted", canceled, func(h *history.History) {
		for _, step := range h.Header.Scenario.Steps {
			if step.Submit != nil && step.Submit.Restore != "" {
				step.Submit.ClaimMode = storage.Claim
			}
		}
	}, "MOD-03", "the checkpoint that job second claimed still exists"},
	{"a checkpoint that failed leaves a file while the job runs", retain, eachAudit(func(e *history.Event) { e.Orphans = []string{"x/shared/y"} }), "SHR-03", "storage holds 1 file that no checkpoint refers to, while the job runs"},
	{"two checkpoints are in progress", killed, func(h *history.History) {
		at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Triggered })
		second := h.Events[at]
		second.Checkpoint = 99
		h.Events = slices.Insert(h.Events, at+1, second)
		renumber(h)
	}, "TRG-04", "job first had more checkpoints in progress than allowed"},
	{"a checkpoint begins within the minimum pause", killed, configured(func(j *scenarios.Job) { j.MinPause = time.Minute }), "TRG-05", "job first began a checkpoint before its minimum pause was over"},
	{"checkpoints begin too often", killed, configured(func(j *scenarios.Job) { j.Interval = time.Minute }), "TRG-06", "job first began checkpoints more often than its interval says"},
	{"no checkpoint begins any more", killed, func(h *history.History) {
		at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Completed })
		for i := range h.Events[at+1:] {
			h.Events[at+1+i].AtMicros += time.Hour.Microseconds()
		}
	}, "TRG-07", "job first runs, and no checkpoint begins"},
	{"a checkpoint completes after its time-out", killed, configured(func(j *scenarios.Job) { j.Timeout = time.Millisecond }), "TRG-08", "a checkpoint of job first took longer than its time-out"},
	{"a checkpoint is never aborted", killed, func(h *history.History) {
		last := h.Events[len(h.Events)-1]
		first, _ := h.Job("first")
		started := history.Event{AtMicros: last.AtMicros, Kind: history.Triggered, ID: first.ID, Checkpoint: 99}
		late := history.Event{AtMicros: last.AtMicros + time.Hour.Microseconds(), Kind: history.Started, Process: "taskmanager-9"}
		h.Events = append(h.Events, started, late)
		renumber(h)
	}, "TRG-08", "a checkpoint of job first took longer than its time-out"},
	{"a checkpoint expires at once", killed, each(history.Aborted, func(e *history.Event) { e.Label = "CHECKPOINT_EXPIRED" }), "TRG-09", "a checkpoint of job first expired before its time-out"},
	{"a job fails because of too few failed checkpoints", killed, each(history.Status, func(e *history.Event) {
		if e.Status == storage.Restarting {
			e.Error = "1 checkpoints in a row failed (execution.checkpointing.tolerable-failed-checkpoints)"
		}
	}), "TRG-10", "job first failed because of failed checkpoints that it must tolerate"},
	{"a job tolerates too many failed checkpoints", killed, func(h *history.History) {
		at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Completed })
		h.Events[at].Kind, h.Events[at].Label = history.Aborted, "IO_EXCEPTION"
	}, "TRG-11", "job first runs on, although more checkpoints in a row failed than it tolerates"},
	{"an older checkpoint completes after a newer one", killed, both(configured(func(j *scenarios.Job) { j.MaxConcurrent = 2 }), func(h *history.History) {
		at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Completed })
		h.Events[at].Checkpoint = 99
	}), "TRG-12", "a checkpoint of job first completed after a newer one"},
	{"a savepoint is not taken", windows, each(history.Savepoint, func(e *history.Event) { e.Error = "no" }), "TRG-13", "job first did not take the savepoint"},
	{"_metadata has another id", retain, eachDescribed(func(d *history.Described) { d.ID++ }), "MET-01", "the _metadata of chk-2 of job first has another id"},
	{"_metadata has another size of a file", retain, eachDescribed(func(d *history.Described) { d.Files[0].Size++ }), "MET-02", "the _metadata of chk-2 of job first has a wrong size of a file"},
	{"a subtask is in _metadata twice", retain, eachOperator(func(o *history.Operator) { o.Subtasks = append(o.Subtasks, o.Subtasks[0]) }), "MET-03", "chk-2 of job first has a subtask that its operator"},
	{"the maximum parallelism is not the configured one", retain, configured(func(j *scenarios.Job) { j.ParallelismMax = 7 }), "RSC-01", "chk-2 of job first has a wrong maximum parallelism"},
	{"the maximum parallelism is not Flink's default", retain, eachOperator(func(o *history.Operator) { o.ParallelismMax = 64 }), "RSC-02", "chk-2 of job first has a wrong maximum parallelism"},
	{"a resumed job has another maximum parallelism", windows, func(h *history.History) {
		second, _ := h.Job("second")
		for i, e := range h.Events {
			if e.Kind == history.Audit && len(e.Described) > 0 {
				d := e.Described[0]
				d.Path, d.ID, d.Operators = second.ID+"/chk-9", 9, slices.Clone(d.Operators)
				d.Operators[0].ParallelismMax = 64
				h.Events[i].Described = append(e.Described, d)
			}
		}
	}, "RSC-03", "chk-9 of job second has a wrong maximum parallelism"},
	{"a subtask has the key groups of another", retain, eachOperator(func(o *history.Operator) {
		for i, s := range o.Subtasks {
			if s.Groups != nil {
				o.Subtasks[i].Groups = &history.KeyGroups{First: s.Groups.First + 1, Number: s.Groups.Number}
			}
		}
	}), "RSC-04", "chk-2 of job first has a wrong range of key groups"},
	{"a checkpoint has another parallelism than the job", retain, configured(func(j *scenarios.Job) { j.Parallelism = 3 }), "RSC-05", "chk-2 of job first has a wrong parallelism"},
	{"a checkpoint refers to a file of another checkpoint", retain, eachDescribed(func(d *history.Described) {
		d.Files[0].Path = path.Dir(d.Path) + "/chk-1/x"
	}), "LAY-02", "chk-2 of job first refers to a file that belongs to another checkpoint alone"},
	{"a savepoint refers to a file elsewhere", windows, eachDescribed(func(d *history.Described) { d.Files[0].Path = "elsewhere/x" }), "LAY-03", "does not hold all of its files"},
	{"a savepoint has another name", windows, both(eachDescribed(func(d *history.Described) {
		d.Path = strings.Replace(d.Path, "savepoint-", "sp-", 1)
	}), each(history.Savepointed, func(e *history.Event) {
		e.Path = strings.Replace(e.Path, "savepoint-", "sp-", 1)
	})), "LAY-04", "has a directory with a wrong name"},
	{"state in the memory of the JobManager is in a file", retain, set("execution.checkpointing.storage", "jobmanager"), "JMS-01", "chk-2 of job first refers to a file"},
	{"small state is in a file", retain, set("execution.checkpointing.data-inline-threshold", "1mb"), "FSS-01", "chk-2 of job first has a file with state that must be in _metadata"},
	{"large state is in _metadata", retain, both(set("execution.checkpointing.data-inline-threshold", "1kb"), eachDescribed(func(d *history.Described) {
		d.InlineMax = 1025
	})), "FSS-01", "chk-2 of job first holds state that must be in a file"},
	{"a subtask is restored from another checkpoint", killed, each(history.Subtask, func(e *history.Event) {
		if e.Process == "sink-0" && e.Path != "" {
			e.Path = path.Dir(e.Path) + "/chk-1"
		}
	}), "REC-12", "subtasks were not restored from the checkpoint that the job named"},
	{"a subtask starts from nothing", killed, each(history.Subtask, func(e *history.Event) { e.Path = "" }), "REC-12", "subtasks were not restored from the checkpoint that the job named"},
	{"a deposed JobManager leaves a checkpoint", retain, both(lastTree(addInJob("chk-9/_metadata")), func(h *history.History) {
		h.Events = slices.Insert(h.Events, 1, history.Event{Kind: history.Leads, Process: "jobmanager-1"}, history.Event{Kind: history.Leads, Process: "jobmanager-2"})
		renumber(h)
	}), "REC-16", "storage holds a checkpoint of job first that only a deposed JobManager knows"},
	{"a subsumed checkpoint stays while the job runs", retain, eachTree(addInJob("chk-1/_metadata")), "CLN-10", "job first runs, and chk-1 still exists"},
	{"the newest checkpoint goes while the job runs", retain, eachTree(removeCheckpoints), "CLN-11", "job first runs, and chk-2 is gone"},
	{"a file of a complete checkpoint is written again", retain, lastTree(func(tree []history.Entry) []history.Entry {
		for i, e := range tree {
			if !e.Directory && !strings.HasSuffix(e.Path, "_metadata") {
				tree[i].Digest = "0"
			}
		}
		return tree
	}), "SHR-04", "a file of a complete checkpoint was changed"},
	{"a claim takes the sibling of the claimed checkpoint", canceled, both(claims, eachTree(addInJob("chk-1/_metadata")), lastTree(remove("chk-1/_metadata"))), "MOD-04", "chk-1 of job first, which nobody claimed, was damaged"},
	{"a job that claims nothing deletes shared files of the other job", twice, lastTree(removeCheckpoints), "MOD-05", "claimed nothing, and the directory of job first was changed"},
	{"a claimed checkpoint goes before it is subsumed", canceled, both(claims, func(h *history.History) {
		h.Header.Scenario.Cluster.Retained = 99
		at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Accepted && e.Job == "second" })
		h.Events = slices.Insert(h.Events, at+1, history.Event{Kind: history.Storage, Label: "running", Tree: []history.Entry{}})
		renumber(h)
	}), "MOD-06", "the checkpoint that job second claimed was changed before it was subsumed"},
	{"a power loss takes a savepoint", dark, func(h *history.History) {
		first, _ := h.Job("first")
		at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Completed })
		h.Events = slices.Insert(h.Events, at, history.Event{Kind: history.Savepointed, ID: first.ID, Checkpoint: 99, Path: "/savepoints/savepoint-1"})
		renumber(h)
		eachAudit(func(e *history.Event) { e.Gone = []string{"/savepoints/savepoint-1"} })(h)
	}, "DUR-03", "a complete savepoint did not survive a power loss"},
	{"a job fails for good too early", retain, both(status(storage.Failed), configured(func(j *scenarios.Job) { j.Restarts = 3 })), "LIV-02", "job first has failed for good, although it may be restarted"},
	{"a job is restarted too often", killed, configured(func(j *scenarios.Job) { j.Restarts = 0 }), "LIV-03", "job first was restarted more often than it may be"},
	{"a power loss takes a complete checkpoint", dark, eachTree(removeCheckpoints), "DUR-01", "a complete checkpoint of job first did not survive a power loss"},
	{"a power loss leaves a checkpoint without its files", dark, eachAudit(func(e *history.Event) { e.Dangling = []string{"chk-3/_metadata refers to x"} }), "DUR-02", "after a power loss a checkpoint lacks a file"},
	{"a job never comes back", killed, func(h *history.History) {
		h.Events = append(h.Events, history.Event{Number: h.End(), Kind: history.GaveUp, Label: "job first to be FINISHED", Error: "job first is RESTARTING", Waited: 2_103_400})
	}, "LIV-01", "the scenario waited for 2.103s in vain"},
	{"there is nothing to resume from", killed, func(h *history.History) {
		h.Events = append(h.Events, history.Event{Number: h.End(), Kind: history.GaveUp, Label: "a completed checkpoint", Error: "none"})
	}, "LIV-01", "the scenario did not get what it needs"},
	{"a job that must be refused is accepted", refused, both(newest, accept("second")), "REC-09", "job second was accepted, although it must be refused"},
	{"a job is refused for another reason", refused, both(newest, says("parallelism")), "REC-09", "job second was refused for another reason"},
	{"a resume without _metadata is refused for another reason", refused, says("parallelism"), "REC-06", "job second was refused for another reason"},
}

// configured changes the configuration of the scenario's jobs.
func configured(change func(*scenarios.Job)) plant {
	return func(h *history.History) { change(&h.Header.Scenario.Job) }
}

// claims lets the last job claim the checkpoint from which it resumes.
func claims(h *history.History) {
	for _, step := range h.Header.Scenario.Steps {
		if step.Submit != nil && step.Submit.Restore != "" {
			step.Submit.ClaimMode = storage.Claim
		}
	}
}

// set sets a key of the configuration of the cluster.
func set(key, value string) plant {
	return func(h *history.History) { h.Header.Scenario.Cluster.Settings = map[string]string{key: value} }
}

// eachDescribed changes what each `_metadata` says.
func eachDescribed(change func(*history.Described)) plant {
	return eachAudit(func(e *history.Event) {
		for i := range e.Described {
			change(&e.Described[i])
		}
	})
}

func eachOperator(change func(*history.Operator)) plant {
	return eachDescribed(func(d *history.Described) {
		for i := range d.Operators {
			change(&d.Operators[i])
		}
	})
}

func eachTree(change func([]history.Entry) []history.Entry) plant {
	return each(history.Storage, func(e *history.Event) { e.Tree = change(e.Tree) })
}

// newest makes the refused submission one from the newest checkpoint, which has `_metadata`.
func newest(h *history.History) {
	for _, step := range h.Header.Scenario.Steps {
		if step.Submit != nil && step.Submit.Restore != "" {
			step.Submit.From = scenarios.ToCheckpoint
		}
	}
	first, _ := h.Job("first")
	completed := h.Completed(first.ID, h.End())
	for i, e := range h.Events {
		if e.Kind == history.Submit && e.From != "" {
			h.Events[i].Path = path.Join("/checkpoints", first.ID, fmt.Sprintf("chk-%d", completed[len(completed)-1]))
		}
	}
}

// says makes the scenario expect a refusal with these words.
func says(why string) plant {
	return func(h *history.History) {
		for _, step := range h.Header.Scenario.Steps {
			if step.Submit != nil && step.Submit.Refused.Expected {
				step.Submit.Refused.Why = why
			}
		}
	}
}

func TestEveryPlantedViolationIsFoundAndNamed(t *testing.T) {
	for _, p := range planted {
		t.Run(p.what, func(t *testing.T) {
			h := good(t, p.history)
			p.plant(h)
			j := oracle.Judge(h)
			if j.Verdict != oracle.Fail {
				t.Errorf("want fail, got %s", j.Verdict)
			}
			if !slices.ContainsFunc(j.Findings, func(f oracle.Finding) bool {
				return f.Requirement == p.requirement && strings.Contains(f.Problem, p.says) && f.Expected != "" && f.Found != ""
			}) {
				t.Errorf("want %s: …%s…, got %+v", p.requirement, p.says, j.Findings)
			}
			if !slices.Contains(j.Requirements, oracle.RequirementVerdict{ID: p.requirement, Verdict: oracle.Fail}) {
				t.Errorf("%s is not among the failed requirements: %v", p.requirement, j.Requirements)
			}
		})
	}
}

// An oracle that never finds anything proves nothing.
func TestEveryRequirementHasAPlantedViolation(t *testing.T) {
	known, err := scenarios.Requirements()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range known {
		if !slices.ContainsFunc(planted, func(v violation) bool { return v.requirement == r.ID }) {
			t.Errorf("%s: no test shows that its oracle fires", r.ID)
		}
	}
}

func TestARunThatProvesNothingIsVoid(t *testing.T) {
	for what, p := range map[string]struct {
		plant plant
		says  string
	}{
		"the checkpoint completed all the same": {func(h *history.History) {
			without(history.Aborted)(h)
			at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Fault })
			id, checkpoint, _ := h.InProgress(at + 1)
			h.Events = slices.Insert(h.Events, at+1, history.Event{Kind: history.Completed, ID: id, Checkpoint: checkpoint})
			renumber(h)
			each(history.Restored, func(e *history.Event) { e.Checkpoint = checkpoint })(h)
		}, "but it still completed"},
		"no checkpoint was in progress": {func(h *history.History) {
			at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Fault })
			fault := h.Events[at]
			h.Events = slices.Insert(slices.Delete(h.Events, at, at+1), 6, fault)
			renumber(h)
		}, "no checkpoint was in progress"},
		"the fault never fired": {without(history.Fault), "only 0 of 1 faults fired: not (Kill taskmanager (During checkpoint))"},
		"the job was over before the fault": {func(h *history.History) {
			h.Events = append(h.Events, history.Event{Number: h.End(), Kind: history.Missed, Error: "job first was FINISHED"})
		}, "job first was FINISHED"},
		"no checkpoint was seen": {func(h *history.History) {
			without(history.Triggered)(h)
			without(history.Completed)(h)
			without(history.Restored)(h)
			without(history.Fault)(h)
			each(history.Output, func(e *history.Event) { e.Path = "x" })(h) // the name says nothing about checkpoints
			h.Header.Scenario.Job.Interval = time.Hour
		}, "no checkpoint completed"},
	} {
		t.Run(what, func(t *testing.T) {
			h := good(t, killed)
			p.plant(h)
			j := oracle.Judge(h)
			if j.Verdict != oracle.Void || !strings.Contains(j.Void, p.says) {
				t.Errorf("want void, %s; got %s, %s, %v", p.says, j.Verdict, j.Void, j.Findings)
			}
		})
	}
}

// If nothing in a run could have broken a requirement, the run does not show that the requirement
// holds.
// A run can end, at its time-out, while a job is submitted. Then nothing is known about the job.
func TestAJobThatNobodySawIsNotBlamed(t *testing.T) {
	h := good(t, canceled)
	at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Submit && e.Job == "second" })
	h.Events = h.Events[:at+1]
	for _, finding := range oracle.Judge(h).Findings {
		if finding.Requirement == "REC-04" {
			t.Errorf("got %+v", finding)
		}
	}
}

// A checkpoint also holds the output of an earlier checkpoint that was aborted.
func TestOutputOfAnAbortedCheckpointIsCommittedWithTheNextOne(t *testing.T) {
	const aborted, last = 13, 14
	for _, c := range []struct {
		what  string
		ended history.Kind // how the last checkpoint ended; empty: nobody saw it
		early bool
	}{{"complete", history.Completed, false}, {"in doubt", "", false}, {"aborted", history.Aborted, true}} {
		h := good(t, killed)
		h.Events = slices.DeleteFunc(h.Events, func(e history.Event) bool {
			return e.Kind == history.Completed && e.Checkpoint == last && c.ended == ""
		})
		for i, e := range h.Events {
			switch {
			case e.Kind == history.Completed && e.Checkpoint == aborted:
				h.Events[i].Kind = history.Aborted
			case e.Kind == history.Completed && e.Checkpoint == last:
				h.Events[i].Kind = c.ended
			}
		}
		found := slices.ContainsFunc(oracle.Judge(h).Findings, func(f oracle.Finding) bool { return f.Requirement == "REC-15" })
		if found != c.early {
			t.Errorf("the last checkpoint is %s: want a finding: %v, got %v", c.what, c.early, found)
		}
	}
}

// On a busy machine the processes of an engine stand still for seconds. In the simulator nothing does.
func TestABusyMachineIsNotHeldAgainstAnEngine(t *testing.T) {
	for _, c := range []struct {
		runtime string
		late    bool
	}{{"processes", false}, {"simulated", true}} {
		h := good(t, killed)
		h.Header.Target.Runtime = c.runtime
		at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Completed })
		for i := range h.Events[at+1:] {
			h.Events[at+1+i].AtMicros += (10 * time.Second).Microseconds()
		}
		found := slices.ContainsFunc(oracle.Judge(h).Findings, func(f oracle.Finding) bool { return f.Requirement == "TRG-07" })
		if found != c.late {
			t.Errorf("%s: want a finding: %v, got %v", c.runtime, c.late, found)
		}
	}
}

func TestARequirementThatNothingPutToTheTestIsVoid(t *testing.T) {
	h := good(t, killed)
	h.Header.Scenario.Requirements = append(h.Header.Scenario.Requirements, "REC-04", "CLN-01", "MOD-01")
	j := oracle.Judge(h)
	if j.Verdict != oracle.Void || j.Void != "this run did not test REC-04, CLN-01, MOD-01" {
		t.Errorf("got %s, %s, %v", j.Verdict, j.Void, j.Findings)
	}
	for _, r := range j.Requirements {
		claimedOnly := slices.Contains([]string{"REC-04", "CLN-01", "MOD-01"}, r.ID)
		if (r.Verdict == oracle.Void) != claimedOnly {
			t.Errorf("%s is %s", r.ID, r.Verdict)
		}
	}
}

// A wrong state that no record reads stays unseen if the job does not put out its state.
func TestAJobThatPutsOutNoStateLeavesItsStateOpen(t *testing.T) {
	h := good(t, killed)
	changeState(workload.StatePrefix)(h)
	j := oracle.Judge(h)
	if want := "this run did not test REC-03 (job first finished without putting out its state)"; j.Verdict != oracle.Void || j.Void != want {
		t.Errorf("want %q, got %s, %q, %v", want, j.Verdict, j.Void, j.Findings)
	}
	for _, r := range j.Requirements {
		if (r.ID == "REC-03") != (r.Verdict == oracle.Void) {
			t.Errorf("%s is %s", r.ID, r.Verdict)
		}
	}
}

// A scenario about records in flight proves something only if a checkpoint held some.
func TestAScenarioAboutRecordsInFlightNeedsSome(t *testing.T) {
	h := good(t, killed)
	h.Header.Scenario.Name = "unaligned/killed"
	judged := func(want oracle.Verdict, void string) oracle.Judgement {
		t.Helper()
		j := oracle.Judge(h)
		if j.Verdict != want || j.Void != void {
			t.Errorf("want %s, %q; got %s, %q, %v", want, void, j.Verdict, j.Void, j.Findings)
		}
		return j
	}
	add := func(checkpoint, size int64) {
		first, _ := h.Job("first")
		h.Events = append(h.Events, history.Event{Number: h.End(), Kind: history.InFlight, ID: first.ID, Checkpoint: checkpoint, Size: size})
	}
	judged(oracle.Void, "no checkpoint had records in flight (the _metadata of 0 checkpoints was read)")
	add(1, 0)
	judged(oracle.Void, "no checkpoint had records in flight (the _metadata of 1 checkpoint was read)")
	add(2, 70)
	j := judged(oracle.Pass, "")
	if want := []oracle.InFlight{{Job: "first", Checkpoint: 1}, {Job: "first", Checkpoint: 2, Bytes: 70}}; !slices.Equal(j.Numbers.InFlight, want) {
		t.Errorf("want %v, got %v", want, j.Numbers.InFlight)
	}
}

// Findings that differ only in the file that they name are one finding with a list.
func TestManyMissingFilesAreOneFinding(t *testing.T) {
	h := good(t, retain)
	eachAudit(func(e *history.Event) {
		e.Dangling = []string{"a is missing", "b is missing", "c is missing", "d is missing"}
	})(h)
	j := oracle.Judge(h)
	if len(j.Findings) != 1 || j.Findings[0].Found != "a is missing; b is missing; c is missing; and 1 more" {
		t.Errorf("got %+v", j.Findings)
	}
}

// A person reads the cause first.
func TestACauseIsToldBeforeItsConsequences(t *testing.T) {
	h := good(t, killed)
	both(
		output(func(lines []string) []string { return append(lines, lines[0]) }),
		each(history.Restored, func(e *history.Event) { e.Checkpoint-- }),
		eachAudit(func(e *history.Event) { e.Dangling = []string{"chk-2/_metadata refers to x"} }),
		func(h *history.History) {
			gaveUp := history.Event{Number: h.End(), Kind: history.GaveUp, Label: "job first to be FINISHED", Error: "no"}
			h.Events = slices.Insert(h.Events, 1, gaveUp)
			renumber(h)
		},
	)(h)
	var told []string
	for _, f := range oracle.Judge(h).Findings {
		told = append(told, f.Requirement)
	}
	if want := []string{"SHR-01", "REC-01", "REC-02", "LIV-01"}; !slices.Equal(told, want) {
		t.Errorf("want %v, got %v", want, told)
	}
}

// A wrong maximum parallelism of three operators is one finding.
func TestWrongOperatorsAreOneFinding(t *testing.T) {
	h := good(t, retain)
	configured(func(j *scenarios.Job) { j.ParallelismMax = 7 })(h)
	j := oracle.Judge(h)
	if len(j.Findings) != 1 || strings.Count(j.Findings[0].Found, "operator") != 3 {
		t.Errorf("got %+v", j.Findings)
	}
}

// A checkpoint that completed after the last look at storage is not reported as changed.
func TestACheckpointNewerThanTheLastLookIsNotTakenForChanged(t *testing.T) {
	h := good(t, retain)
	for i, e := range h.Events {
		if e.Kind == history.Storage && e.Label == "before" {
			h.Events[i].Tree = removeCheckpoints(slices.Clone(e.Tree))
			at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Completed && e.Checkpoint == 2 })
			h.Events[i].AtMicros = h.Events[at].AtMicros
		}
	}
	if j := oracle.Judge(h); j.Verdict != oracle.Pass {
		t.Errorf("got %s, %v", j.Verdict, j.Findings)
	}
}

func TestOrphansAreHeldAgainstThoseWhoPromiseNone(t *testing.T) {
	h := good(t, drop)
	lastTree(addInJob("chk-3"))(h)
	h.Header.Target.Promises = nil
	h.Header.Scenario.Requirements = append(h.Header.Scenario.Requirements, "SHR-02")
	j := oracle.Judge(h)
	if j.Verdict != oracle.Pass {
		t.Errorf("want pass, got %v", j.Findings)
	}
	if !slices.Contains(j.Requirements, oracle.RequirementVerdict{ID: "SHR-02", Verdict: oracle.Skip}) {
		t.Errorf("want SHR-02 skipped, got %v", j.Requirements)
	}
}

func TestAParentIsItsWorstChild(t *testing.T) {
	order := []oracle.Verdict{oracle.Fail, oracle.Error, oracle.Void, oracle.Skip, oracle.Pass}
	for i, worse := range order {
		for _, better := range order[i:] {
			if got := oracle.Worst([]oracle.Verdict{better, worse}); got != worse {
				t.Errorf("%s and %s: got %s", worse, better, got)
			}
		}
	}
	if got := oracle.Worst(nil); got != oracle.Void {
		t.Errorf("nothing at all: want void, got %s", got)
	}
}

func TestNumbers(t *testing.T) {
	n := oracle.Judge(good(t, killed)).Numbers
	if len(n.Recoveries) != 1 || n.Records != 200 || n.Lost+n.Doubled != 0 || n.Replayed == 0 {
		t.Fatalf("got %+v", n)
	}
	if r := n.Recoveries[0]; r.Restored != 2 || r.Checkpoint != 3 || r.Job != "first" || r.Took <= 0 {
		t.Errorf("got %+v", r)
	}
}

func ExampleJudge() {
	file, _ := os.Open(filepath.Join("testdata", killed+".jsonl"))
	h, _ := history.Read(file)
	output(func(lines []string) []string { return lines[1:] })(h) // lose a record
	j := oracle.Judge(h)
	fmt.Println(j.Verdict, j.Findings[0].Requirement, j.Findings[0].Problem)
	// Output: fail REC-02 the output of job first has 1 lost record
}

// The functions below plant violations.

func each(kind history.Kind, change func(*history.Event)) plant {
	return func(h *history.History) {
		for i := range h.Events {
			if h.Events[i].Kind == kind {
				change(&h.Events[i])
			}
		}
	}
}

func without(kind history.Kind) plant {
	return func(h *history.History) {
		h.Events = slices.DeleteFunc(h.Events, func(e history.Event) bool { return e.Kind == kind })
		renumber(h)
	}
}

func renumber(h *history.History) {
	for i := range h.Events {
		h.Events[i].Number = i + 1
	}
}

func both(plants ...plant) plant {
	return func(h *history.History) {
		for _, p := range plants {
			p(h)
		}
	}
}

func output(change func([]string) []string) plant { return outputOf("first", change) }

// outputOf changes the lines of the first file that a job committed.
func outputOf(job string, change func([]string) []string) plant {
	return func(h *history.History) {
		for i, e := range h.Events {
			if e.Kind == history.Output && e.Job == job {
				h.Events[i].Lines = change(slices.Clone(e.Lines))
				return
			}
		}
		panic("the history has no output of job " + job)
	}
}

// everyOutput changes the lines of all files that job first committed.
func everyOutput(change func([]string) []string) plant {
	return each(history.Output, func(e *history.Event) {
		if e.Job == "first" {
			e.Lines = change(slices.Clone(e.Lines))
		}
	})
}

// swapCounts gives the count and the sum of a record to the next record of the same split and key,
// and the other way round.
func swapCounts(lines []string) []string {
	for i, line := range lines {
		for j := i + 1; j < len(lines); j++ {
			first, second := strings.Fields(line), strings.Fields(lines[j])
			if len(first) == 6 && len(second) == 6 && first[0] == second[0] && first[keyField] == second[keyField] {
				first[countField], second[countField] = second[countField], first[countField]
				first[sumField], second[sumField] = second[sumField], first[sumField]
				lines[i], lines[j] = strings.Join(first, " "), strings.Join(second, " ")
				return lines
			}
		}
	}
	return lines
}

func reversed(lines []string) []string {
	slices.Reverse(lines)
	return lines
}

// partOf takes one record out of the line of a window.
func partOf(line string) string {
	var key, begin, count, sum int64
	if n, _ := fmt.Sscan(line, &key, &begin, &count, &sum); n != 4 {
		panic("not the line of a window: " + line)
	}
	return fmt.Sprint(key, begin, count-1, sum)
}

// changeState replaces the lines of state of job first that begin with a prefix.
func changeState(prefix string, with ...string) plant {
	return each(history.Output, func(e *history.Event) {
		if e.Job != "first" {
			return
		}
		var lines []string
		for _, line := range e.Lines {
			if strings.HasPrefix(line, prefix) {
				lines = append(lines, with...)
			} else {
				lines = append(lines, line)
			}
		}
		e.Lines = lines
	})
}

// These are the indexes of fields in a line of output.
const (
	keyField   = 2
	countField = 4
	sumField   = 5
)

func atLeastOnce(h *history.History) { h.Header.Scenario.Job.AtLeastOnce = true }

func eachAudit(change func(*history.Event)) plant { return each(history.Audit, change) }

// repeatCount gives a record the same count as an earlier record with the same key.
func repeatCount(lines []string) []string {
	first := strings.Fields(lines[0])
	for i, line := range lines[1:] {
		if fields := strings.Fields(line); fields[keyField] == first[keyField] {
			fields[countField] = first[countField]
			lines[i+1] = strings.Join(fields, " ")
			return lines
		}
	}
	panic("no two lines have one key")
}

func wrongSum(lines []string) []string {
	fields := strings.Fields(lines[0])
	fields[sumField] = "999999"
	lines[0] = strings.Join(fields, " ")
	return lines
}

func lastTree(change func([]history.Entry) []history.Entry) plant {
	return func(h *history.History) {
		for i, e := range slices.Backward(h.Events) {
			if e.Kind == history.Storage {
				h.Events[i].Tree = change(slices.Clone(e.Tree))
				return
			}
		}
		panic("the history has no tree")
	}
}

// keepLast replaces the last tree by the tree that was recorded before the job ended.
func keepLast(h *history.History) {
	var before []history.Entry
	lastTree(func([]history.Entry) []history.Entry {
		for _, e := range h.Events {
			if e.Kind == history.Storage && e.Label == "before" {
				before = e.Tree
			}
		}
		return before
	})(h)
}

func remove(suffix string) func([]history.Entry) []history.Entry {
	return func(tree []history.Entry) []history.Entry {
		return slices.DeleteFunc(tree, func(e history.Entry) bool { return strings.HasSuffix(e.Path, suffix) })
	}
}

func removeCheckpoints(tree []history.Entry) []history.Entry {
	return slices.DeleteFunc(tree, func(e history.Entry) bool { return strings.Contains(e.Path, "chk-") })
}

func add(name string, directory bool) func([]history.Entry) []history.Entry {
	return func(tree []history.Entry) []history.Entry {
		return append(tree, history.Entry{Path: name, Directory: directory})
	}
}

// addInJob adds a file or a directory, with its parent, to the directory of the first job.
func addInJob(name string) func([]history.Entry) []history.Entry {
	return func(tree []history.Entry) []history.Entry {
		job := tree[0].Path
		if parent := path.Dir(name); parent != "." {
			return add(path.Join(job, name), false)(add(path.Join(job, parent), true)(tree))
		}
		return add(path.Join(job, name), strings.HasPrefix(name, "chk-"))(tree)
	}
}

func retention(mode storage.Retention) plant {
	return func(h *history.History) { h.Header.Scenario.Job.Retention = mode }
}

func status(ended storage.JobStatus) plant {
	return each(history.Status, func(e *history.Event) {
		if e.Status.Terminal() {
			e.Status = ended
		}
	})
}

func refuse(job string) plant {
	return func(h *history.History) {
		for i, e := range h.Events {
			if e.Kind == history.Accepted && e.Job == job {
				h.Events[i] = history.Event{Number: e.Number, Kind: history.Refused, Job: job, Error: "no"}
			}
		}
	}
}

func accept(job string) plant {
	return each(history.Refused, func(e *history.Event) {
		*e = history.Event{Number: e.Number, Kind: history.Accepted, Job: job, ID: "0123456789abcdef0123456789abcdef"}
	})
}

// afterResume changes the events of the last job.
func afterResume(change func(*history.Event)) plant {
	return func(h *history.History) {
		jobs := h.Jobs()
		last := jobs[len(jobs)-1].ID
		for i := range h.Events {
			if h.Events[i].ID == last {
				change(&h.Events[i])
			}
		}
	}
}

// While a file is damaged by the scenario, the engine is not to blame for what is found on storage.
// Once the file is restored, it is.
func TestDamageOfTheScenarioIsNotBlamedOnTheEngine(t *testing.T) {
	damage := func(label string) history.Event {
		return history.Event{Kind: history.Damage, Path: "job/chk-2/_metadata", Label: label}
	}
	for _, c := range []struct {
		events []history.Event
		want   oracle.Verdict
	}{
		{[]history.Event{damage("delete")}, oracle.Void},
		{[]history.Event{damage("delete"), damage("flip"), damage("restore")}, oracle.Fail},
	} {
		h := good(t, retain)
		eachAudit(func(e *history.Event) { e.Dangling = []string{"chk-2/_metadata refers to x"} })(h)
		at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Storage })
		h.Events = slices.Insert(h.Events, at, c.events...)
		renumber(h)
		j := oracle.Judge(h)
		failed := slices.ContainsFunc(j.Findings, func(f oracle.Finding) bool { return f.Requirement == "SHR-01" })
		if j.Verdict != c.want || failed != (c.want == oracle.Fail) {
			t.Errorf("want %s, got %s, %s, %v", c.want, j.Verdict, j.Void, j.Findings)
		}
	}
}

// A run without any completed checkpoint proves something if it is about aborted checkpoints.
func TestAbortedCheckpointsCount(t *testing.T) {
	for wanted, want := range map[int]string{0: "no checkpoint completed", 1: ""} {
		h := &history.History{Events: []history.Event{{Number: 1, Kind: history.Aborted, ID: "a", Checkpoint: 1}}}
		h.Header.Scenario.Requirements = []string{"LIV-01"}
		h.Header.Scenario.Steps = []scenarios.Step{{Await: &scenarios.Await{Job: "first", Aborted: wanted}}}
		if j := oracle.Judge(h); j.Void != want {
			t.Errorf("await %d aborted: want %q, got %q", wanted, want, j.Void)
		}
	}
}

// The figures tell each fault for the job during which it fired.
func TestAFaultIsToldForItsJob(t *testing.T) {
	const kill, fail, slow = "(Kill taskmanager)", `(Fail EIO (On (Write "*")))`, "(Slow taskmanager 1%)"
	status := func(id string, s storage.JobStatus) history.Event {
		return history.Event{Kind: history.Status, ID: id, Status: s}
	}
	fault := func(text string) history.Event {
		return history.Event{Kind: history.Fault, Fault: text, Process: "taskmanager-1"}
	}
	restored := func(id string, checkpoint int64) history.Event {
		return history.Event{Kind: history.Restored, ID: id, Checkpoint: checkpoint, Path: fmt.Sprintf("/c/chk-%d", checkpoint)}
	}
	first := []history.Event{{Kind: history.Submit, Job: "first"}, {Kind: history.Accepted, Job: "first", ID: "a"}, status("a", storage.Running)}
	second := []history.Event{{Kind: history.Submit, Job: "second", From: "first"}, {Kind: history.Accepted, Job: "second", ID: "b"}, restored("b", 2), status("b", storage.Running)}
	for _, c := range []struct {
		what   string
		events []history.Event
		want   string
	}{
		{"the job comes back", []history.Event{fault(kill), status("a", storage.Restarting), restored("a", 3), status("a", storage.Running)}, "killed taskmanager-1; job first came back, restored from chk-3, in 3ms"},
		{"the fault comes after the restore", []history.Event{status("a", storage.Restarting), restored("a", 3), fault(kill), status("a", storage.Running)}, "killed taskmanager-1; job first came back, restored from chk-3, in 1ms"},
		{"the job starts from nothing", []history.Event{fault(kill), status("a", storage.Restarting), status("a", storage.Running)}, "killed taskmanager-1; job first came back, started without a checkpoint, in 2ms"},
		{"from a savepoint", []history.Event{{Kind: history.Savepointed, ID: "a", Checkpoint: 3, Path: "/s/savepoint-1"}, fault(kill), status("a", storage.Restarting), restored("a", 3), status("a", storage.Running)}, "killed taskmanager-1; job first came back, restored from savepoint 3, in 3ms"},
		{"as another job", append([]history.Event{fault(kill)}, second...), "killed taskmanager-1; job second came back, restored from chk-2, in 4ms"},
		{"the job ends, and another begins", slices.Concat([]history.Event{fault(kill), status("a", storage.Canceled)}, second), "killed taskmanager-1 in job first; no job came back"},
		{"the fault does not stop the job", slices.Concat([]history.Event{fault(fail), status("a", storage.Canceled)}, second), fail + " hit taskmanager-1 in job first; no job had to come back"},
		{"the fault makes the job fail", []history.Event{fault(fail), status("a", storage.Failing), status("a", storage.Failed)}, fail + " hit taskmanager-1 in job first; the job failed"},
		{"another fault stops the job", []history.Event{fault(slow), fault(kill), status("a", storage.Restarting), status("a", storage.Running)}, slow + " hit taskmanager-1 in job first; no job had to come back"},
	} {
		h := &history.History{Events: slices.Concat(first, c.events)}
		renumber(h)
		for i := range h.Events {
			h.Events[i].AtMicros = int64(i) * 1000
		}
		h.Header.Scenario.Workload.Name = "counts"
		if got := oracle.Judge(h).Numbers.Recoveries[0].String(); got != c.want {
			t.Errorf("%s:\nwant %s\ngot  %s", c.what, c.want, got)
		}
	}
}

// The adaptive scheduler of Flink accepts a job, and lets it fail before it runs.
func TestAJobThatFailsBeforeItRunsIsRefused(t *testing.T) {
	for _, c := range []struct {
		what    string
		status  []storage.JobStatus
		refused bool
	}{
		{"fails", []storage.JobStatus{storage.Failed}, true},
		{"runs, and fails", []storage.JobStatus{storage.Running, storage.Failed}, false},
		{"does nothing", nil, false},
	} {
		h := good(t, refused)
		accept("second")(h)
		at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Accepted && e.Job == "second" })
		id := h.Events[at].ID
		for i, status := range c.status {
			h.Events = slices.Insert(h.Events, at+1+i, history.Event{Kind: history.Status, ID: id, Status: status})
		}
		renumber(h)
		j := oracle.Judge(h)
		accused := slices.ContainsFunc(j.Findings, func(f oracle.Finding) bool { return strings.Contains(f.Problem, "job second was accepted") })
		unsaid := slices.Contains(j.Requirements, oracle.RequirementVerdict{ID: "REC-06", Verdict: oracle.Void}) // no refusal names the path
		if unsaid != c.refused {
			t.Errorf("%s: want REC-06 void: %v, got %v", c.what, c.refused, j.Requirements)
		}
		if accused == c.refused {
			t.Errorf("%s: want a finding: %v, got %v", c.what, !c.refused, accused)
		}
	}
}

// A fault that may have brought another JobManager leaves open how many failures the job has counted.
func TestHowManyCheckpointsFailedInARow(t *testing.T) {
	aborted := func(id int64) history.Event {
		return history.Event{Kind: history.Aborted, ID: "a", Checkpoint: id, Label: "CHECKPOINT_EXPIRED"}
	}
	status := func(s storage.JobStatus, why string) history.Event {
		return history.Event{Kind: history.Status, ID: "a", Status: s, Error: why}
	}
	fault := func(text, process string) history.Event {
		return history.Event{Kind: history.Fault, Fault: text, Process: process}
	}
	const tooMany = "2 failed, see execution.checkpointing.tolerable-failed-checkpoints"
	restarted, goesOn := status(storage.Restarting, tooMany), history.Event{Kind: history.Triggered, ID: "a", Checkpoint: 9}
	for _, c := range []struct {
		what   string
		events []history.Event
		want   []string
	}{
		{"two failed", []history.Event{aborted(1), aborted(2), restarted}, nil},
		{"one failed", []history.Event{aborted(1), restarted}, []string{"TRG-10"}},
		{"two failed, and the job goes on", []history.Event{aborted(1), aborted(2), goesOn}, []string{"TRG-11"}},
		{"one failed before a TaskManager died", []history.Event{aborted(1), fault("(Kill taskmanager)", "taskmanager-1"), aborted(2), goesOn}, []string{"TRG-11"}},
		{"one failed before the JobManager paused", []history.Event{aborted(1), fault("(Pause jobmanager)", "jobmanager-1"), aborted(2), restarted}, nil},
		{"the same, and the job goes on", []history.Event{aborted(1), fault("(Pause jobmanager)", "jobmanager-1"), aborted(2), goesOn}, nil},
		{"one failed before another JobManager led", []history.Event{aborted(1), {Kind: history.Leads, Process: "jobmanager-2"}, aborted(2), restarted}, []string{"TRG-10"}},
	} {
		h := &history.History{Events: slices.Concat([]history.Event{{Kind: history.Submit, Job: "first"}, {Kind: history.Accepted, Job: "first", ID: "a"}, status(storage.Running, "")}, c.events)}
		renumber(h)
		h.Header.Scenario.Workload.Name = "counts"
		h.Header.Scenario.Job.Tolerable = 1
		h.Header.Scenario.Job.Restarts = 5
		var got []string
		for _, f := range oracle.Judge(h).Findings {
			if strings.HasPrefix(f.Requirement, "TRG-1") {
				got = append(got, f.Requirement)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: want %v, got %v", c.what, c.want, got)
		}
	}
}
