package explore_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/exploration"
)

// A scenario with four jobs fails if one job claims the checkpoint of another, and a third job
// resumes after it. The smallest scenario has three jobs, with little input and no other step.
func TestShrinkLeavesOutJobs(t *testing.T) {
	space := exploration.Space{
		Features: []scenarios.Feature{scenarios.Resume, scenarios.Retention, scenarios.Claim, scenarios.Rescale, scenarios.Modes},
		Backends: []string{"full", "changelog"},
	}
	fails := func(s scenarios.Scenario) bool {
		tags := exploration.Tags(s)
		return s.Job.Backend == "changelog" && slices.Contains(tags, "resumed twice") && slices.Contains(tags, "claim mode CLAIM")
	}
	shrunk := 0
	for seed := range uint64(200) {
		s := space.Draw("explored/chain", exploration.Seeded(seed))
		if !fails(s) {
			continue
		}
		shrunk++
		asked := 0
		smallest, _ := explore.Shrink(s, seed, 200, func(s scenarios.Scenario, _ uint64) bool {
			asked++
			return fails(s)
		})
		if len(smallest.Steps) != 3 || smallest.Workload.Records > 1 || asked > 120 {
			t.Errorf("seed %d: want 3 steps and little input after at most 120 asks, got %d asks and %+v", seed, asked, smallest)
		}
	}
	if shrunk < 5 {
		t.Errorf("want at least 5 scenarios that fail, got %d", shrunk)
	}
}

// The damage, the refusal and the repair belong together.
func TestShrinkLeavesOutDamage(t *testing.T) {
	space := exploration.Space{Features: []scenarios.Feature{scenarios.Resume, scenarios.Retention}, Backends: []string{"full"}}
	shrunk := 0
	damaged := func(step scenarios.Step) bool { return step.Damage != nil }
	for seed := range uint64(100) {
		s := space.Draw("explored/damaged", exploration.Seeded(seed))
		if !slices.ContainsFunc(s.Steps, damaged) {
			continue
		}
		shrunk++
		smallest, _ := explore.Shrink(s, seed, 200, func(s scenarios.Scenario, _ uint64) bool {
			damages, repairs := 0, 0
			for _, step := range s.Steps {
				switch {
				case step.Damage == nil:
				case step.Damage.How == scenarios.Restored:
					repairs++
				default:
					damages++
				}
			}
			return damages == repairs
		})
		if slices.ContainsFunc(smallest.Steps, damaged) {
			t.Errorf("seed %d: want no damage, got %+v", seed, smallest.Steps)
		}
	}
	if shrunk == 0 {
		t.Error("want some scenario with damage, got none")
	}
}

func TestShrinkAsksAboutNoScenarioTwice(t *testing.T) {
	space := exploration.Space{Features: []scenarios.Feature{scenarios.Resume, scenarios.Retention}, Backends: []string{"full"}}
	var asked []scenarios.Scenario
	explore.Shrink(space.Draw("explored/once", exploration.Seeded(1)), 0, 1000, func(s scenarios.Scenario, _ uint64) bool {
		if slices.ContainsFunc(asked, func(other scenarios.Scenario) bool { return reflect.DeepEqual(s, other) }) {
			t.Errorf("asked twice about %+v", s)
		}
		asked = append(asked, s)
		return len(asked)%3 == 0
	})
	if len(asked) < 20 {
		t.Errorf("want many questions, got %d", len(asked))
	}
}
