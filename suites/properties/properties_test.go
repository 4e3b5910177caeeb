// Package properties lets the library rapid draw what happens to the reference engine: workload,
// configuration, faults and schedule. When a property does not hold, rapid makes its choices
// smaller.
//
// Package scenarios/exploration turns the choices into scenarios. The oracles check the properties.
// Start with [TestWhateverHappens].
package properties_test

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"

	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/exploration"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
)

// choices lets the library rapid make the choices of an exploration.
type choices struct{ t *rapid.T }

func (c choices) Int(label string, low, high int) int {
	return rapid.IntRange(low, high).Draw(c.t, label)
}

// runOnce runs a scenario once, on the simulated engine.
func runOnce(on target.Target, s scenarios.Scenario, seed uint64) (run.Result, *history.History) {
	return explore.Campaign{Target: on, Timeout: time.Minute}.RunHistory(context.Background(), seed, s)
}

// judge fails the test if the verdict is fail or error. It prints the steps of the scenario in a
// readable form.
func judge(t *rapid.T, s scenarios.Scenario, seed uint64, result run.Result) {
	if result.Verdict != oracle.Fail && result.Verdict != oracle.Error {
		return
	}
	text, err := yaml.Marshal(s.Steps)
	if err != nil {
		t.Fatal(err)
	}
	t.Fatalf("%s %s\nseed %d, %+v, %+v, %+v\n%s%+v", result.Verdict, result.Reason, seed, s.Workload, s.Cluster, s.Job, text, result.Findings)
}

// These properties hold in every scenario. Each output is committed exactly once. A complete
// checkpoint can be restored until it is subsumed or discarded. A file stays as long as a
// checkpoint refers to it, and then it is deleted. Restored state is the result of the first part
// of the input. Recovery ends within a time limit.
func TestWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := exploration.Draw("explored/rapid", choices{t})
		seed := rapid.Uint64Range(0, 1000).Draw(t, "schedule")
		result, _ := runOnce(reference.Simulated{}, s, seed)
		judge(t, s, seed, result)
	})
}

// Every scenario that a campaign draws passes. The same seed gives the same history, byte for byte.
func TestCampaign(t *testing.T) {
	campaign := explore.Campaign{
		Target: reference.Simulated{}, Stride: 1, Parallel: runtime.NumCPU(), Timeout: time.Minute,
		Draw: exploration.NewBlocks().Draw,
		// Open, a mistake of the reference: a subtask that finishes early takes its part of a union list
		// along, and a later savepoint does not hold it. Flink refuses such a savepoint.
		Skip: map[uint64]bool{3908: true},
	}
	for _, c := range []struct {
		first uint64
		runs  int
		twice bool
	}{{0, 1000, true}, {1000, 5000, false}} {
		campaign.First, campaign.Runs, campaign.Twice = c.first, c.runs, c.twice
		passed := 0
		campaign.Run(context.Background(), func(seed uint64, result run.Result) {
			switch result.Verdict {
			case oracle.Pass:
				passed++
			case oracle.Fail, oracle.Error:
				t.Errorf("seed %d: %s %s %+v; see: snapback explore --seed %d --runs 1", seed, result.Verdict, result.Reason, result.Findings, seed)
			}
		})
		if passed < c.runs/2 {
			t.Errorf("only %d of %d runs proved something", passed, c.runs)
		}
	}
}

// The output does not depend on whether checkpoints are aligned or unaligned, on the state backend,
// or on the storage of checkpoints.
func TestModesAreAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawn := exploration.Draw("explored/rapid", choices{t})
		if !determined(drawn) {
			t.Skip("the output is not determined")
		}
		seed := rapid.Uint64Range(0, 1000).Draw(t, "schedule")
		var first string
		for _, mode := range modes(drawn) {
			result, h := runOnce(reference.Simulated{Storage: mode.storage}, mode.scenario, seed)
			judge(t, mode.scenario, seed, result)
			if result.Verdict != oracle.Pass {
				continue // the run is void: a fault came after the job had finished
			}
			got := outcome(h, drawn.Workload)
			first = cmp.Or(first, got)
			if got != first {
				t.Fatalf("%+v: the output depends on the mode: want\n%s\ngot\n%s", mode.scenario.Job, first, got)
			}
		}
	})
}

// determined says whether the output of a scenario depends on no moment: each record is applied
// exactly once, the last job finishes, and no window is drained before its end.
func determined(s scenarios.Scenario) bool {
	drained := slices.ContainsFunc(s.Steps, func(step scenarios.Step) bool { return step.Savepoint != nil && step.Savepoint.Stop == scenarios.Drain })
	last := s.Steps[len(s.Steps)-2].Await
	return !s.Job.AtLeastOnce && last.Status == storage.Finished && (!drained || s.Workload.Name != workload.Windows)
}

// mode is one way in which a job takes checkpoints: with a state backend, with aligned or unaligned
// checkpoints, and on a storage.
type mode struct {
	scenario scenarios.Scenario
	storage  reference.Storage
}

// modes returns a scenario in all modes.
func modes(drawn scenarios.Scenario) []mode {
	var all []mode
	for _, place := range []string{"", "s3://bucket/checkpoints", "jobmanager"} {
		if place == "jobmanager" && !needsNoStorage(drawn) {
			continue
		}
		on, err := reference.ParseStorage(place)
		if err != nil {
			panic(err) // these storages are valid
		}
		for _, backend := range []string{"full", "incremental", "changelog"} {
			for _, unaligned := range []bool{false, true} {
				s := drawn
				s.Job.Backend, s.Job.Unaligned, s.Job.AlignmentTimeout, s.Job.MaxConcurrent = backend, unaligned, 0, 1
				s.Features = s.Needed()
				all = append(all, mode{s, on})
			}
		}
	}
	return all
}

// needsNoStorage says whether a scenario's jobs can run without checkpoints on storage. This is so
// if no job resumes from a checkpoint, and if the cluster has no high availability. With high
// availability, a new JobManager must find the checkpoints of the JobManager before it.
func needsNoStorage(s scenarios.Scenario) bool {
	return s.Cluster.JobManagers == 0 && !slices.ContainsFunc(s.Steps, func(step scenarios.Step) bool { return step.Submit != nil && step.Submit.Restore != "" })
}

// outcome returns the part of a run's output that does not depend on the order in which records of
// different splits arrive.
func outcome(h *history.History, w workload.Workload) string {
	model := w.Model()
	var lines []string
	for _, e := range h.Events {
		if e.Kind != history.Output {
			continue
		}
		for _, text := range e.Lines {
			if line, err := model.Parse(text); err == nil {
				lines = append(lines, fmt.Sprintf("%s, value %d", model.Name(line.ID), line.Value))
			}
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// The output of a job stays the same if the job is resumed with another parallelism.
func TestRescaledEqualsNotRescaled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rescaling(t)
		seed := rapid.Uint64Range(0, 1000).Draw(t, "schedule")
		rescaled, h := runOnce(reference.Simulated{}, s, seed)
		judge(t, s, seed, rescaled)
		kept := s
		kept.Steps = slices.Clone(s.Steps)
		for i, step := range kept.Steps {
			if step.Submit != nil {
				submit := *step.Submit
				submit.Parallelism = 0
				kept.Steps[i].Submit = &submit
			}
		}
		not, h2 := runOnce(reference.Simulated{}, kept, seed)
		judge(t, kept, seed, not)
		if rescaled.Verdict != oracle.Pass || not.Verdict != oracle.Pass {
			return // a run is void: a step came after the job had finished
		}
		if got, want := outcome(h, s.Workload), outcome(h2, s.Workload); got != want {
			t.Fatalf("rescaled:\n%s\nnot rescaled:\n%s", got, want)
		}
	})
}

// rescaling draws a scenario in which a job is canceled and resumed with another parallelism.
func rescaling(t *rapid.T) scenarios.Scenario {
	s := exploration.Draw("explored/rapid", choices{t})
	s.Cluster = scenarios.Cluster{TaskManagers: 3, Retained: 1}
	if s.Job.ParallelismMax > 0 {
		s.Job.ParallelismMax = max(s.Job.ParallelismMax, s.Cluster.TaskManagers)
	}
	s.Job.Retention, s.Job.AtLeastOnce, s.Job.Timeout = "RETAIN_ON_CANCELLATION", false, 10*time.Second
	s.Requirements = []string{"REC-02"}
	s.Steps = nil
	names := []string{"first", "second", "third"}
	for i, name := range names {
		submit := scenarios.Submit{Job: name, Parallelism: rapid.IntRange(1, 3).Draw(t, "parallelism")}
		if i > 0 {
			submit.Restore = names[i-1]
		}
		s.Steps = append(s.Steps, scenarios.Step{Submit: &submit})
		if i < len(names)-1 {
			s.Steps = append(s.Steps,
				scenarios.Step{Await: &scenarios.Await{Job: name, Completed: 1}}, scenarios.Step{Cancel: name},
				scenarios.Step{Await: &scenarios.Await{Job: name, Status: "CANCELED"}})
		}
	}
	s.Steps = append(s.Steps, scenarios.Step{Await: &scenarios.Await{Job: "third", Status: "FINISHED"}}, scenarios.Step{Record: "after"})
	s.Features = s.Needed()
	return s
}
