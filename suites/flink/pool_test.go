package flink_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/scenarios"
)

var _ = Describe("A pool of Flink in one JVM", func() {
	It("runs scenarios one after the other, each on a cluster of its own", func(ctx context.Context) {
		pool, err := flink.NewPool(inOneJVM(ctx), GinkgoT().TempDir())
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(pool.Close)
		for _, name := range []string{"recovery/kill-taskmanager-mid-checkpoint", "recovery/kill-cancel-resume", "recovery/kill-taskmanager-mid-checkpoint", "recovery/kill-cancel-resume"} {
			runner := run.Runner{Target: pool, Seed: 3, Dir: GinkgoT().TempDir(), Timeout: 3 * time.Minute}
			result := runner.Run(ctx, []scenarios.Scenario{scenario(name)}, func(run.Result) {})[0]
			GinkgoWriter.Printf("%s in %s\n", name, result.Took)
			Expect(result.Verdict).To(Equal(oracle.Pass), "%s %+v", result.Reason, result.Findings)
		}
	})
})
