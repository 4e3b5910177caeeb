package target_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
)

// A target that honours nothing has a reason for each field that the scenario sets, also for those
// of a single submission. A field that is not set gives no reason.
func TestAFieldThatIsNotHonouredIsNamed(t *testing.T) {
	job := scenarios.Job{Parallelism: 1, Backend: "forst", Settings: map[string]string{"b": "2", "a": "1"}}
	other := scenarios.Job{Parallelism: 1, ParallelismMax: 7, Backend: "forst"}
	s := scenarios.Scenario{
		Cluster: scenarios.Cluster{Settings: map[string]string{"c": "3"}},
		Job:     job,
		Steps: []scenarios.Step{
			{Submit: &scenarios.Submit{Job: "first"}},
			{Submit: &scenarios.Submit{Job: "second", Restore: "first", AllowNonRestored: true, With: &other}},
		},
	}
	want := []string{
		"cluster.settings.c: 3", "job.settings.a: 1", "job.settings.b: 2", "job.backend: forst", "submit.allowNonRestored: true", "job.maxParallelism: 7",
	}
	var got []string
	for _, reason := range target.Unhonoured(fake{}, s) {
		field, ok := strings.CutSuffix(reason, ": fake (none) does not honour it")
		if !ok {
			t.Errorf("want the name of the target, got %s", reason)
		}
		got = append(got, field)
	}
	if !slices.Equal(got, want) {
		t.Errorf("want %v\ngot %v", want, got)
	}
	plain := scenarios.Scenario{Steps: []scenarios.Step{{Submit: &scenarios.Submit{Job: "first"}}}}
	if got := target.Unhonoured(fake{}, plain); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// A user names the next version. A scenario that upgrades to it cannot run without one.
func TestAnUpgradeNeedsTwoVersions(t *testing.T) {
	upgrade := scenarios.Scenario{Steps: []scenarios.Step{{Upgrade: scenarios.Next}}}
	if got := target.Unhonoured(fake{}, upgrade); len(got) != 1 || !strings.Contains(got[0], "want an old and a new version, as in --flink-version 1.20.5:2.3.0, got only fake (none)") {
		t.Errorf("got %v", got)
	}
	if got := target.Unhonoured(fake{next: "2"}, upgrade); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
