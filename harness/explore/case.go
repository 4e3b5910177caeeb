package explore

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/scenarios"
)

// CaseSchema names the format of a case.
const CaseSchema = "snapback/case/1"

// Case is a run that failed. A run of the simulated reference can be repeated exactly, because the
// seed decides everything in the simulator. A run of a real engine can only be tried again.
type Case struct {
	Schema   string             `json:"schema"`
	Seed     uint64             `json:"seed"`
	Target   *history.Target    `json:"target,omitempty"`  // the real engine; nil for the simulated reference
	Rate     *Rate              `json:"rate,omitempty"`    // how often the case failed in the same way when it was repeated; nil for the simulated reference
	Storage  string             `json:"storage,omitempty"` // the simulated storage; empty for a local file system
	Verdict  oracle.Verdict     `json:"verdict"`           // the verdict on the run
	Findings []oracle.Finding   `json:"findings,omitempty"`
	Scenario scenarios.Scenario `json:"scenario"`
}

// Rate says how many of some equal runs failed in the same way.
type Rate struct {
	Failed int `json:"failed"`
	Runs   int `json:"runs"`
}

func (r Rate) String() string { return fmt.Sprintf("%d of %d", r.Failed, r.Runs) }

// Write writes the case into a directory, and returns the file's name.
func (c Case) Write(dir string) (string, error) {
	return c.WriteAs(dir, fmt.Sprintf("%s-%d", strings.ReplaceAll(c.Scenario.Name, "/", "-"), c.Seed))
}

// WriteAs writes the case into a directory, under the given name.
func (c Case) WriteAs(dir, name string) (string, error) {
	c.Schema = CaseSchema
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(dir, name+".json")
	return file, os.WriteFile(file, append(data, '\n'), 0o644)
}

// ReadCase reads a case.
func ReadCase(name string) (Case, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return Case{}, harness.Usagef("case: %w", err)
	}
	var c Case
	if err := json.Unmarshal(data, &c); err != nil {
		return Case{}, harness.Usagef("case %s: want the JSON of a saved case, such as explore saves under --cases: %w", name, err)
	}
	if c.Schema != CaseSchema {
		return Case{}, harness.Usagef("case %s: want schema %q, got %q", name, CaseSchema, c.Schema)
	}
	if err := c.Scenario.Validate(); err != nil {
		return Case{}, harness.Usagef("case %s: scenario: %w", name, err)
	}
	return c, nil
}

// SameFailure says whether a result fails as the case did: it has the same verdict and, if the case
// has findings, a finding that is like one of them.
func (c Case) SameFailure(result run.Result) bool {
	if result.Verdict != c.Verdict {
		return false
	}
	return len(c.Findings) == 0 || len(c.alike(result.Findings)) > 0
}

// alike returns the findings that are like one of the case's findings.
func (c Case) alike(findings []oracle.Finding) (alike []oracle.Finding) {
	for _, f := range findings {
		if slices.ContainsFunc(c.Findings, f.Like) {
			alike = append(alike, f)
		}
	}
	return alike
}
