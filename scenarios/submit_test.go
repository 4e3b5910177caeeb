package scenarios_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
)

const submissions = `
name: mine
title: A scenario of my own
requirements: [REC-02]
features: [modes, upgrade, rescale]
variants:
  - {retention: RETAIN_ON_CANCELLATION}
  - {retention: DELETE_ON_CANCELLATION}
workload: {splits: 1, records: 10, keys: 2}
cluster: {taskManagers: 2, retained: 3, settings: {jobmanager.scheduler: adaptive, web.timeout: 10000}}
job: {parallelism: 1, interval: 50ms, restarts: 3, unaligned: true, backend: rocksdb, settings: {a: one, b: two}}
steps:
  - submit: {job: first}
  - wait: 3s
  - damage: {file: "*/chk-3/_metadata", how: delete}
  - submit: {job: second, restore: first, from: {checkpoint: 3}, refused: "cannot be found"}
  - damage: {file: "*/chk-3/_metadata", how: restore}
  - upgrade: 2.3.0
  - submit: {job: third, restore: first, from: {path: /some/chk-7}, refused: true, allowNonRestored: true}
  - submit: {job: fourth, restore: first, from: savepoint, with: {unaligned: false, parallelism: 2, settings: {b: three}}}
`

func parse(t *testing.T, text string) []scenarios.Scenario {
	t.Helper()
	all, err := scenarios.Parse("mine.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTheStepsOfAScenarioFile(t *testing.T) {
	s := parse(t, submissions)[0]
	if got := s.Cluster.Settings; !reflect.DeepEqual(got, map[string]string{"jobmanager.scheduler": "adaptive", "web.timeout": "10000"}) {
		t.Errorf("settings of the cluster: got %v", got)
	}
	if got := s.Steps[1].Wait; got != 3*time.Second {
		t.Errorf("wait: got %s", got)
	}
	if got := *s.Steps[2].Damage; got != (scenarios.Damage{File: "*/chk-3/_metadata", How: scenarios.Deleted}) {
		t.Errorf("damage: got %+v", got)
	}
	second, third := s.Steps[3].Submit, s.Steps[6].Submit
	if second.From != (scenarios.Pointer{Checkpoint: 3}) || second.Refused != (scenarios.Refusal{Expected: true, Why: "cannot be found"}) {
		t.Errorf("second: got %+v", second)
	}
	if third.From != (scenarios.Pointer{Path: "/some/chk-7"}) || third.Refused != (scenarios.Refusal{Expected: true}) || !third.AllowNonRestored {
		t.Errorf("third: got %+v", third)
	}
	if got := s.Steps[5].Upgrade; got != "2.3.0" {
		t.Errorf("upgrade: got %s", got)
	}
}

// The fields that with does not give are those of the scenario's job, in each variant. A value that
// is the zero of its type is given all the same.
func TestASubmissionHasAConfigurationOfItsOwn(t *testing.T) {
	for _, s := range parse(t, submissions) {
		want := s.Job
		want.Unaligned, want.Parallelism, want.Settings = false, 2, map[string]string{"a": "one", "b": "three"}
		if got := *s.Steps[7].Submit.With; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: want %+v, got %+v", s.Name, want, got)
		}
		if got := s.JobOf(*s.Steps[0].Submit); !reflect.DeepEqual(got, s.Job) {
			t.Errorf("%s: want the job of the scenario, got %+v", s.Name, got)
		}
		if got := s.Job.Settings["b"]; got != "two" {
			t.Errorf("the job of the scenario has %s", got)
		}
	}
	submit := scenarios.Submit{Parallelism: 1, With: &scenarios.Job{Parallelism: 2}}
	if got := (scenarios.Scenario{}).JobOf(submit).Parallelism; got != 1 {
		t.Errorf("the parallelism of the submission counts: got %d", got)
	}
}

func TestThePageOfScenariosListsTheBackends(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "scenarios.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range scenarios.Backends {
		own := "no"
		if b.Reference != "" {
			own = "`" + b.Reference + "`"
		}
		if row := fmt.Sprintf("| `%s` | %s | %s |\n", b.Name, b.Flink, own); !strings.Contains(string(page), row) {
			t.Errorf("docs/scenarios.md: want the row %s", row)
		}
	}
}

// A scenario that is written as YAML or as JSON is the same scenario when it is read again.
func TestAScenarioIsWrittenAndReadAgain(t *testing.T) {
	for _, s := range parse(t, submissions) {
		text, err := yaml.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := scenarios.Parse("mine.yaml", text)
		if err != nil || !reflect.DeepEqual(again[0], s) {
			t.Errorf("want %+v\ngot %+v, %v\n%s", s, again, err, text)
		}
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var read scenarios.Scenario
		if err := json.Unmarshal(data, &read); err != nil || !reflect.DeepEqual(read, s) {
			t.Errorf("want %+v\ngot %+v, %v\n%s", s, read, err, data)
		}
	}
}

// A case or a history that was written before there were other pointers than words can still be
// read, and a scenario without new fields is written as before.
func TestJSONOfEarlierVersions(t *testing.T) {
	old := `{"job":"second","restore":"first","from":"savepoint","refused":true}`
	var submit scenarios.Submit
	if err := json.Unmarshal([]byte(old), &submit); err != nil || submit.From != scenarios.ToSavepoint || !submit.Refused.Expected {
		t.Errorf("got %+v, %v", submit, err)
	}
	if text, err := json.Marshal(submit); err != nil || string(text) != old {
		t.Errorf("want %s, got %s, %v", old, text, err)
	}
	if text, err := json.Marshal(scenarios.Submit{Job: "first"}); err != nil || string(text) != `{"job":"first"}` {
		t.Errorf("got %s, %v", text, err)
	}
	job, err := json.Marshal(scenarios.Job{Retention: storage.RetainOnCancellation})
	if err != nil || strings.Contains(string(job), "settings") {
		t.Errorf("got %s, %v", job, err)
	}
}
