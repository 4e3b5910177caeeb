// Package crashpoints_test loses the power after every operation on storage, in every protocol of
// the reference: commit, subsume, discard, savepoint, claim, high availability. It counts the
// states that it visits. It also shows that it finds mistakes that are planted in the code.
package crashpoints_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
	_ "github.com/snapback/snapback/suites/internal/announce"
)

func TestCrashPoints(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Crash points of the reference")
}

// The suite visits at most statesMax states at each crash point. A scenario must leave at least
// distinctMin different states; otherwise it proves too little.
const (
	statesMax   = 3
	distinctMin = 250
)

// small returns a scenario that is small enough to run thousands of times.
func small(name string) scenarios.Scenario {
	all, err := scenarios.Catalogue()
	Expect(err).NotTo(HaveOccurred())
	chosen, err := scenarios.Select(all, []string{name})
	Expect(err).NotTo(HaveOccurred())
	s := chosen[0]
	s.Workload.Splits, s.Workload.Records, s.Workload.Keys = 2, 80, 4
	s.Workload.Pause, s.Workload.Snapshot = time.Millisecond, 2*time.Millisecond
	s.Job.Interval = 15 * time.Millisecond
	return s
}

var _ = Describe("After a power loss at any operation, the jobs come back from any state that it leaves", func() {
	for protocol, name := range map[string]string{
		"commit, subsume and discard": "durability/checkpoints",
		"stop with a savepoint":       "recovery/stop-and-resume",
		"claim":                       "recovery/claim",
		"rescaling":                   "recovery/rescale-up",
		"high availability":           "durability/power-loss-highly-available",
	} {
		for _, level := range filesystem.Levels() {
			It(fmt.Sprintf("%s, %s", protocol, level), Label("DUR-01", "DUR-02"), func(ctx context.Context) {
				crashes := explore.CrashPoints{
					Target: reference.Simulated{}, Seed: 5, Model: run.PowerLossModel(level), StatesMax: statesMax,
					AgainIn: 500, Timeout: time.Minute, Parallel: runtime.NumCPU(),
				}
				began, recoveries, first := time.Now(), 0, ""
				points, err := crashes.Run(ctx, small(name), func(result run.Result, s scenarios.Scenario) {
					recoveries++
					if result.Verdict == oracle.Pass || first != "" {
						return
					}
					saved := explore.Case{Seed: result.Seed, Verdict: result.Verdict, Findings: result.Findings, Scenario: s}
					file, err := saved.Write(os.TempDir())
					first = fmt.Sprintf("%s %s %+v; again: snapback replay %s (%v)", result.Verdict, result.Reason, result.Findings, file, err)
				})
				Expect(err).NotTo(HaveOccurred())
				distinct, bad, whole := 0, 0, 0
				for _, p := range points {
					distinct, bad = distinct+p.Distinct, bad+p.Bad
					if p.All {
						whole++
					}
				}
				AddReportEntry("visited", fmt.Sprintf("%d crash points (%d whole), %d distinct states, %d recoveries in %s", len(points), whole, distinct, recoveries, time.Since(began).Round(time.Millisecond)))
				Expect(bad).To(BeZero(), first)
				Expect(distinct).To(BeNumerically(">", distinctMin))
			})
		}
	}
})

var _ = Describe("The visit to crash points", func() {
	It("gives the same result with any number of recoveries at a time", func(ctx context.Context) {
		visit := func(parallel int) (points []*explore.CrashPoint) {
			crashes := explore.CrashPoints{
				Target: reference.Simulated{}, Seed: 5, Model: run.PowerLossModel(filesystem.POSIX), StatesMax: statesMax,
				AgainIn: 500, Timeout: time.Minute, Parallel: parallel,
			}
			points, err := crashes.Run(ctx, small("durability/power-loss-highly-available"), func(run.Result, scenarios.Scenario) {})
			Expect(err).NotTo(HaveOccurred())
			return points
		}
		Expect(visit(4)).To(Equal(visit(1)))
	})
})
