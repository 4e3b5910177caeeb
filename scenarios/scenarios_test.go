package scenarios_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/scenarios"
)

func catalogue(t *testing.T) []scenarios.Scenario {
	t.Helper()
	all, err := scenarios.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryRequirementHasAScenarioAndIsWellFormed(t *testing.T) {
	checked := map[string]bool{}
	for _, s := range catalogue(t) {
		for _, id := range s.Requirements {
			checked[id] = true
		}
	}
	known, err := scenarios.Requirements()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range known {
		if !checked[r.ID] {
			t.Errorf("%s: no scenario checks it", r.ID)
		}
		if seen[r.ID] || !regexp.MustCompile(`^(REC|CLN|LAY|JMS|FSS|SHR|MET|MOD|RSC|TRG|CFG|DUR|LIV)-\d\d$`).MatchString(r.ID) {
			t.Errorf("%s: want an id AREA-NN, used once", r.ID)
		}
		if !regexp.MustCompile(`MUST|SHOULD|MAY|may`).MatchString(r.Text) || r.Source == "" {
			t.Errorf("%s: want words of RFC 2119 and a source", r.ID)
		}
	}
}

func TestScenariosHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range catalogue(t) {
		if seen[s.Name] {
			t.Errorf("two files have a scenario with the name %s", s.Name)
		}
		seen[s.Name] = true
	}
}

func TestSelect(t *testing.T) {
	all := catalogue(t)
	for pattern, want := range map[string]int{
		"recovery/kill-cancel-resume": 1,
		"recovery/*":                  15,
		"cleanup":                     13,
		"cleanup/cancel":              3,
		"cleanup/*/retention=DELETE_ON_CANCELLATION":       4,
		"**/retention=DELETE_ON_CANCELLATION":              4,
		"cleanup/cancel/retention=RETAIN_ON_CANCELLATION/": 1,
		"**": len(all),
	} {
		chosen, err := scenarios.Select(all, []string{pattern})
		if err != nil || len(chosen) != want {
			t.Errorf("%s: want %d scenarios, got %d, %v", pattern, want, len(chosen), err)
		}
	}
	_, err := scenarios.Select(all, []string{"recovery/kill-taskmanger"})
	if err == nil || !strings.Contains(err.Error(), `no scenario matches "recovery/kill-taskmanger" (did you mean recovery/`) {
		t.Errorf("got %v", err)
	}
}

// Each fault needs a feature. A scenario with the fault must name this feature.
func TestEveryFaultNeedsAFeature(t *testing.T) {
	for _, fault := range faults.Catalogue() {
		parsed, err := scenarios.Parse("mine.yaml", []byte(valid))
		if err != nil {
			t.Fatal(err)
		}
		s := parsed[0]
		s.Steps = slices.Insert(s.Steps, 1, scenarios.Step{Fault: &fault})
		if fault.Whom() == faults.Same {
			s.Steps = slices.Insert(s.Steps, 1, scenarios.Step{Fault: &faults.Fault{Action: faults.Slow{Process: faults.JobManager, SharePercent: 50}}})
			fault = fault.At(faults.JobManager)
		}
		if fault.Needs() == "" {
			if _, heals := fault.Action.(faults.Heal); !heals {
				t.Errorf("%s needs no feature of a target", fault)
			}
			continue
		}
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "among them") {
			t.Errorf("%s: want an error without features, got %v", fault, err)
		}
		if s.Features = s.Needed(); !slices.Contains(s.Features, scenarios.Feature(fault.Needs())) {
			t.Errorf("%s: want %s among the features, got %v", fault, fault.Needs(), s.Features)
		}
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", fault, err)
		}
	}
}

const valid = `
name: mine
title: A scenario of my own
requirements: [REC-02]
workload: {splits: 1, records: 10, keys: 2}
cluster: {taskManagers: 1, retained: 1}
job: {parallelism: 1, interval: 50ms, retention: RETAIN_ON_CANCELLATION}
steps:
  - submit: {job: first}
  - await: {job: first, status: FINISHED}
`

func TestBadFilesAreRefusedWithTheReason(t *testing.T) {
	if _, err := scenarios.Parse("mine.yaml", []byte(valid)); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct{ old, replacement, want string }{
		{"name: mine", "name: Mine!", "name: want words of a-z"},
		{"title: A scenario of my own", "", "title: want a sentence"},
		{"[REC-02]", "[]", "requirements: want at least one"},
		{"[REC-02]", "[REC-99]", `no requirement has the id "REC-99"`},
		{"splits: 1", "splits: 0", "workload: splits: want 1 to 1024, got 0"},
		{"splits: 1", "split: 1", `unknown field "split"`},
		{"taskManagers: 1", "taskManagers: 99", "cluster.taskManagers: want 1 to 16, got 99"},
		{"parallelism: 1", "parallelism: 2", "job.parallelism: want 1 to 1, one slot for each TaskManager, got 2"},
		{"interval: 50ms", "interval: 5ms", "job.interval: want 10ms or more, got 5ms"},
		{"interval: 50ms", "interval: soon", "soon"},
		{"RETAIN_ON_CANCELLATION", "RETAIN", "job.retention: want one of"},
		{"- submit: {job: first}", "- submit: {job: first}\n  - submit: {job: second, restore: first, from: nowhere}", `want savepoint, incomplete, nothing, origin, {checkpoint: N}, {path: PATH} or none, got "nowhere"`},
		{"- submit: {job: first}", "- submit: {job: first}\n  - submit: {job: second, restore: first, from: {checkpoint: -1}}", "from: want savepoint"},
		{"- submit: {job: first}", "- submit: {job: first}\n  - submit: {job: second, restore: first, from: {checkpoint: 1, path: /a}}", "from: want savepoint"},
		{"- submit: {job: first}", "- submit: {job: first}\n  - submit: {job: second, restore: first, from: {}}", "got no checkpoint and no path"},
		{"- submit: {job: first}", "- submit: {job: first}\n  - submit: {job: second, restore: first, refused: 3}", "refused: want true, or a part of the reason in quotes"},
		{"- submit: {job: first}", "- submit: {job: first, with: {interval: 1ms}}", "step 1: submit: with.interval: want 10ms or more, got 1ms"},
		{"- submit: {job: first}", "- submit: {job: first, with: {intervall: 1s}}", `unknown field "intervall"`},
		{"- submit: {job: first}", "- submit: {job: first, with: {unaligned: true}}", "features: want modes among them"},
		{"- submit: {job: first}", "- submit: {job: first, allowNonRestored: true}", "step 1: submit: from and allowNonRestored are for a job to restore"},
		{"- submit: {job: first}", "- submit: {job: first}\n  - wait: -1s", "step 2: wait: want more than 0, got -1s"},
		{"- submit: {job: first}", "- submit: {job: first}\n  - damage: {file: '*', how: burn}", "step 2: damage: want a pattern for files, and how: one of [delete truncate flip restore]"},
		{"- submit: {job: first}", "- damage: {file: '*', how: flip}", "step 1: damage: want an earlier step that submits a job"},
		{"- submit: {job: first}", "- submit: {job: first}\n  - upgrade: 2.3.0", "features: want upgrade among them"},
		{"workload:", "features: [kill]\nworkload:@- submit: {job: first}\n  - fault: (Kill same)", "step 2: fault: (Kill same): want an earlier fault of a taskmanager or of the jobmanager"},
		{"interval: 50ms", "interval: 50ms, settings: {execution.checkpointing.interval: 1s}", "job.settings: execution.checkpointing.interval: use the field job.interval"},
		{"retained: 1", "retained: 1, settings: {state.checkpoints.dir: /tmp}", "cluster.settings: state.checkpoints.dir: the harness sets this key itself"},
		{"- submit: {job: first}", "- submit: {job: first, with: {settings: {pipeline.max-parallelism: 7}}}", "with.settings: pipeline.max-parallelism: use the field job.maxParallelism"},
		{"interval: 50ms", "interval: 50ms, backend: rocksdbb", `job.backend: want one of [full incremental changelog hashmap rocksdb forst], got "rocksdbb"`},
		{"workload:", "features: [kill]\nworkload:@- start: everything", "step 1: start: want one of [taskmanager jobmanager broker]"},
		{"- submit: {job: first}", "- fault: (Kill all)", `fault "(Kill all)": at byte 6: want a process`},
		{"- submit: {job: first}", "- {cancel: first, fail: first}", "step 1: want one thing to do, got 2"},
		{"- submit: {job: first}", "- cancel: first", `step 1: job "first" was not submitted before`},
		{"workload:", "features: [kill]\nworkload:@- fault: (Kill taskmanager)", "step 1: fault: want an earlier step that submits a job"},
		{"- submit: {job: first}", "- submit: {job: first}\n  - savepoint: {job: first, stop: now}", "features: want savepoint among them"},
		{"workload:", "features: [savepoint]\nworkload:@- submit: {job: first}\n  - savepoint: {job: first, stop: now}", "step 2: savepoint: stop: want suspend, drain or nothing"},
		{"interval: 50ms", "interval: 50ms, unaligned: true", "features: want modes among them"},
		{"taskManagers: 1", "taskManagers: 1, jobManagers: 2", "features: want ha among them"},
		{"splits: 1", "name: windows, splits: 1", "features: want workloads among them"},
		{"splits: 1", "name: nothing, splits: 1", "features: want workloads among them"},
		{"requirements: [REC-02]", "requirements: [REC-02]\nfeatures: [kill]\n# fault twice", "step 3: fault: want an earlier step that submits a job, and a TaskManager that still runs"},
		{"status: FINISHED", "status: CANCELLED", "step 2: await: status: want one of [CREATED RUNNING"},
		{"status: FINISHED", "completed: 1, status: FINISHED", "step 2: await: want a job, and one of completed, more, aborted and status"},
		{"job: first, status", "status", "step 2: await: want a job"},
		{"status: FINISHED", "completed: -1", "step 2: await: want a job, and one of completed"},
		{"{job: first}\n", "{job: first, from: savepoint}\n", "step 1: submit: from and allowNonRestored are for a job to restore"},
		{"workload:", "bound: -1s\nworkload:", "bound: want more than 0, got -1s"},
		{"interval: 50ms", "interval: 50ms, timeout: -1s", "job.timeout: want more than 0, got -1s"},
		{"workload:", "features: [flying]\nworkload:", `features: want some of`},
		{"status: FINISHED}", "status: FINISHED}\n---\nname: another", "want one scenario, got more than one document"},
		{"steps:\n  - submit: {job: first}\n  - await: {job: first, status: FINISHED}", "steps: [{record: x}]", "steps: want at least one that submits a job"},
		{"- submit: {job: first}", "- start: taskmanager", "features: want kill among them"},
		{"steps:", "steps: [", "scenario file mine.yaml: "},
	} {
		replacement, submit, twice := strings.Cut(bad.replacement, "@") // the text after @ replaces the step that submits the job
		text := strings.Replace(valid, bad.old, replacement, 1)
		if twice {
			text = strings.Replace(text, "- submit: {job: first}", submit, 1)
		}
		if strings.Contains(text, "# fault twice") {
			text = strings.Replace(text, "  - await", "  - fault: (Kill taskmanager)\n  - fault: (Kill taskmanager)\n  - await", 1)
		}
		if _, err := scenarios.Parse("mine.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: want an error with %q, got %v", bad.replacement, bad.want, err)
		}
	}
}

func ExampleSelect() {
	all, _ := scenarios.Catalogue()
	chosen, _ := scenarios.Select(all, []string{"recovery/*mid-checkpoint"})
	fmt.Println(chosen[0].Name)
	// Output: recovery/kill-taskmanager-mid-checkpoint
}
