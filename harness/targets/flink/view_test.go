package flink_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/scenarios"
)

// A fault that can never fire on Flink is a skip that names the fault and says why.
func TestAFaultThatCannotFireOnFlinkIsNamed(t *testing.T) {
	mount, objects := flink.Minicluster{}, flink.Minicluster{Target: flink.Target{Objects: &flink.Objects{Bucket: "b"}}}
	for _, c := range []struct {
		on    target.Target
		fault string
		want  string
	}{
		{mount, `(Fail EIO (On (Rename "*/committed/*")))`, `operations in a directory "committed" do not pass here`},
		{mount, `(Throttle 5 (On (Put "*/chk-*")))`, "there are no operations of the kind Put"},
		{mount, `(Fail EIO (On (Open "*/checkpoints/*/chk-3/_metadata")))`, ""},
		{mount, `(Kill taskmanager (Before (Write "*/shared/*")))`, ""},
		{flink.Target{}, `(Fail EIO (On (Rename "*/committed/*")))`, ""},
		{flink.Target{}, `(Throttle 5 (On (Put "*/chk-*")))`, "there are no operations of the kind Put"},
		{objects, `(Fail EIO (On (Rename "*/_metadata")))`, "there are no operations of the kind Rename"},
		{objects, `(Lose (On (Put "*/_metadata")))`, ""},
		{flink.Minicluster{Target: flink.Target{Objects: &flink.Objects{Direct: true}}}, `(Lose (On (Put "*/_metadata")))`, "there are no operations of the kind Put"},
	} {
		fault, err := faults.Parse(c.fault)
		if err != nil {
			t.Fatal(err)
		}
		s := scenarios.Scenario{Steps: []scenarios.Step{{Submit: &scenarios.Submit{Job: "first"}}}}
		s.Steps = append(s.Steps, scenarios.Step{Fault: &fault})
		reasons := strings.Join(target.Unhonoured(c.on, s), "\n")
		if (c.want == "") != (reasons == "") || !strings.Contains(reasons, c.want) || (c.want != "" && !strings.HasPrefix(reasons, c.fault)) {
			t.Errorf("%s: want %q, got %q", c.fault, c.want, reasons)
		}
	}
}

// The minicluster shows why faults/failed-commit was always void there.
func TestTheCommitOfOutputIsNotOnTheMount(t *testing.T) {
	all, err := scenarios.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(all, func(s scenarios.Scenario) bool { return s.Name == "faults/failed-commit" })
	if reasons := target.Unhonoured(flink.Minicluster{}, all[at]); len(reasons) == 0 || !strings.Contains(strings.Join(reasons, " "), "committed") {
		t.Errorf("got %v", reasons)
	}
}
