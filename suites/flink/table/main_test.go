package main

import (
	"strings"
	"testing"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/scenarios"
)

func TestThePageCountsRunsAndSaysWhy(t *testing.T) {
	var results []run.Result
	add := func(name, runtime, version string, verdict oracle.Verdict, reason string) {
		results = append(results, run.Result{
			Scenario: name, Target: history.Target{Runtime: runtime, Version: version}, Verdict: verdict, Reason: reason,
		})
	}
	add("a", "minicluster", flink.DefaultVersion, oracle.Pass, "")
	add("a", "minicluster", flink.DefaultVersion, oracle.Void, "no fault fired")
	add("a", "processes", flink.DefaultVersion, oracle.Pass, "")
	add("a", "processes", flink.DefaultVersion, oracle.Pass, "")
	add("b", "containers", flink.DefaultVersion, oracle.ExpectedFailure, "")
	add("c", "minicluster", "1.20.5", oracle.Pass, "")
	add("c", "processes", flink.DefaultVersion, oracle.Skip, "the target does not claim clock")
	add("e", "minicluster", "1.20.5", oracle.Pass, "")
	results[len(results)-1].Target.Next = flink.DefaultVersion
	got := page([]scenarios.Scenario{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}, {Name: "e"}}, results)
	for _, want := range []string{
		"\n3 of 5 scenarios passed", "| a | void, pass | pass ×2 |  |\n", "| b |  |  | xfail |\n", "| c |  |  |  |\n", "| e | pass |  |  |\n",
		"| c | processes: the target does not claim clock |\n", "| d | it did not run |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
}
