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

// run runs the commands of a report as a reader of the report does. It returns the status with
// which they end.
func (r reproducer) run(ctx context.Context, dir, lib string) (output string, status int, err error) {
	if err := os.WriteFile(filepath.Join(dir, r.class+".java"), []byte(r.program), 0o600); err != nil {
		return "", 0, err
	}
	command := exec.Command("sh", "-e", "-c", r.commands)
	command.Dir, command.Env = dir, append(os.Environ(), "LIB="+lib)
	output, err = programs.Run(ctx, dir, "reproducer", command)
	var ended *exec.ExitError
	if errors.As(err, &ended) && ctx.Err() == nil {
		return output, ended.ExitCode(), nil
	}
	return output, 0, err
}

// Each report to Apache Flink has a program that needs only Flink. It shows the bug, and ends with
// status 1 as long as Flink has the bug. If a release of Flink no longer has the bug, the spec
// fails. Then docs/findings.md and the report must change.
var _ = Describe("The reports to Apache Flink", func() {
	shown := map[string]string{
		"changelog-rescaled-twice.md": `(?m)^[1-9]\d+ of 1000 keys are back at the state of job 1$`,
		"claimed-sibling.md":          `(?m)^job 3, from the older one: FAILED$`,
		"failed-discard.md":           `(?m)^chk-1 \[_metadata\]$`,
		"merged-sibling.md":           `(?m)^job 3, from the older one: FAILED$`,
	}
	It("are all tried", func() {
		files, err := filepath.Glob(filepath.Join(upstream, "*.md"))
		Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			Expect(shown).To(HaveKey(filepath.Base(file)))
		}
		Expect(files).To(HaveLen(len(shown)))
	})
	versions := []string{flink.DefaultVersion}
	if os.Getenv(conformance.WholeVariable) != "" {
		versions = append(versions, servers.OlderFlink)
	}
	for _, name := range slices.Sorted(maps.Keys(shown)) {
		for _, version := range versions {
			It(fmt.Sprintf("show the bug of %s in Flink %s", strings.TrimSuffix(name, ".md"), version), func(ctx SpecContext) {
				installed, err := servers.Flink(ctx, version)
				Expect(err).NotTo(HaveOccurred())
				report, err := os.ReadFile(filepath.Join(upstream, name))
				Expect(err).NotTo(HaveOccurred())
				reproducer, err := reproducerOf(string(report))
				Expect(err).NotTo(HaveOccurred())
				output, status, err := reproducer.run(ctx, GinkgoT().TempDir(), installed.Lib())
				Expect(err).NotTo(HaveOccurred(), output)
				Expect(status).To(Equal(1), output)
				Expect(output).To(MatchRegexp(shown[name]))
			}, SpecTimeout(5*time.Minute))
		}
	}
})
