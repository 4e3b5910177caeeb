// Package report writes the results of a run. It writes text for people on a console, one HTML
// page, JUnit for CI, and JSON lines for programs.
//
// It judges nothing. To the results it adds only the command that repeats a scenario.
//
// Start with [Write] for the files, and with [Console] for people.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
)

// These are the names of the files in a run directory.
const (
	ResultsName = "results.jsonl"
	JUnitName   = "junit.xml"
	HTMLName    = "report.html"
)

// Run holds all results of a run.
type Run struct {
	Version string
	Seed    uint64
	Results []run.Result
	Took    time.Duration
}

// Verdict returns the verdict on the whole run.
func (r Run) Verdict() oracle.Verdict {
	var all []oracle.Verdict
	for _, result := range r.Results {
		all = append(all, result.Verdict)
	}
	return oracle.Worst(all)
}

// doneOrder is the order in which the last line counts the verdicts.
var doneOrder = []oracle.Verdict{
	oracle.Pass, oracle.Fail, oracle.Error, oracle.Skip, oracle.Void, oracle.ExpectedFailure, oracle.UnexpectedPass,
}

// Done returns the last line that a run prints. The line counts the verdicts.
func (r Run) Done() string {
	var parts []string
	for _, verdict := range doneOrder {
		n := 0
		for _, result := range r.Results {
			if result.Verdict == verdict {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, verdict))
		}
	}
	return fmt.Sprintf("DONE %s: %s in %.1fs (seed %d)", Count(len(r.Results), "scenario"), strings.Join(parts, ", "), r.Took.Seconds(), r.Seed)
}

// Count returns a number with its noun: "1 scenario" or "2 scenarios".
func Count[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Replay returns the command that runs a scenario again with the same target and seed.
func Replay(r run.Result) string {
	if r.Case != "" {
		return "snapback replay " + r.Case
	}
	command := fmt.Sprintf("snapback run --target %s --runtime %s", r.Target.Name, r.Target.Runtime)
	if r.Target.Version != "" {
		command += fmt.Sprintf(" --%s-version %s", r.Target.Name, r.Target.Versions())
	}
	if r.Target.Image != "" {
		command += " --image " + r.Target.Image
	}
	if r.Target.Storage != "" {
		command += " --storage " + r.Target.Storage
	}
	what := r.Scenario
	if r.File != "" {
		what = r.File
	}
	return fmt.Sprintf("%s --seed %d %s", command, r.Seed, what)
}

// Next returns the command with which a person looks at the checkpoints of a run that failed. It is
// empty if there are no checkpoints to look at.
func Next(r run.Result) string {
	if r.Checkpoints == "" {
		return ""
	}
	return "snapback ls " + r.Checkpoints
}

// Write writes all files of a run into its directory.
func Write(dir string, run Run) error {
	for _, file := range []struct {
		name  string
		write func(io.Writer, Run) error
	}{{ResultsName, JSONLines}, {JUnitName, JUnit}, {HTMLName, HTML}} {
		if err := writeFile(filepath.Join(dir, file.name), run, file.write); err != nil {
			return err
		}
	}
	return nil
}

// WriteJUnit writes a JUnit file under a name that the user chose.
func WriteJUnit(name string, run Run) error { return writeFile(name, run, JUnit) }

func writeFile(name string, run Run, write func(io.Writer, Run) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := write(file, run); err != nil {
		_ = file.Close() // the error of the write says more
		return fmt.Errorf("write %s: %w", name, err)
	}
	return file.Close()
}

// JSONLines writes each result as one line.
func JSONLines(w io.Writer, run Run) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, result := range run.Results {
		if err := encoder.Encode(result); err != nil {
			return err
		}
	}
	return nil
}
