package explore_test

import (
	"fmt"
	"slices"

	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/scenarios"
)

// A scenario fails as long as a fault is in it. The smallest scenario that fails has the job, the
// fault, and nothing else.
func ExampleShrink() {
	all, err := scenarios.Catalogue()
	if err != nil {
		fmt.Println(err)
		return
	}
	at := slices.IndexFunc(all, func(s scenarios.Scenario) bool { return s.Name == "recovery/kill-cancel-resume" })
	fails := func(s scenarios.Scenario, _ uint64) bool {
		return slices.ContainsFunc(s.Steps, func(step scenarios.Step) bool { return step.Fault != nil })
	}
	smallest, seed := explore.Shrink(all[at], 7, 300, fails)
	fmt.Println(len(all[at].Steps), "steps before,", len(smallest.Steps), "steps after, seed", seed)
	// Output: 10 steps before, 2 steps after, seed 0
}
