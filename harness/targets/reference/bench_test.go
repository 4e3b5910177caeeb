package reference_test

import (
	"context"
	"testing"
	"time"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
)

// BenchmarkKillAndRecover is one kill in the middle of a checkpoint, recovery, the
// rest of the job (200 records), and judgement, in the simulator.
func BenchmarkKillAndRecover(b *testing.B) {
	all, err := scenarios.Catalogue()
	if err != nil {
		b.Fatal(err)
	}
	chosen, err := scenarios.Select(all, []string{"recovery/kill-taskmanager-mid-checkpoint"})
	if err != nil {
		b.Fatal(err)
	}
	chosen[0].Workload.Records, chosen[0].Workload.Pause = 100, 30*time.Millisecond
	seed := uint64(0)
	for b.Loop() {
		seed++
		runner := harness.Runner{Target: reference.Simulated{}, Seed: seed, Dir: b.TempDir(), Timeout: time.Minute}
		if r := runner.Run(context.Background(), chosen, func(harness.Result) {})[0]; r.Verdict != oracle.Pass {
			b.Fatal(r.Verdict, r.Reason, r.Findings)
		}
	}
}
