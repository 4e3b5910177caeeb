// Package power_test plants real bugs in the reference. The suites must find all of them quickly,
// and as the manual's page says.
package power_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/suites/conformance"
	_ "github.com/snapback/snapback/suites/internal/announce"
	"github.com/snapback/snapback/suites/power"
)

func TestPower(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The suites' power")
}

// The suites promise to keep these limits.
const (
	cpuMedian    = 500 * time.Millisecond // processor time until the finding, without the build
	cpuMax       = 20 * time.Second       // the most is about 14 s, for 900 runs; a busy machine needs more processor time for the same
	eventsMedian = 12                     // median number of steps of the smallest cases
	mutantsMin   = 130                    // with fewer mutants, the other figures prove less
)

// runsMax is the default of the flag --runs of `go run ./suites/power/mutants`. That command
// generated docs/power.md, so this test must use the same number.
const runsMax = 1000

const manual = "docs/power.md"

func root() string {
	source, err := power.FindSource(".")
	Expect(err).NotTo(HaveOccurred())
	return source
}

func museum() []power.Mutant {
	all, err := power.Read(power.Museum(root()))
	Expect(err).NotTo(HaveOccurred())
	return all
}

func canary() power.Mutant {
	chosen, err := power.Select(museum(), []string{power.Canary})
	Expect(err).NotTo(HaveOccurred())
	return chosen[0]
}

func campaign(runs int) power.Campaign {
	return power.Campaign{
		Workshop: power.Workshop{Source: root(), Dir: GinkgoT().TempDir()},
		Cases:    GinkgoT().TempDir(), Strategies: power.Strategies()[:1], Seed: 1, RunsMax: runs, Parallel: runtime.NumCPU(),
		Progress: func(what string) { GinkgoWriter.Println(what) },
	}
}

var _ = Describe("The museum of bugs", func() {
	It("is found, all of it and quickly, as the manual says", func(ctx context.Context) {
		matrix, err := campaign(runsMax).Run(ctx, canary(), museum())
		Expect(err).NotTo(HaveOccurred())
		Expect(keep(matrix)).To(Succeed())
		Expect(matrix.Wrong()).To(BeEmpty())
		summary := matrix.Summaries()[0]
		AddReportEntry("found", summary)
		Expect(summary.Of).To(BeNumerically(">=", mutantsMin))
		Expect(summary.CPU.Median).To(BeNumerically("<=", cpuMedian))
		for _, row := range matrix.Rows {
			if row.Killed() {
				Expect(row.Hunts[0].CPU).To(BeNumerically("<=", cpuMax), row.ID)
			}
		}
		Expect(matrix.EventsMedian()).To(BeNumerically("<", eventsMedian))
		Expect(drift(matrix)).To(BeEmpty(), "%s is out of date; generate it again: go run ./suites/power/mutants --compare --unaided --markdown %s", manual, manual)
	})
})

// keep writes the matrix into the directory for reports, if the environment names such a directory.
func keep(matrix power.Matrix) error {
	dir := os.Getenv(conformance.ReportVariable)
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	page, err := os.Create(filepath.Join(dir, "power.html"))
	if err != nil {
		return err
	}
	return errors.Join(power.HTML(page, matrix), page.Close())
}

// drift lists the rows that are only in the matrix or only in the manual.
func drift(matrix power.Matrix) (lines []string) {
	page, err := os.ReadFile(filepath.Join(root(), filepath.FromSlash(manual)))
	Expect(err).NotTo(HaveOccurred())
	said := map[string]bool{}
	for _, line := range strings.Split(string(page), "\n") {
		if strings.HasPrefix(line, "| `") {
			said[line] = true
		}
	}
	for _, row := range matrix.Rows {
		is := power.MarkdownRow(row)
		found := false
		for line := range said {
			if strings.HasPrefix(line, is) {
				found = true
				delete(said, line)
			}
		}
		if !found {
			lines = append(lines, "new: "+is)
		}
	}
	for line := range said {
		lines = append(lines, "old: "+line)
	}
	return lines
}

var _ = Describe("A pipeline that is broken", func() {
	// mutant returns a mutant that changes one line of the reference.
	mutant := func(id, header, old, changed string) power.Mutant {
		dir := GinkgoT().TempDir()
		text := "id: " + id + "\nsymptom: s\nmechanism: m\n" + header + "\n--- a/storage/retention.go\n+++ b/storage/retention.go\n@@ -90,3 +90,3 @@ func (r Retention) Keeps\n" +
			" \tcase Finished:\n-" + old + "\n+" + changed + "\n \tdefault:\n"
		Expect(os.WriteFile(filepath.Join(dir, id+".diff"), []byte(text), 0o600)).To(Succeed())
		all, err := power.Read(dir)
		Expect(err).NotTo(HaveOccurred())
		return all[0]
	}
	const kept, catches = "\t\treturn false", "requirements: CLN-07"

	It("says which mutants do not apply or compile, and hunts the others", func(ctx context.Context) {
		matrix, err := campaign(100).Run(ctx, canary(), []power.Mutant{
			mutant("away", catches, "\t\treturn 7", kept),
			mutant("wrong", catches, kept, "\t\treturn 7"),
			mutant("caught", catches, kept, "\t\treturn true"),
		})
		Expect(err).To(MatchError(And(
			ContainSubstring("mutant away no longer applies"), ContainSubstring("mutant wrong does not compile"), ContainSubstring("retention.go"),
		)))
		var usage *harness.UsageError
		Expect(errors.As(err, &usage)).To(BeTrue())
		Expect(matrix.Wrong()).To(ConsistOf("away", "wrong"))
		Expect(matrix.Rows[3].Killed()).To(BeTrue())
	})
	It("says what an interrupted campaign did not run", func(ctx context.Context) {
		ctx, stop := context.WithCancel(ctx)
		interrupted := campaign(100)
		interrupted.Parallel = 1
		interrupted.Progress = func(what string) {
			if strings.HasPrefix(what, "1 of 2: ") {
				stop()
			}
		}
		matrix, err := interrupted.Run(ctx, canary(), []power.Mutant{
			mutant("first", catches, kept, "\t\treturn true"), mutant("second", catches, kept, "\t\treturn true"),
		})
		Expect(err).To(MatchError(context.Canceled))
		Expect(matrix.Rows[1].Trouble).To(BeEmpty())
		Expect(matrix.Rows[2].Trouble).To(Equal("not run"))
	})
	It("counts a mutant that was found under a requirement that its header does not name, and says so", func(ctx context.Context) {
		matrix, err := campaign(100).Run(ctx, canary(), []power.Mutant{mutant("other", "requirements: TRG-04", kept, "\t\treturn true")})
		Expect(err).NotTo(HaveOccurred())
		Expect(matrix.Rows[1].String()).To(MatchRegexp(`other found by CLN-.*; its header does not name CLN-`))
	})
	It("is noticed by the canary", func(ctx context.Context) {
		_, err := campaign(100).Run(ctx, mutant("canary", catches, kept, "\t\treturn r == \"nothing\""), nil)
		Expect(err).To(MatchError(ContainSubstring("mutant canary was not found")))
	})
	It("lets a mutant survive, and says so", func(ctx context.Context) {
		matrix, err := campaign(100).Run(ctx, canary(), []power.Mutant{mutant("survivor", catches, kept, "\t\treturn r == \"nothing\"")})
		Expect(err).NotTo(HaveOccurred())
		Expect(matrix.Wrong()).To(ConsistOf("survivor"))
	})
	It("does not let one pass for equivalent that is not", func(ctx context.Context) {
		matrix, err := campaign(100).Run(ctx, canary(), []power.Mutant{mutant("seen", "equivalent: they say", kept, "\t\treturn r == RetainOnCancellation")})
		Expect(err).NotTo(HaveOccurred())
		Expect(matrix.Wrong()).To(ConsistOf("seen"))
	})
})
