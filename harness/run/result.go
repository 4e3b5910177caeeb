package run

import (
	"time"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
)

// ResultSchema names the format of a result.
const ResultSchema = "snapback/result/1"

// Result is the outcome of one scenario.
type Result struct {
	Schema       string                      `json:"schema"`
	Scenario     string                      `json:"scenario"`
	File         string                      `json:"file,omitempty"` // the user's file with the scenario; empty if the scenario is in the catalogue
	Title        string                      `json:"title"`
	Target       history.Target              `json:"target"`
	Seed         uint64                      `json:"seed"` // the seed of the whole run
	Tries        int                         `json:"tries"`
	Verdict      oracle.Verdict              `json:"verdict"`
	Reason       string                      `json:"reason,omitempty"` // why the verdict is void, skip or error
	Requirements []oracle.RequirementVerdict `json:"requirements"`
	Findings     []oracle.Finding            `json:"findings,omitempty"`
	Numbers      oracle.Numbers              `json:"numbers"`
	Took         time.Duration               `json:"took_ns"` // wall-clock time
	Dir          string                      `json:"dir,omitempty"`
	History      string                      `json:"history_sha256,omitempty"` // digest of the history file
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
