package flink_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/suites/conformance"
	"github.com/snapback/snapback/suites/internal/programs"
	"github.com/snapback/snapback/suites/servers"
)

// upstream is the directory of the reports to Apache Flink.
const upstream = "../../docs/upstream"

// fence matches a fenced block of a report: its language, and its text.
var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// reproducer is the program in a report, and the commands that run it.
type reproducer struct{ class, program, commands string }

func reproducerOf(report string) (reproducer, error) {
	var r reproducer
	for _, block := range fence.FindAllStringSubmatch(report, -1) {
		switch block[1] {
		case "java":
			r.program = block[2]
		case "sh":
			r.commands = block[2]
		}
	}
	class := regexp.MustCompile(`(?m)^public class (\w+)`).FindStringSubmatch(r.program)
	if class == nil || r.commands == "" {
		return r, errors.New("want a block java with a public class, and a block sh")
	}
	r.class = class[1]
	return r, nil
}

// run runs the commands of a report as a reader of the report does, with further variables of the
// environment. It returns the status with which they end.
func (r reproducer) run(ctx context.Context, dir string, environment ...string) (output string, status int, err error) {
	if err := os.WriteFile(filepath.Join(dir, r.class+".java"), []byte(r.program), 0o600); err != nil {
		return "", 0, err
	}
	command := exec.Command("sh", "-e", "-c", r.commands)
	command.Dir, command.Env = dir, append(os.Environ(), environment...)
	output, err = programs.Run(ctx, dir, "reproducer", command)
	var ended *exec.ExitError
	if errors.As(err, &ended) && ctx.Err() == nil {
		return output, ended.ExitCode(), nil
	}
	return output, 0, err
}

// report says how a report to Apache Flink is tried.
type report struct {
	line     string   // pattern of a line that the program prints when Flink has the bug
	from     string   // release that writes the state; its libraries are in $OLD. Empty: the release under test
	versions []string // releases that have the bug
}

// Each report to Apache Flink has a program that needs only Flink. It shows the bug, and ends with
// status 1 as long as Flink has the bug. If a release of Flink no longer has the bug, the spec
// fails. Then docs/findings.md and the report must change.
var _ = Describe("The reports to Apache Flink", func() {
	both := []string{flink.DefaultVersion, servers.OlderFlink}
	reports := map[string]report{
		"changelog-rescaled-twice.md": {line: `(?m)^[1-9]\d+ of 1000 keys are back at the state of job 1$`, versions: both},
		"changelog-savepoint.md":      {line: `(?m)^job 3, from this checkpoint: FAILED$`, versions: both},
		"claimed-sibling.md":          {line: `(?m)^job 3, from the older one: FAILED$`, versions: both},
		"failed-discard.md":           {line: `(?m)^chk-1 \[_metadata\]$`, versions: both},
		"merged-sibling.md":           {line: `(?m)^job 3, from the older one: FAILED$`, versions: both},
		"old-committer.md": {
			line: `Trying to commit incomplete batch of committables`, from: servers.FormerFlink, versions: []string{flink.DefaultVersion},
		},
		"rescaled-watermark.md": {line: `(?m)^job 2: late records by split: \{2=\d+\}$`, versions: both},
	}
	It("are all tried", func() {
		files, err := filepath.Glob(filepath.Join(upstream, "*.md"))
		Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			Expect(reports).To(HaveKey(filepath.Base(file)))
		}
		Expect(files).To(HaveLen(len(reports)))
	})
	for _, name := range slices.Sorted(maps.Keys(reports)) {
		for _, version := range reports[name].versions {
			if version != flink.DefaultVersion && os.Getenv(conformance.WholeVariable) == "" {
				continue
			}
			It(fmt.Sprintf("show the bug of %s in Flink %s", strings.TrimSuffix(name, ".md"), version), func(ctx SpecContext) {
				installed, err := servers.Flink(ctx, version)
				Expect(err).NotTo(HaveOccurred())
				environment := []string{"LIB=" + installed.Lib()}
				if from := reports[name].from; from != "" {
					former, err := servers.Flink(ctx, from)
					Expect(err).NotTo(HaveOccurred())
					environment = append(environment, "OLD="+former.Lib())
				}
				text, err := os.ReadFile(filepath.Join(upstream, name))
				Expect(err).NotTo(HaveOccurred())
				reproducer, err := reproducerOf(string(text))
				Expect(err).NotTo(HaveOccurred())
				output, status, err := reproducer.run(ctx, GinkgoT().TempDir(), environment...)
				Expect(err).NotTo(HaveOccurred(), output)
				Expect(status).To(Equal(1), output)
				Expect(output).To(MatchRegexp(reports[name].line))
			}, SpecTimeout(5*time.Minute))
		}
	}
})
