package matchers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/onsi/gomega/types"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/suites/matchers"
)

var (
	passed = run.Result{
		Scenario: "recovery/mine", Verdict: oracle.Pass,
		Requirements: []oracle.RequirementVerdict{{ID: "REC-02", Verdict: oracle.Pass}},
	}
	failed = run.Result{
		Scenario: "recovery/mine", Verdict: oracle.Fail, Seed: 7, Dir: "runs/mine",
		Target: history.Target{Name: "flink", Runtime: "processes", Version: "2.3.0"},
		Requirements: []oracle.RequirementVerdict{
			{ID: "REC-02", Verdict: oracle.Fail}, {ID: "REC-03", Verdict: oracle.Pass},
		},
		Findings: []oracle.Finding{{Requirement: "REC-02", Problem: "1 lost record", Expected: "every record", Found: "record 3 is missing"}},
	}
	void = run.Result{
		Scenario: "recovery/mine", Verdict: oracle.Void, Reason: "the fault never fired",
		Requirements: []oracle.RequirementVerdict{{ID: "REC-02", Verdict: oracle.Void}},
	}
)

func TestMatchers(t *testing.T) {
	for _, c := range []struct {
		matcher types.GomegaMatcher
		result  run.Result
		want    bool
	}{
		{matchers.Pass(), passed, true},
		{matchers.Pass(), failed, false},
		{matchers.Pass(), void, false},
		{matchers.Hold("REC-02"), passed, true},
		{matchers.Hold("REC-02"), failed, false},
		{matchers.Hold("REC-03"), failed, true},
		{matchers.Hold("REC-02"), void, false},
		{matchers.Hold("CLN-01"), passed, false}, // never checked
	} {
		got, err := c.matcher.Match(c.result)
		if err != nil || got != c.want {
			t.Errorf("%s on a result that is %s: want %v, got %v, %v", c.matcher, c.result.Verdict, c.want, got, err)
		}
	}
	if _, err := matchers.Pass().Match("pass"); err == nil || err.Error() != "Pass() matches a run.Result, got a string" {
		t.Errorf("got %v", err)
	}
}

func TestMessages(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{matchers.Hold("REC-02").FailureMessage(failed), "Expected REC-02 to hold in recovery/mine: fail\n" +
			"REC-02: 1 lost record\n  expected: every record\n  found:    record 3 is missing\n" +
			"replay:  snapback run --target flink --runtime processes --flink-version 2.3.0 --seed 7 recovery/mine\nhistory: runs/mine"},
		{matchers.Pass().FailureMessage(void), "Expected everything to hold in recovery/mine: void, the fault never fired"},
		{matchers.Hold("REC-02").NegatedFailureMessage(passed), "Expected REC-02 not to hold in recovery/mine, but it does"},
	} {
		if !strings.HasPrefix(c.got, c.want) {
			t.Errorf("want %s\ngot  %s", c.want, c.got)
		}
	}
}

func ExampleHold() {
	matched, _ := matchers.Hold("REC-02").Match(passed)
	fmt.Println(matched)
	// Output: true
}
