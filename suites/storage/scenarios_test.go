package storage_test

import (
	"runtime"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/suites/matchers"
)

// These are the scenarios that kill, resume and clean up. The reference runs as real processes, and
// its checkpoints are on real stores.
var _ = Describe("Scenarios of the reference as processes", Ordered, func() {
	var binary string

	BeforeAll(func() {
		var err error
		binary, err = gexec.Build("github.com/snapback/snapback/cmd/snapback")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(gexec.CleanupBuildArtifacts)
	})

	for _, store := range []string{"hdfs", "s3", "gs", "jobmanager"} {
		It("pass with checkpoints on "+store, func(ctx SpecContext) {
			text := map[string]string{"hdfs": hdfs + "/scenarios", "s3": bucket + "/scenarios", "gs": "gs" + bucket[2:] + "/scenarios"}[store]
			if store == "jobmanager" {
				text = store
			}
			place, err := reference.ParseStorage(text)
			Expect(err).NotTo(HaveOccurred())
			all, err := scenarios.Catalogue()
			Expect(err).NotTo(HaveOccurred())
			names := []string{"recovery/kill-cancel-resume", "recovery/kill-taskmanager-mid-checkpoint", "cleanup/cancel"}
			if store == "hdfs" || store == "s3" {
				names = append(names, "faults/cut-storage")
			}
			chosen, err := scenarios.Select(all, names)
			Expect(err).NotTo(HaveOccurred())
			runner := run.Runner{
				Target: reference.Processes{Binary: binary, Storage: place}, Seed: 5, Dir: GinkgoT().TempDir(), Parallel: runtime.NumCPU(), Timeout: 2 * time.Minute,
			}
			for _, result := range runner.Run(ctx, chosen, func(run.Result) {}) {
				Expect(result).To(matchers.Pass())
			}
		}, SpecTimeout(3*time.Minute))
	}
})
