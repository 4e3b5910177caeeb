package run

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/snapback/snapback/harness/expected"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

// ResultSchema names the format of a result.
const ResultSchema = "snapback/result/1"

// Result is the outcome of one scenario.
type Result struct {
	Schema       string                      `json:"schema"`
	Scenario     string                      `json:"scenario"`
	File         string                      `json:"file,omitempty"` // the user's file with the scenario; empty if the scenario is in the catalogue
	Case         string                      `json:"case,omitempty"` // the file of the saved case that ran; empty if no saved case ran
	Title        string                      `json:"title"`
	Target       history.Target              `json:"target"`
	Seed         uint64                      `json:"seed"` // the seed of the whole run
	Tries        int                         `json:"tries"`
	Verdict      oracle.Verdict              `json:"verdict"`
	Reason       string                      `json:"reason,omitempty"` // why the verdict is void, skip, error or xpass
	Requirements []oracle.RequirementVerdict `json:"requirements"`
	Findings     []oracle.Finding            `json:"findings,omitempty"`
	Expected     expected.List               `json:"expected,omitempty"` // the expected failures that concern this scenario on this target
	Numbers      oracle.Numbers              `json:"numbers"`
	Took         time.Duration               `json:"took_ns"` // wall-clock time
	Dir          string                      `json:"dir,omitempty"`
	History      string                      `json:"history_sha256,omitempty"` // digest of the history file
	Log          string                      `json:"log,omitempty"`            // path or URL of the log that says why a job failed
	Checkpoints  string                      `json:"checkpoints,omitempty"`    // path of the checkpoints of a run that failed
}

// NewResult returns the result of a scenario before it runs. Its verdict is skip.
func NewResult(t target.Target, seed uint64, s scenarios.Scenario) Result {
	return Result{
		Schema: ResultSchema, Scenario: s.Name, File: s.File, Title: s.Title, Target: t.Describe(), Seed: seed, Verdict: oracle.Skip,
	}
}

// Judge asks the oracles for the verdict on a history. The given error, if it is not nil, ended the
// run early. Judge returns why the history proves nothing. If the history proves something, Judge
// returns the empty text.
func (result *Result) Judge(h *history.History, err error) (void string) {
	judged := oracle.Judge(h)
	result.Verdict, result.Reason, result.Findings = judged.Verdict, judged.Void, judged.Findings
	result.Requirements, result.Numbers = judged.Requirements, judged.Numbers
	if err != nil {
		result.Reason = err.Error()
		if judged.Verdict != oracle.Fail { // a violation counts, even if something else failed after it
			result.Verdict, result.Requirements = oracle.Error, nil
		}
	}
	if judged.Verdict != oracle.Void {
		return ""
	}
	return judged.Void
}

// expect marks the result as the list of expected failures says.
func (result *Result) expect(all expected.List) {
	result.Expected = all.Of(result.Scenario, result.Target)
	verdict, reason := result.Expected.Mark(result.Verdict, result.Requirements)
	if reason != "" {
		result.Reason = reason
	}
	result.Verdict = verdict
}

// find notes where people find the log and the checkpoints of a run that failed. The cluster is
// closed. If it kept its checkpoints in the memory of this process, find copies them to the place
// on this machine where the cluster showed them.
func (result *Result) find(c target.Cluster) error {
	if logged, ok := c.(target.Logged); ok {
		result.Log = logged.Log()
	}
	dir, err := filepath.Abs(result.Dir)
	if err != nil {
		return err
	}
	if _, below := filesystem.Relative(dir, c.Root()); !below {
		return nil // the checkpoints are in a store, or nowhere
	}
	result.Checkpoints = c.Root()
	if _, local := c.Files().(filesystem.Local); local {
		return nil
	}
	return export(c.Files(), c.Root())
}

// export copies a directory to the file system of this machine, with the same path.
func export(files filesystem.FileSystem, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err := filesystem.Walk(files, dir, func(relative string, entry filesystem.Entry) error {
		name := filepath.Join(dir, relative)
		if entry.Directory {
			return os.MkdirAll(name, 0o755)
		}
		from, err := files.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = from.Close() }() // nothing was written to it
		data, err := io.ReadAll(from)
		if err != nil {
			return err
		}
		return os.WriteFile(name, data, 0o644)
	})
	if err != nil {
		return fmt.Errorf("keep the checkpoints: %w", err)
	}
	return nil
}
