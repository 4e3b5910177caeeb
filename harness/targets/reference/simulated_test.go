package reference_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
)

// catalogue is what the simulator claims to be able to do.
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
	return slices.DeleteFunc(chosen, func(s scenarios.Scenario) bool { return len(harness.Unclaimed(reference.Simulated{}, s)) > 0 })
}

func run(t *testing.T, seed uint64, chosen ...scenarios.Scenario) []harness.Result {
	t.Helper()
	runner := harness.Runner{
		Target: reference.Simulated{}, Seed: seed, Dir: t.TempDir(), Parallel: 2, Timeout: time.Minute,
	}
	return runner.Run(context.Background(), chosen, func(harness.Result) {})
}

// history returns all that a scenario's tries wrote.
func history(t *testing.T, result harness.Result) []byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(result.Dir), "*", harness.HistoryName))
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

// One integer decides everything: for 100 seeds, two runs write the same bytes.
func TestTheSameSeedGivesTheSameHistory(t *testing.T) {
	chosen := catalogue(t, "**")
	for seed := range uint64(100) {
		s := chosen[seed%uint64(len(chosen))]
		first, second := run(t, seed, s)[0], run(t, seed, s)[0]
		if first.Verdict != oracle.Pass {
			t.Errorf("seed %d, %s: %s %s %v", seed, s.Name, first.Verdict, first.Reason, first.Findings)
		}
		if !bytes.Equal(history(t, first), history(t, second)) {
			t.Errorf("seed %d, %s: two runs wrote different histories", seed, s.Name)
		}
	}
}

// Every scenario holds wherever checkpoints are kept.
func TestEveryScenarioHoldsOnEveryStorage(t *testing.T) {
	for _, text := range []string{"jobmanager", "s3://bucket/checkpoints", "file:///elsewhere/checkpoints"} {
		place, err := reference.ParseStorage(text)
		if err != nil {
			t.Fatal(err)
		}
		runner := harness.Runner{
			Target: reference.Simulated{Storage: place}, Seed: 5, Dir: t.TempDir(), Parallel: 2, Timeout: time.Minute,
		}
		for _, result := range runner.Run(context.Background(), catalogue(t, "**"), func(harness.Result) {}) {
			if !strings.HasPrefix(text, "file:") && (result.Scenario == "faults/full-disk" || result.Scenario == "faults/dropped-sync") {
				continue // there are no files to write and to sync
			}
			if result.Verdict != oracle.Pass || result.Target.Storage != text {
				t.Errorf("%s on %s: %s %s %v", result.Scenario, text, result.Verdict, result.Reason, result.Findings)
			}
		}
	}
}

func TestAnotherSeedGivesAnotherHistory(t *testing.T) {
	s := catalogue(t, "recovery/kill-cancel-resume")[0]
	if bytes.Equal(history(t, run(t, 1, s)[0]), history(t, run(t, 2, s)[0])) {
		t.Error("seeds 1 and 2 wrote the same history")
	}
}
