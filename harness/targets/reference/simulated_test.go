package reference_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
)

// catalogue returns the scenarios that match the patterns and that the simulator can run.
func catalogue(t *testing.T, patterns ...string) []scenarios.Scenario {
	t.Helper()
	all, err := scenarios.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := scenarios.Select(all, patterns)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(chosen, func(s scenarios.Scenario) bool {
		return len(target.Unclaimed(reference.Simulated{}, s))+len(target.Unhonoured(reference.Simulated{}, s)) > 0
	})
}

func runAll(t *testing.T, seed uint64, chosen ...scenarios.Scenario) []run.Result {
	t.Helper()
	runner := run.Runner{
		Target: reference.Simulated{}, Seed: seed, Dir: t.TempDir(), Parallel: 2, Timeout: time.Minute,
	}
	return runner.Run(context.Background(), chosen, func(run.Result) {})
}

// history returns the histories of all tries of a scenario.
func history(t *testing.T, result run.Result) []byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(result.Dir), "*", run.HistoryName))
	if err != nil || len(files) != result.Tries {
		t.Fatalf("want the histories of %d tries, got %q, %v", result.Tries, files, err)
	}
	var all []byte
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}

// The seed decides everything. The test takes 100 seeds: two runs of the same seed write the same
// bytes.
func TestTheSameSeedGivesTheSameHistory(t *testing.T) {
	chosen := catalogue(t, "**")
	for seed := range uint64(100) {
		s := chosen[seed%uint64(len(chosen))]
		first, second := runAll(t, seed, s)[0], runAll(t, seed, s)[0]
		if first.Verdict != oracle.Pass {
			t.Errorf("seed %d, %s: %s %s %v", seed, s.Name, first.Verdict, first.Reason, first.Findings)
		}
		if !bytes.Equal(history(t, first), history(t, second)) {
			t.Errorf("seed %d, %s: two runs wrote different histories", seed, s.Name)
		}
	}
}

// needFiles lists scenarios whose faults hit an operation on files. needState lists scenarios whose
// faults hit an operation on files with state, and one that needs a checkpoint whose state stays when
// its `_metadata` is deleted. They prove nothing if checkpoints have no such files.
var (
	needFiles = []string{"durability/dropped-sync", "faults/dropped-sync", "faults/full-disk", "ha/kill-while-writing", "ha/read-error"}
	needState = []string{"cleanup/several", "leaks/canceled-while-writing", "leaks/expired", "leaks/failed-state", "modes/overtaken", "recovery/damaged-metadata", "state/inline", "tolerance/expired", "tolerance/in-a-row", "tolerance/state"}
)

// Every scenario passes on every storage, with two exceptions. A scenario is skipped on a storage if
// the target knows that its fault can never fire there. It is void if its fault does not fire.
func TestEveryScenarioHoldsOnEveryStorage(t *testing.T) {
	for text, voids := range map[string][]string{
		"jobmanager": append(slices.Clone(needState), needFiles[:3]...), "s3://bucket/checkpoints": needFiles, "file:///elsewhere/checkpoints": nil,
	} {
		place, err := reference.ParseStorage(text)
		if err != nil {
			t.Fatal(err)
		}
		impossible := map[string]bool{}
		for _, s := range catalogue(t, "**") {
			impossible[s.Name] = len(target.Unhonoured(reference.Simulated{Storage: place}, s)) > 0
		}
		runner := run.Runner{
			Target: reference.Simulated{Storage: place}, Seed: 5, Dir: t.TempDir(), Parallel: 2, Timeout: time.Minute,
		}
		for _, result := range runner.Run(context.Background(), catalogue(t, "**"), func(run.Result) {}) {
			want := oracle.Pass
			switch {
			case impossible[result.Scenario]:
				want = oracle.Skip
			case slices.Contains(voids, result.Scenario):
				want = oracle.Void
			}
			if result.Verdict != want || result.Target.Storage != text {
				t.Errorf("%s on %s: want %s, got %s %s %v", result.Scenario, text, want, result.Verdict, result.Reason, result.Findings)
			}
		}
	}
}

func TestAnotherSeedGivesAnotherHistory(t *testing.T) {
	s := catalogue(t, "recovery/kill-cancel-resume")[0]
	if bytes.Equal(history(t, runAll(t, 1, s)[0]), history(t, runAll(t, 2, s)[0])) {
		t.Error("seeds 1 and 2 wrote the same history")
	}
}
