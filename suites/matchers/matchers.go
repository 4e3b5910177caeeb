// Package matchers holds gomega matchers for the results of scenarios. With these matchers, a spec
// reads like its requirement:
//
//	Expect(result).To(Hold("REC-02"))
//
// Start with [Pass] and [Hold].
package matchers

import (
	"fmt"
	"strings"

	"github.com/onsi/gomega/types"

	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/harness/run"
)

// Pass matches the result of a scenario that passed.
func Pass() types.GomegaMatcher { return &verdict{} }

// Hold matches the result of a scenario that checked the requirement with the given id, and found
// that the requirement holds. It does not match if the scenario did not check the requirement.
func Hold(requirement string) types.GomegaMatcher { return &verdict{requirement: requirement} }

type verdict struct{ requirement string }

func (v *verdict) Match(actual any) (bool, error) {
	result, ok := actual.(run.Result)
	if !ok {
		return false, fmt.Errorf("%s matches a run.Result, got a %T", v, actual)
	}
	if v.requirement == "" {
		return result.Verdict == oracle.Pass, nil
	}
	for _, r := range result.Requirements {
		if r.ID == v.requirement {
			return r.Verdict == oracle.Pass, nil
		}
	}
	return false, nil
}

func (v *verdict) String() string {
	if v.requirement == "" {
		return "Pass()"
	}
	return fmt.Sprintf("Hold(%q)", v.requirement)
}

func (v *verdict) subject() string {
	if v.requirement == "" {
		return "everything"
	}
	return v.requirement
}

// FailureMessage says what does not hold, and how to repeat the run.
func (v *verdict) FailureMessage(actual any) string {
	result := actual.(run.Result) // Match has checked the type
	var text strings.Builder
	fmt.Fprintf(&text, "Expected %s to hold in %s: %s", v.subject(), result.Scenario, result.Verdict)
	if result.Reason != "" {
		fmt.Fprintf(&text, ", %s", result.Reason)
	}
	for _, f := range result.Findings {
		if v.requirement == "" || f.Requirement == v.requirement {
			fmt.Fprintf(&text, "\n%s: %s\n  expected: %s\n  found:    %s", f.Requirement, f.Problem, f.Expected, f.Found)
		}
	}
	fmt.Fprintf(&text, "\nreplay:  %s\nhistory: %s", report.Replay(result), result.Dir)
	return text.String()
}

// NegatedFailureMessage says what holds although the spec expects the opposite.
func (v *verdict) NegatedFailureMessage(actual any) string {
	return fmt.Sprintf("Expected %s not to hold in %s, but it does", v.subject(), actual.(run.Result).Scenario)
}
