// Command table prints docs/verdicts.md: which scenario of the catalogue had which verdict in which
// runtime of real Flink, and why a scenario passed in none. Its arguments are the report directories
// of the command snapback run:
//
//	snapback run --target flink --runtime minicluster --expected flink --report reports/a
//	snapback run --target flink --runtime processes --expected flink --report reports/b
//	go run ./suites/flink/table reports/a reports/b
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/scenarios"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: table REPORT-DIRECTORY…")
		os.Exit(2)
	}
	if err := write(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func write(out io.Writer, dirs []string) error {
	var results []run.Result
	for _, dir := range dirs {
		read, err := read(dir)
		if err != nil {
			return err
		}
		results = append(results, read...)
	}
	all, err := scenarios.Catalogue()
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(s scenarios.Scenario) bool { return strings.HasPrefix(s.Name, "kafka/") })
	_, err = io.WriteString(out, page(all, results))
	return err
}

// lineMax is the greatest size of a result, in bytes.
const lineMax = 64 << 20

// read returns the results in a report directory.
func read(dir string) (results []run.Result, err error) {
	file, err := os.Open(filepath.Join(dir, report.ResultsName))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, lineMax)
	for lines.Scan() {
		var result run.Result
		if err := json.Unmarshal(lines.Bytes(), &result); err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name(), err)
		}
		results = append(results, result)
	}
	return results, lines.Err()
}

var runtimes = []string{flink.MiniclusterRuntime, "processes", flink.ContainersRuntime}

// onDefault says whether a run was on the default version, or was upgraded to it.
func onDefault(r run.Result) bool {
	return r.Target.Version == flink.DefaultVersion || r.Target.Next == flink.DefaultVersion
}

// of selects the results of a scenario in a runtime of the default version. A run that was skipped is
// no result.
func of(results []run.Result, scenario, runtime string) []run.Result {
	var chosen []run.Result
	for _, r := range results {
		if r.Scenario == scenario && r.Target.Runtime == runtime && onDefault(r) && r.Verdict != oracle.Skip {
			chosen = append(chosen, r)
		}
	}
	return chosen
}

// cell says how often each verdict was given.
func cell(results []run.Result) string {
	var parts []string
	for _, verdict := range oracle.Verdicts() {
		n := 0
		for _, r := range results {
			if r.Verdict == verdict {
				n++
			}
		}
		switch {
		case n == 1:
			parts = append(parts, string(verdict))
		case n > 1:
			parts = append(parts, fmt.Sprintf("%s ×%d", verdict, n))
		}
	}
	return strings.Join(parts, ", ")
}

// page returns the text of docs/verdicts.md.
func page(all []scenarios.Scenario, results []run.Result) string {
	var text, others strings.Builder
	held := 0
	for _, s := range all {
		good := false
		cells := []string{s.Name}
		for _, runtime := range runtimes {
			here := of(results, s.Name, runtime)
			good = good || slices.ContainsFunc(here, func(r run.Result) bool {
				return r.Verdict == oracle.Pass || r.Verdict == oracle.ExpectedFailure
			})
			cells = append(cells, cell(here))
		}
		fmt.Fprintf(&text, "| %s |\n", strings.Join(cells, " | "))
		if good {
			held++
		} else {
			fmt.Fprintf(&others, "| %s | %s |\n", s.Name, why(results, s.Name))
		}
	}
	return fmt.Sprintf(head, flink.DefaultVersion, held, len(all)) + text.String() + "\n## Scenarios that were not seen to pass\n\n| scenario | why |\n|---|---|\n" + others.String()
}

const head = `# Verdicts on real Flink

This page says what was seen with Flink %s. [features.md](features.md) says what each runtime can
do. A cell counts the runs of the scenario in this runtime. It is empty where the scenario did not
run, mostly because the runtime lacks a feature. An expected failure (xfail) is described in
[findings.md](findings.md). The scenarios of upgrade began with an older release;
[flink-versions.md](flink-versions.md) says more about them. The scenarios with Kafka have their own
table, in [kafka.md](kafka.md).

%d of %d scenarios passed in some runtime, or failed as expected. The command suites/flink/table
wrote this page from the reports of these commands:

` + "```" + `
snapback run --target flink --runtime minicluster --expected flink --report reports/minicluster
snapback run --target flink --runtime processes --expected flink --report reports/processes
snapback-full run --target flink --runtime containers --expected flink --report reports/containers
snapback run --target flink --runtime minicluster --flink-version 1.20.5:2.3.0 --expected flink \
  --report reports/upgrades upgrade
go run ./suites/flink/table reports/minicluster reports/processes reports/containers reports/upgrades
` + "```" + `

| scenario | minicluster | processes | containers |
|---|---|---|---|
`

// reasonMax is the greatest length of a reason on the page, in characters.
const reasonMax = 60

// why says why a scenario passed in no runtime.
func why(results []run.Result, scenario string) string {
	var reasons []string
	for _, r := range results {
		if r.Scenario != scenario || !onDefault(r) {
			continue
		}
		reason, _, _ := strings.Cut(r.Reason, "\n")
		if reason == "" && len(r.Findings) > 0 {
			reason = r.Findings[0].Requirement + ", " + r.Findings[0].Problem
		}
		if runes := []rune(reason); len(runes) > reasonMax {
			reason = string(runes[:reasonMax]) + "…"
		}
		if reason = r.Target.Runtime + ": " + reason; !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	if len(reasons) == 0 {
		return "it did not run"
	}
	return strings.Join(reasons, "; ")
}
