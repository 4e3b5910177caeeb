package reference_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
)

// cycles is the number of kills of a TaskManager after which the job must come back.
const cycles = 200

// grind kills a TaskManager of one job again and again. Before each kill, the job completes another
// checkpoint. The kill comes at a random moment of the next checkpoint.
func grind() scenarios.Scenario {
	s := scenarios.Scenario{
		Name: "recovery/grind", Title: fmt.Sprintf("A TaskManager is killed %d times; the job comes back each time, and nothing is lost or doubled", cycles),
		Requirements: []string{"REC-01", "REC-02", "REC-03", "TRG-01", "SHR-01", "SHR-02", "CLN-07", "LIV-01"}, Bound: time.Minute,
		Workload: workload.Workload{Name: workload.Counts, Splits: 4, Records: 12000, Keys: 64, Pause: time.Millisecond, Snapshot: 2 * time.Millisecond},
		Cluster:  scenarios.Cluster{TaskManagers: 3, Retained: 2},
		Job: scenarios.Job{
			Parallelism: 2, Interval: 10 * time.Millisecond, Timeout: time.Minute, Retention: "RETAIN_ON_CANCELLATION", Restarts: 10 * cycles, Backend: "incremental",
		},
		Steps: []scenarios.Step{{Submit: &scenarios.Submit{Job: "first"}}},
	}
	for i := range cycles {
		s.Steps = append(s.Steps,
			scenarios.Step{Await: &scenarios.Await{Job: "first", Completed: i + 1}},
			scenarios.Step{Fault: &faults.Fault{Action: faults.Kill{Process: faults.TaskManager}, Moment: faults.Moment{When: faults.Later, Later: time.Duration(1+i%15) * time.Millisecond}}},
			scenarios.Step{Start: string(faults.TaskManager)})
	}
	s.Steps = append(s.Steps, scenarios.Step{Await: &scenarios.Await{Job: "first", Status: "FINISHED"}}, scenarios.Step{Record: "after"})
	s.Features = s.Needed()
	return s
}

var _ = Describe("One job", func() {
	It("comes back from 200 real kills, and its output is exact", func(ctx context.Context) {
		runner := run.Runner{Target: reference.Processes{Binary: binary}, Seed: 1, Dir: GinkgoT().TempDir(), Timeout: 5 * time.Minute, Tries: 1}
		result := runner.Run(ctx, []scenarios.Scenario{grind()}, func(run.Result) {})[0]
		Expect(result.Findings).To(BeEmpty())
		Expect(result.Verdict).To(Equal(oracle.Pass), result.Reason)
		Expect(result.Numbers.Recoveries).To(HaveLen(cycles))
		AddReportEntry("kill-and-recover cycles", fmt.Sprintf("%d in %s", cycles, result.Took.Round(time.Millisecond)))
	})
})
