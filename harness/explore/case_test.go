package explore_test

import (
	"testing"

	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
)

func TestASmallerScenarioFailsInTheSameWay(t *testing.T) {
	saved := explore.Case{Verdict: oracle.Fail, Findings: []oracle.Finding{
		{Requirement: "LIV-01", Expected: "job third to be FINISHED"},
		{Requirement: "LIV-01", Expected: "job third to be RUNNING", Found: "FAILED: a.B: no; Caused by: e.F: /1/2"},
		{Requirement: "SHR-01", Expected: "every file that its _metadata refers to", Found: "a"},
		{Requirement: "REC-04", Expected: "chk-7 in /runs/1/chk-7 of job third"},
	}}
	for _, test := range []struct {
		verdict oracle.Verdict
		found   oracle.Finding
		same    bool
	}{
		{oracle.Fail, oracle.Finding{Requirement: "LIV-01", Expected: "job second to be FINISHED"}, true},
		{oracle.Fail, oracle.Finding{Requirement: "LIV-01", Expected: "a completed checkpoint of job second to resume from"}, false},
		{oracle.Fail, oracle.Finding{Requirement: "SHR-01", Expected: "every file that its _metadata refers to", Found: "b"}, true},
		{oracle.Fail, oracle.Finding{Requirement: "REC-04", Expected: "chk-12 in /runs/22/chk-12 of job second"}, true},
		{oracle.Fail, oracle.Finding{Requirement: "REC-02", Expected: "every file that its _metadata refers to"}, false},
		{oracle.Fail, oracle.Finding{Requirement: "LIV-01", Expected: "job first to complete 2 checkpoints", Found: "FAILED: a.B: no; Caused by: c.D: why; Caused by: e.F: /7"}, true},
		{oracle.Fail, oracle.Finding{Requirement: "LIV-01", Expected: "job first to complete 2 checkpoints", Found: "FAILED: a.B: no; Caused by: c.D: why"}, false},
		{oracle.Error, oracle.Finding{Requirement: "LIV-01", Expected: "job second to be FINISHED"}, false},
	} {
		result := run.Result{Verdict: test.verdict, Findings: []oracle.Finding{test.found}}
		if got := saved.SameFailure(result); got != test.same {
			t.Errorf("%s %+v: want %t, got %t", test.verdict, test.found, test.same, got)
		}
	}
}
