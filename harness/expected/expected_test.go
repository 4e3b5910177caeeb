package expected_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/harness/expected"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/exploration"
)

const list = `
- scenario: durability/power-loss-*
  requirements: [DUR-01]
  perhaps: [REC-02]
  target: flink
  version: 2.*
  runtime: minicluster
  link: docs/findings.md
  reason: A directory is not synced.
- scenario: upgrade/**
  requirements: [LIV-01]
  version: 2.3.*:2.4.*
  link: docs/findings.md
  reason: The state cannot be read.
`

func TestWhatAnEntryConcerns(t *testing.T) {
	entries, err := expected.Parse("list", []byte(list))
	if err != nil {
		t.Fatal(err)
	}
	on := history.Target{Name: "flink", Version: "2.3.0", Runtime: "minicluster"}
	old, processes, reference := on, on, on
	old.Version, processes.Runtime, reference.Name = "1.20.5", "processes", "reference"
	upgraded := on
	upgraded.Next = "2.4.0"
	for _, c := range []struct {
		scenario string
		on       history.Target
		want     int
	}{
		{"durability/power-loss-when-complete", on, 1},
		{"durability/kill", on, 0},
		{"durability/power-loss-when-complete", old, 0},
		{"durability/power-loss-when-complete", processes, 0},
		{"durability/power-loss-when-complete", reference, 0},
		{"durability/power-loss-when-complete", upgraded, 1},
		{"upgrade/lists-savepoint", on, 0},
		{"upgrade/lists-savepoint", upgraded, 1},
	} {
		if got := len(entries.Of(c.scenario, c.on)); got != c.want {
			t.Errorf("%s on %s: want %d entries, got %d", c.scenario, c.on, c.want, got)
		}
	}
}

func TestMark(t *testing.T) {
	entries, err := expected.Parse("list", []byte(list))
	if err != nil {
		t.Fatal(err)
	}
	entries = entries[:1]
	chance := expected.List{entries[0]}
	chance[0].Sometimes = true
	for _, c := range []struct {
		name      string
		list      expected.List
		verdict   oracle.Verdict
		failed    string // the ids of the requirements that failed; a question mark follows the id of one that was not tested
		want      oracle.Verdict
		wantWords string
	}{
		{"it fails as the entry says", entries, oracle.Fail, "DUR-01", oracle.ExpectedFailure, ""},
		{"another requirement fails that the entry allows", entries, oracle.Fail, "DUR-01 REC-02", oracle.ExpectedFailure, ""},
		{"another requirement fails", entries, oracle.Fail, "DUR-01 CLN-01", oracle.Fail, "CLN-01 is not among the expected failures (DUR-01, REC-02)"},
		{"only what may fail, fails", entries, oracle.Fail, "REC-02", oracle.UnexpectedPass, "DUR-01 no longer fails"},
		{"only what may fail, fails, and the rest was not tested", entries, oracle.Fail, "DUR-01? REC-02", oracle.Void, "this run did not test DUR-01"},
		{"it passes", entries, oracle.Pass, "", oracle.UnexpectedPass, "DUR-01 no longer fails (docs/findings.md): remove it"},
		{"it passes, and depends on chance", chance, oracle.Pass, "", oracle.Pass, ""},
		{"it fails, and depends on chance", chance, oracle.Fail, "DUR-01", oracle.ExpectedFailure, ""},
		{"it proves nothing", entries, oracle.Void, "", oracle.Void, ""},
		{"the harness fails", entries, oracle.Error, "", oracle.Error, ""},
		{"no entry concerns it", nil, oracle.Fail, "DUR-01", oracle.Fail, ""},
	} {
		var requirements []oracle.RequirementVerdict
		for _, id := range strings.Fields(c.failed) {
			id, untested := strings.CutSuffix(id, "?")
			verdict := oracle.Fail
			if untested {
				verdict = oracle.Void
			}
			requirements = append(requirements, oracle.RequirementVerdict{ID: id, Verdict: verdict})
		}
		got, reason := c.list.Mark(c.verdict, requirements)
		if got != c.want || !strings.Contains(reason, c.wantWords) || (c.wantWords == "") != (reason == "") {
			t.Errorf("%s: want %s %q, got %s %q", c.name, c.want, c.wantWords, got, reason)
		}
	}
}

func TestAnEntryThatSaysTooLittleIsRefused(t *testing.T) {
	whole := "- {scenario: a, requirements: [REC-01], link: b, reason: c}"
	if _, err := expected.Parse("list", []byte(whole)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ remove, with, want string }{
		{"scenario: a, ", "", "want scenario"},
		{"requirements: [REC-01], ", "", "want requirements"},
		{", link: b", "", "want link"},
		{", reason: c", "", "want reason"},
		{"REC-01", "REC-99", "no requirement has the id REC-99"},
		{"reason", "raison", "raison"},
	} {
		_, err := expected.Parse("list", []byte(strings.Replace(whole, c.remove, c.with, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("without %q: want an error with %q, got %v", c.remove, c.want, err)
		}
	}
}

func ExampleList_Mark() {
	entries, _ := expected.Parse("list", []byte("- {scenario: recovery, requirements: [REC-03], link: FLINK-1, reason: State is lost.}"))
	of := entries.Of("recovery/claim", history.Target{Name: "flink"})
	fmt.Println(of.Mark(oracle.Pass, nil))
	// Output: xpass REC-03 no longer fails (FLINK-1): remove it from the expected failures
}

func TestAnExploredFailureIsKnownByItsTags(t *testing.T) {
	list, err := expected.Parse("list", []byte(`
- {scenario: explored, requirements: [REC-03], tags: [backend changelog, rescaled down], link: docs/findings.md, reason: the state is of the past}
`))
	if err != nil {
		t.Fatal(err)
	}
	s := scenarios.Scenario{
		Name: "explored/seed-1", Job: scenarios.Job{Parallelism: 2, Backend: "changelog"},
		Steps: []scenarios.Step{{Submit: &scenarios.Submit{Job: "one"}}, {Submit: &scenarios.Submit{Job: "two", Restore: "one", Parallelism: 1}}},
	}
	other := s
	other.Job.Backend = "hashmap"
	failed := func(id string) []oracle.RequirementVerdict {
		return []oracle.RequirementVerdict{{ID: id, Verdict: oracle.Fail}}
	}
	on := history.Target{Name: "flink"}
	if f, ok := list.Explored(s, on, failed("REC-03")); !ok || f.Link != "docs/findings.md" {
		t.Errorf("want the entry, got %+v", f)
	}
	for _, c := range []struct {
		s  scenarios.Scenario
		id string
	}{{other, "REC-03"}, {s, "REC-02"}} {
		if f, ok := list.Explored(c.s, on, failed(c.id)); ok {
			t.Errorf("backend %s, %s: want no entry, got %+v", c.s.Job.Backend, c.id, f)
		}
	}
}

// One run may show two bugs. It is known if an entry names each requirement that failed.
func TestAnExploredFailureMayBeTwoKnownBugs(t *testing.T) {
	list, err := expected.Parse("list", []byte(`
- {scenario: explored, requirements: [REC-03], tags: [backend changelog], link: one, reason: the state is of the past}
- {scenario: explored, requirements: [SHR-01], tags: [several retained], link: two, reason: a file is deleted}
`))
	if err != nil {
		t.Fatal(err)
	}
	both := scenarios.Scenario{
		Name: "explored/seed-1", Job: scenarios.Job{Backend: "changelog"}, Cluster: scenarios.Cluster{Retained: 2},
		Steps: []scenarios.Step{{Submit: &scenarios.Submit{Job: "one"}}},
	}
	one := both
	one.Cluster.Retained = 1
	failed := []oracle.RequirementVerdict{{ID: "REC-02", Verdict: oracle.Pass}, {ID: "REC-03", Verdict: oracle.Fail}, {ID: "SHR-01", Verdict: oracle.Fail}}
	on := history.Target{Name: "flink"}
	if f, ok := list.Explored(both, on, failed); !ok || f.Link != "one" {
		t.Errorf("want the first entry, got %+v", f)
	}
	if f, ok := list.Explored(one, on, failed); ok {
		t.Errorf("nothing explains SHR-01 with one retained checkpoint: want no entry, got %+v", f)
	}
	if f, ok := list.Explored(both, on, failed[:1]); ok {
		t.Errorf("nothing failed: want no entry, got %+v", f)
	}
}

// A tag that no scenario has would match nothing, silently.
func TestExploredScenariosHaveTheTagsOfTheList(t *testing.T) {
	list, err := expected.Flink()
	if err != nil {
		t.Fatal(err)
	}
	space := exploration.Space{Features: scenarios.Features(), Backends: scenarios.BackendNames(), Settings: exploration.Settings()}
	var drawn [][]string
	for seed := range uint64(1000) {
		drawn = append(drawn, exploration.Tags(space.Draw("explored/tags", exploration.Seeded(seed))))
	}
	tagged := 0
	for _, f := range list {
		if len(f.Tags) == 0 {
			continue
		}
		tagged++
		if !slices.ContainsFunc(drawn, func(tags []string) bool {
			return !slices.ContainsFunc(f.Tags, func(tag string) bool { return !slices.Contains(tags, tag) })
		}) {
			t.Errorf("%s: want a drawn scenario with the tags %q, got none", f.Link, f.Tags)
		}
	}
	if tagged == 0 {
		t.Error("want entries with tags, got none")
	}
}
