package reference_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
)

func ExampleSimulated() {
	all, _ := scenarios.Catalogue()
	chosen, _ := scenarios.Select(all, []string{"recovery/kill-taskmanager-mid-checkpoint"})
	dir, _ := os.MkdirTemp("", "snapback-*")
	defer func() { _ = os.RemoveAll(dir) }()
	runner := run.Runner{Target: reference.Simulated{}, Seed: 42, Dir: dir, Timeout: time.Minute}
	for _, r := range runner.Run(context.Background(), chosen, func(run.Result) {}) {
		fmt.Println(r.Verdict, r.Numbers.Lost, "lost", r.Numbers.Doubled, "doubled")
	}
	// Output: pass 0 lost 0 doubled
}
