// Package conformance is the conformance suite as ginkgo specs. Each scenario has a ginkgo
// container. The container has a spec for each requirement that the scenario checks. Any ginkgo
// suite can import this package and run the specs on any target.
//
// Start with [Specs].
package conformance

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness/expected"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	. "github.com/snapback/snapback/suites/matchers"
)

// ReportVariable is the environment variable that names a directory for histories and logs. If the
// variable is not set, histories and logs are deleted when the suite ends.
const ReportVariable = "SNAPBACK_SUITE_REPORT"

// WholeVariable is the environment variable with which suites on real engines run all that they have.
// Without it they run a part, always the same, so that they fit into CI.
const WholeVariable = "SNAPBACK_WHOLE_CATALOGUE"

const timeout = 5 * time.Minute // the longest time of one try of one scenario

// Specs registers specs under the given name. There is one spec for each requirement of each
// scenario whose name matches a pattern. When the specs run, they call the function target, which
// returns the target to test. A spec has three labels: the id of the requirement, the area of the
// requirement, and the first part of the scenario's name. The suite's random seed is the seed of
// the runs. What [expected.Flink] lists must fail.
func Specs(name string, target func(context.Context) (target.Target, error), patterns ...string) {
	all, err := scenarios.Catalogue()
	if err != nil {
		panic(err) // the catalogue is part of this program
	}
	chosen, err := scenarios.Select(all, patterns)
	if err != nil {
		panic(err) // a mistake in the suite
	}
	known, err := scenarios.Requirements()
	if err != nil {
		panic(err)
	}
	texts := map[string]string{}
	for _, requirement := range known {
		texts[requirement.ID] = requirement.Text
	}
	for _, s := range chosen {
		Describe(name, Ordered, ContinueOnFailure, Label(strings.Split(s.Name, "/")[0]), func() {
			Context(s.Name, func() {
				var result run.Result
				BeforeAll(func(ctx SpecContext) {
					under, err := target(ctx)
					Expect(err).NotTo(HaveOccurred())
					result = runOne(ctx, under, s)
				})
				for _, id := range s.Requirements {
					area, _, _ := strings.Cut(id, "-")
					It(texts[id], Label(id, area), func() {
						if slices.Contains(result.Requirements, oracle.RequirementVerdict{ID: id, Verdict: oracle.Skip}) {
							Skip("the target does not promise it")
						}
						if failsAsExpected(result, id) {
							return
						}
						Expect(result).To(Hold(id))
					})
				}
				It("breaks no other requirement", func() {
					Expect(result).To(Or(Pass(), HaveField("Verdict", oracle.ExpectedFailure)))
				})
			})
		})
	}
}

// failsAsExpected says whether an expected failure broke the requirement. If that failure ended the run
// before the requirement was judged, failsAsExpected skips the spec.
func failsAsExpected(result run.Result, id string) bool {
	if result.Verdict != oracle.ExpectedFailure {
		return false
	}
	link := result.Expected[0].Link
	if slices.Contains(result.Requirements, oracle.RequirementVerdict{ID: id, Verdict: oracle.Void}) {
		Skip("not judged, because an expected failure came first: " + link)
	}
	broken := slices.Contains(result.Requirements, oracle.RequirementVerdict{ID: id, Verdict: oracle.Fail})
	if broken {
		AddReportEntry("known", link)
	}
	return broken
}

// Claimed returns the names of the scenarios that match a pattern and need only features that the
// target has. So no spec of these scenarios is skipped.
func Claimed(under target.Target, patterns ...string) []string {
	if err := target.Check(under); err != nil {
		panic(err) // a mistake in the target
	}
	all, err := scenarios.Catalogue()
	if err != nil {
		panic(err) // the catalogue is part of this program
	}
	matching, err := scenarios.Select(all, patterns)
	if err != nil {
		panic(err) // a mistake in the suite
	}
	var names []string
	for _, s := range matching {
		if len(target.Unclaimed(under, s))+len(target.Unhonoured(under, s)) == 0 {
			names = append(names, s.Name)
		}
	}
	return names
}

// Third returns every third of the given scenarios, beginning with the one at the index third, which
// is 0, 1 or 2. It counts in each area by itself, so each third has scenarios of all areas. The three
// thirds together hold each scenario once.
func Third(names []string, third int) []string {
	seen := map[string]int{} // the number of scenarios of each area so far
	var chosen []string
	for _, name := range names {
		area := strings.Split(name, "/")[0]
		if seen[area]%3 == third {
			chosen = append(chosen, name)
		}
		seen[area]++
	}
	return chosen
}

func runOne(ctx context.Context, under target.Target, s scenarios.Scenario) run.Result {
	dir := os.Getenv(ReportVariable)
	if dir == "" {
		dir = GinkgoT().TempDir()
	}
	known, err := expected.Flink()
	Expect(err).NotTo(HaveOccurred())
	described := under.Describe()
	runner := run.Runner{
		Target: under, Seed: uint64(GinkgoRandomSeed()), Timeout: timeout, Expected: known,
		Dir:      filepath.Join(dir, path.Join(described.Name+described.Version, described.Runtime)),
		Progress: func(_, what string) { GinkgoWriter.Println(what) },
	}
	return runner.Run(ctx, []scenarios.Scenario{s}, func(run.Result) {})[0]
}
