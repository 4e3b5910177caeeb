package flink_test

import (
	"context"
	"fmt"
	"io"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/suites/servers"
)

func inOneJVM(ctx context.Context) flink.Minicluster {
	target, err := servers.Flink(ctx, flink.DefaultVersion)
	Expect(err).NotTo(HaveOccurred())
	return flink.Minicluster{Target: target}
}

func scenario(name string) scenarios.Scenario {
	all, err := scenarios.Catalogue()
	Expect(err).NotTo(HaveOccurred())
	chosen, err := scenarios.Select(all, []string{name})
	Expect(err).NotTo(HaveOccurred())
	return chosen[0]
}

var _ = Describe("Flink, killed at the operations of its checkpoints on storage", func() {
	for _, c := range []struct {
		backend   string
		unaligned bool
		every     int            // N: the sweep kills at every Nth operation
		least     int            // the least number of kills that must happen
		phases    []faults.Phase // phases in which a kill must have happened
	}{
		{"full", false, 1, 50, faults.Phases()},
		{"incremental", true, 6, 20, faults.Phases()},
	} {
		It(fmt.Sprintf("comes back each time: %s, unaligned %v", c.backend, c.unaligned), Label("REC-01", "REC-02", "REC-03"), func(ctx context.Context) {
			s := scenario("durability/operations")
			s.Job.Backend, s.Job.Unaligned = c.backend, c.unaligned
			sweep := explore.Sweep{
				Target: inOneJVM(ctx), Seed: 5, Dir: GinkgoT().TempDir(), History: io.Discard, Kill: faults.TaskManager, Every: c.every, Timeout: 10 * time.Minute,
			}
			operations, result, err := sweep.Run(ctx, s, func(one explore.Swept) {
				GinkgoWriter.Printf("%s %s: restored from %d in %s\n", one.Fault, one.Operation, one.Restored, one.Took)
			})
			Expect(err).NotTo(HaveOccurred())
			Expect(result.Verdict).To(Equal(oracle.Pass), "%s %+v", result.Reason, result.Findings)
			Expect(len(operations)).To(BeNumerically(">=", c.least))
			phases := map[faults.Phase]int{}
			for _, one := range operations {
				Expect(one.Verdict).To(Equal(oracle.Pass), "%+v", one)
				phases[one.Phase]++
			}
			for _, phase := range c.phases {
				Expect(phases).To(HaveKey(phase))
			}
			AddReportEntry("swept", fmt.Sprintf("%d kills in %s: %v", len(operations), result.Took.Round(time.Second), phases))
		})
	}
})

// Flink is known to fail these scenarios; see docs/findings.md. If Flink passes one of them, its
// spec fails.
var _ = Describe("Flink, where it is known to fail", func() {
	for name, finding := range map[string]string{
		"durability/power-loss-when-complete":  "the rename that publishes a checkpoint is not made durable before it is reported complete (level ordered)",
		"durability/power-loss-after-publish":  "no directory is synced at all (level posix)",
		"durability/power-loss-before-publish": "no directory is synced at all (level posix)",
	} {
		It(name+": "+finding, Label("DUR-01"), func(ctx context.Context) {
			runner := run.Runner{Target: inOneJVM(ctx), Seed: 3, Dir: GinkgoT().TempDir(), Timeout: 3 * time.Minute}
			result := runner.Run(ctx, []scenarios.Scenario{scenario(name)}, func(run.Result) {})[0]
			Expect(result.Requirements).To(ContainElement(oracle.RequirementVerdict{ID: "DUR-01", Verdict: oracle.Fail}), "%s %s", result.Verdict, result.Reason)
		})
	}
})
