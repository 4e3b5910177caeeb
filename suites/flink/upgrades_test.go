package flink_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/suites/servers"
)

// docs/flink-versions.md tells users to upgrade a job of 1.18 to 1.20 before they upgrade it to 2.x.
var _ = Describe("A job of Flink "+servers.FormerFlink+" that is upgraded by way of "+servers.OlderFlink, Label("REC-02", "REC-03", "REC-04", "LIV-01"), func() {
	for _, from := range []string{"checkpoint", "savepoint"} {
		It("loses and doubles nothing in Flink "+flink.DefaultVersion+": "+from, func(ctx context.Context) {
			file := filepath.Join("..", "..", "docs", "upgrades", "1.18-to-2.3-"+from+".yaml")
			text, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			parsed, err := scenarios.Parse(file, text)
			Expect(err).NotTo(HaveOccurred())
			var to []string
			for _, step := range parsed[0].Steps {
				if step.Upgrade != "" {
					to = append(to, step.Upgrade)
				}
			}
			Expect(strings.Join(to, " ")).To(Equal(servers.OlderFlink+" "+flink.DefaultVersion), "the file names the releases that the suites install")
			former, err := servers.Flink(ctx, servers.FormerFlink)
			Expect(err).NotTo(HaveOccurred())
			runner := run.Runner{Target: flink.Minicluster{Target: former}, Seed: 1, Dir: GinkgoT().TempDir(), Timeout: 3 * time.Minute}
			result := runner.Run(ctx, parsed, func(run.Result) {})[0]
			Expect(result.Verdict).To(Equal(oracle.Pass), "%s %+v", result.Reason, result.Findings)
		})
	}
})
