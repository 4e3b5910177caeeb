package reference_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snapback/snapback/harness/oracle"
)

var update = flag.Bool("update", false, "rewrite the histories that the oracles are tested on")

// The oracles are tested on histories of the simulated reference, shortened. They
// are made here, with: go test ./harness/targets/reference -run Golden -update
func TestGoldenHistories(t *testing.T) {
	for _, pattern := range []string{
		"recovery/kill-taskmanager-mid-checkpoint", "recovery/kill-cancel-resume",
		"recovery/resume-twice", "recovery/resume-without-metadata",
		"cleanup/cancel/retention=RETAIN_ON_CANCELLATION", "cleanup/cancel/retention=DELETE_ON_CANCELLATION",
		"durability/power-loss-after-publish",
	} {
		for _, s := range catalogue(t, pattern) {
			s.Workload.Splits, s.Workload.Keys = 2, 4
			if strings.HasPrefix(s.Name, "recovery/") {
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
