// Package properties lets rapid draw what happens to the reference engine: workload,
// configuration, faults and schedule, as choices that it makes smaller when a property
// does not hold.
//
// What is drawn is package scenarios/exploration's; the properties are the oracles'.
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
)

// choices are rapid's.
type choices struct{ t *rapid.T }

func (c choices) Int(label string, low, high int) int {
	return rapid.IntRange(low, high).Draw(c.t, label)
}

// runOnce runs a scenario once, on the simulated engine.
func runOnce(on target.Target, s scenarios.Scenario, seed uint64) (run.Result, *history.History) {
	return explore.Campaign{Target: on, Timeout: time.Minute}.RunHistory(context.Background(), seed, s)
}

// judge fails with a scenario that a person can read.
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

// Exactly once; a checkpoint that is complete can be restored from until it is subsumed
// or discarded; nothing that is referred to is deleted; nothing else stays; what is
// restored is the fold of a prefix; recovery is bounded: whatever happens.
func TestWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := exploration.Draw("explored/rapid", choices{t})
		seed := rapid.Uint64Range(0, 1000).Draw(t, "schedule")
		result, _ := runOnce(reference.Simulated{}, s, seed)
		judge(t, s, seed, result)
	})
}

// What chance draws holds, and the same seed gives the same history, byte for byte.
func TestCampaign(t *testing.T) {
	campaign := explore.Campaign{
		Target: reference.Simulated{}, Stride: 1, Parallel: runtime.NumCPU(), Timeout: time.Minute,
		Draw: func(seed uint64) scenarios.Scenario {
			return exploration.Draw(fmt.Sprintf("explored/seed-%d", seed), exploration.Seeded(seed))
		},
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

// How barriers travel, how state is written and where it lies make no difference to
// what is put out.
func TestModesAreAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawn := exploration.Draw("explored/rapid", choices{t})
		if drawn.Job.AtLeastOnce {
			t.Skip("the output of at-least-once is not determined")
		}
		seed := rapid.Uint64Range(0, 1000).Draw(t, "schedule")
		var first string
		for _, mode := range modes(drawn) {
			result, h := runOnce(reference.Simulated{Storage: mode.storage}, mode.scenario, seed)
			judge(t, mode.scenario, seed, result)
			if result.Verdict != oracle.Pass {
				continue // it came too late for its job
			}
			got := outcome(h, drawn.Workload)
			first = cmp.Or(first, got)
			if got != first {
				t.Fatalf("%+v: another output\n%s\nthan\n%s", mode.scenario.Job, got, first)
			}
		}
	})
}

// mode is one of the ways to take checkpoints.
type mode struct {
	scenario scenarios.Scenario
	storage  reference.Storage
}

// modes spreads a scenario over all of them.
func modes(drawn scenarios.Scenario) []mode {
	var all []mode
	for _, place := range []string{"", "s3://bucket/checkpoints", "jobmanager"} {
		if place == "jobmanager" && !resumable(drawn) {
			continue
		}
		storage, err := reference.ParseStorage(place)
		if err != nil {
			panic(err) // they are good ones
		}
		for _, backend := range []string{"full", "incremental", "changelog"} {
			for _, unaligned := range []bool{false, true} {
				s := drawn
				s.Job.Backend, s.Job.Unaligned, s.Job.AlignmentTimeout, s.Job.MaxConcurrent = backend, unaligned, 0, 1
				s.Features = s.Needed()
				all = append(all, mode{s, storage})
			}
		}
	}
	return all
}

// resumable says whether a scenario's jobs can do without checkpoints on storage.
func resumable(s scenarios.Scenario) bool {
	return s.Cluster.JobManagers == 0 && !slices.ContainsFunc(s.Steps, func(step scenarios.Step) bool { return step.Submit != nil && step.Submit.Restore != "" })
}

// outcome is what a run put out, as far as it does not depend on the order in which
// records of different splits met.
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

// A job that is resumed with another parallelism puts out what one does that is not.
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
			return // it came too late for its job
		}
		if got, want := outcome(h, s.Workload), outcome(h2, s.Workload); got != want {
			t.Fatalf("rescaled:\n%s\nnot rescaled:\n%s", got, want)
		}
	})
}

// rescaling draws a job that is canceled and resumed with other parallelisms.
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
