package reference_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/reference"
)

var update = flag.Bool("update", false, "rewrite golden files")

// A change that only restructures code changes no history. The golden file has a digest for each of
// ten seeds. A digest covers the histories of the whole catalogue. A change of behavior changes the
// digests. Then check what changed, and run:
//
//	go test ./harness/targets/reference -run GoldenDigests -update
func TestGoldenDigests(t *testing.T) {
	var digests strings.Builder
	for seed := uint64(1); seed <= 10; seed++ {
		runner := run.Runner{Target: reference.Simulated{}, Seed: seed, Parallel: runtime.NumCPU(), Timeout: time.Minute}
		digest := sha256.New()
		for _, result := range runner.Run(t.Context(), catalogue(t, "**"), func(run.Result) {}) {
			_, _ = fmt.Fprintln(digest, result.Scenario, result.History) // cannot fail
		}
		_, _ = fmt.Fprintf(&digests, "%d %x\n", seed, digest.Sum(nil))
	}
	const name = "testdata/histories.golden"
	if *update {
		if err := os.WriteFile(name, []byte(digests.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(golden) != digests.String() {
		t.Errorf("histories differ from %s; see this test's comment. Want\n%sgot\n%s", name, golden, digests.String())
	}
}

// The tests of the oracles use shortened histories of the simulated reference. This test writes
// these histories:
//
//	go test ./harness/targets/reference -run GoldenHistories -update
func TestGoldenHistories(t *testing.T) {
	for _, pattern := range []string{
		"recovery/kill-taskmanager-mid-checkpoint", "recovery/kill-cancel-resume",
		"recovery/resume-twice", "recovery/resume-without-metadata",
		"cleanup/cancel/retention=RETAIN_ON_CANCELLATION", "cleanup/cancel/retention=DELETE_ON_CANCELLATION",
		"durability/power-loss-after-publish", "rollback/savepoint", "savepoints/drained", "savepoints/drained-windows", "savepoints/stopped-windows",
	} {
		for _, s := range catalogue(t, pattern) {
			s.Workload.Splits, s.Workload.Keys = 2, 4
			if strings.HasPrefix(s.Name, "recovery/") || strings.HasPrefix(s.Name, "rollback/") {
				s.Workload.Records, s.Workload.Pause = s.Workload.Records/30, 30*s.Workload.Pause
			}
			result := runAll(t, 7, s)[0]
			if result.Verdict != oracle.Pass || result.Tries != 1 {
				t.Fatalf("%s: %+v", s.Name, result)
			}
			name := filepath.Join("..", "..", "oracle", "testdata", strings.ReplaceAll(s.Name, "/", "-")+".jsonl")
			if *update {
				if err := os.WriteFile(name, history(t, result), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(golden, history(t, result)) {
				t.Errorf("%s: seed 7 no longer gives the history in %s; see this test's comment", s.Name, name)
			}
		}
	}
}
