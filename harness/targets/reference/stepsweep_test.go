package reference_test

import (
	"testing"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
)

// A sweep of a scenario kills at operations of savepoints, of the jobs that resume, and of their
// claims. The jobs come back each time.
func TestTheStepsOfAScenarioAreSweptToo(t *testing.T) {
	all, err := scenarios.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	for name, kill := range map[string]faults.Process{"recovery/stop-and-resume": faults.TaskManager, "recovery/claim": explore.Task} {
		chosen, err := scenarios.Select(all, []string{name})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[faults.Phase]int{}
		sweep := explore.StepSweep{Target: reference.Simulated{}, Seed: 5, Dir: t.TempDir(), Kill: kill, Every: 12, Timeout: time.Minute}
		swept, result, err := sweep.Run(t.Context(), chosen[0], func(one explore.Swept) { seen[one.Phase]++ })
		if err != nil || result.Verdict != oracle.Pass {
			t.Errorf("%s: %s %s %+v, %v", name, result.Verdict, result.Reason, result.Findings, err)
		}
		if len(swept) < 10 || len(seen) < len(faults.Phases()) {
			t.Errorf("%s: swept only %d operations, %v", name, len(swept), seen)
		}
		t.Logf("%s: %d operations, %v, in %s", name, len(swept), seen, result.Took)
	}
}
