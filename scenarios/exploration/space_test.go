package exploration_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/exploration"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
)

// flinkLike has the features of a Flink whose checkpoints pass through a mount.
var flinkLike = exploration.Space{
	Features: []scenarios.Feature{
		scenarios.Restart, scenarios.Resume, scenarios.Trigger, scenarios.Retention, scenarios.Kill, scenarios.Rescale, scenarios.Claim,
		scenarios.Modes, scenarios.Tap,
	},
	Backends: []string{"full", "incremental", "changelog"},
}

func TestASpaceDrawsValidScenariosOfItsFeatures(t *testing.T) {
	for seed := range uint64(2000) {
		s := flinkLike.Draw(fmt.Sprintf("explored/seed-%d", seed), exploration.Seeded(seed))
		if err := s.Validate(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, feature := range s.Features {
			if !slices.Contains(flinkLike.Features, feature) {
				t.Fatalf("seed %d needs %s, which the space lacks", seed, feature)
			}
		}
		least := time.Duration(s.Workload.Total()) * s.Workload.Pause / time.Duration(s.Cluster.TaskManagers)
		if least < 150*time.Millisecond || least > 15*time.Second {
			t.Errorf("seed %d: the jobs need at least %s, which does not suit a real engine", seed, least)
		}
	}
}

func TestOnlyRestrictsTheChoices(t *testing.T) {
	only, err := flinkLike.ParseOnly([]string{"backend=changelog", "faults=none"})
	if err != nil {
		t.Fatal(err)
	}
	restricted := flinkLike
	restricted.Only = only
	for seed := range uint64(500) {
		s := restricted.Draw("explored/only", exploration.Seeded(seed))
		if s.Job.Backend != "changelog" || slices.ContainsFunc(s.Steps, scenarios.Step.HasFault) {
			t.Fatalf("seed %d: got backend %s and steps %+v", seed, s.Job.Backend, s.Steps)
		}
	}
}

func TestOnlyRefusesWhatNoScenarioHas(t *testing.T) {
	for text, want := range map[string]string{
		"backends=changelog": `want LABEL=TEXT, with one of the labels "backend",`,
		"backend=rocksdb":    `backend: want some of "full", "incremental", "changelog", got "rocksdb"`,
		"backend":            `got ""`,
	} {
		if _, err := flinkLike.ParseOnly([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want …%s…, got %v", text, want, err)
		}
	}
}

// The chain of jobs that shows a known mistake of Flink must not be rare.
func TestASpaceDrawsChainsOfJobs(t *testing.T) {
	seen := map[string]int{}
	const draws = 2000
	for seed := range uint64(draws) {
		for _, tag := range exploration.Tags(flinkLike.Draw("explored/chain", exploration.Seeded(seed))) {
			seen[tag]++
		}
	}
	for _, tag := range []string{"resumed", "resumed twice", "rescaled up", "rescaled down", "rescaled up, then down", "claim mode CLAIM", "rolled back", "many keys", "several retained"} {
		if seen[tag] < draws/50 {
			t.Errorf("%s: want it in at least 1 of 50 scenarios, got %d of %d", tag, seen[tag], draws)
		}
	}
}

// After a drain the workload rules puts out what its model does not know.
func TestNoScenarioDrainsRules(t *testing.T) {
	space := flinkLike
	space.Features = append(slices.Clone(space.Features), scenarios.Workloads, scenarios.Savepoint)
	drained := 0
	for seed := range uint64(1000) {
		for _, s := range []scenarios.Scenario{space.Draw("explored/drain", exploration.Seeded(seed)), exploration.Draw("explored/drain", exploration.Seeded(seed))} {
			if !slices.Contains(exploration.Tags(s), "savepoint drain") {
				continue
			}
			if drained++; s.Workload.Name == workload.Rules {
				t.Errorf("seed %d drains the workload %s", seed, s.Workload.Name)
			}
		}
	}
	if drained == 0 {
		t.Error("want some scenario with a drain, got none")
	}
}

// After a resume with NO_CLAIM the changelog backend completes no checkpoint.
func TestNoSpaceResumesAChangelogUnclaimed(t *testing.T) {
	resumed := 0
	for seed := range uint64(2000) {
		s := flinkLike.Draw("explored/changelog", exploration.Seeded(seed))
		for _, step := range s.Steps {
			if s.Job.Backend != "changelog" || step.Submit == nil || step.Submit.Restore == "" {
				continue
			}
			if resumed++; step.Submit.ClaimMode != storage.Claim {
				t.Errorf("seed %d: want CLAIM, got %+v", seed, *step.Submit)
			}
		}
	}
	if resumed == 0 {
		t.Error("want some job with the changelog backend that resumes, got none")
	}
}

// ForSt refuses savepoints in the canonical format, and the job fails.
func TestNoSpaceTakesSavepointsOfForSt(t *testing.T) {
	space := flinkLike
	space.Features, space.Backends = append(slices.Clone(space.Features), scenarios.Savepoint), []string{"hashmap", "forst"}
	seen := map[string]bool{}
	for seed := range uint64(500) {
		s := space.Draw("explored/forst", exploration.Seeded(seed))
		for _, step := range s.Steps {
			if step.Savepoint != nil {
				seen[s.Job.Backend] = true
				if s.Workload.Splits < s.Cluster.TaskManagers {
					t.Errorf("seed %d: want a split for each subtask, got %d", seed, s.Workload.Splits)
				}
			}
		}
	}
	if seen["forst"] || !seen["hashmap"] {
		t.Errorf("want savepoints only with hashmap, got them with %v", seen)
	}
}

func plan(first uint64) *exploration.Plan {
	return flinkLike.Plan(first, 2, func(seed uint64) string { return fmt.Sprintf("explored/seed-%d", seed) })
}

// A campaign that was interrupted draws the rest of its scenarios in any order.
func TestAPlanDrawsTheSameScenarioFromASeed(t *testing.T) {
	one, other := plan(3), plan(3)
	for n := range uint64(50) {
		early, late := 3+2*n, 3+2*(49-n)
		one.Draw(early)
		if got, want := other.Draw(late), plan(3).Draw(late); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: want %+v, got %+v", late, want, got)
		}
	}
}

func TestAPlanHasMostPairsSoon(t *testing.T) {
	all, planned, drawn := flinkLike.Pairs(), exploration.Pairs{}, exploration.Pairs{}
	p := plan(1)
	rescaled := 0
	for n := range uint64(100) {
		s := p.Draw(1 + 2*n)
		planned.Add(s)
		drawn.Add(flinkLike.Draw("explored/drawn", exploration.Seeded(1+2*n)))
		if slices.Contains(exploration.Tags(s), "rescaled up, then down") {
			rescaled++
		}
	}
	if len(planned)*10 < len(all)*9 || len(planned) <= len(drawn) {
		t.Errorf("want more than 9 in 10 of %d pairs, and more than the %d of chance alone, got %d", len(all), len(drawn), len(planned))
	}
	if rescaled < 10 {
		t.Errorf("want a chain that is rescaled up and then down in at least 10 of 100 scenarios, got %d", rescaled)
	}
}

func ExampleTags() {
	s := flinkLike.Draw("explored/seed-3", exploration.Seeded(3))
	fmt.Println(exploration.Tags(s)[:2])
	// Output: [workload counts retention RETAIN_ON_CANCELLATION]
}

// Settings are drawn only for a target that has them.
func TestASpaceDrawsSettingsAndConfigurationsOfSubmissions(t *testing.T) {
	with := flinkLike
	with.Settings = exploration.Settings()
	seen := map[string]int{}
	for seed := range uint64(2000) {
		plain := flinkLike.Draw("explored/plain", exploration.Seeded(seed))
		if len(plain.Cluster.Settings)+len(plain.Job.Settings) > 0 {
			t.Fatalf("seed %d: the space has no settings, got %v and %v", seed, plain.Cluster.Settings, plain.Job.Settings)
		}
		s := with.Draw("explored/with", exploration.Seeded(seed))
		if err := s.Validate(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, tag := range exploration.Tags(s) {
			seen[tag]++
		}
		for _, step := range s.Steps {
			if step.Wait > 0 {
				seen["wait"]++
			}
		}
	}
	wanted := []string{"another configuration", "older checkpoint", "damaged metadata", "wait"}
	for _, setting := range exploration.Settings() {
		wanted = append(wanted, "setting "+setting.Key)
	}
	for _, tag := range wanted {
		if seen[tag] < 20 {
			t.Errorf("%s: want it at least 20 times, got %d", tag, seen[tag])
		}
	}
}
