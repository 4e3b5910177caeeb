package report_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/expected"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/harness/run"
)

// sample returns a run with every verdict in it. The failed scenario has a history from the test
// data of the oracles.
func sample(t *testing.T) report.Run {
	t.Helper()
	dir := t.TempDir()
	data, err := os.ReadFile(filepath.Join("..", "oracle", "testdata", "recovery-kill-taskmanager-mid-checkpoint.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, run.HistoryName), data, 0o600); err != nil {
		t.Fatal(err)
	}
	on := history.Target{Name: "flink", Runtime: "processes", Version: "2.3.0"}
	result := func(name string, verdict oracle.Verdict, reason string) run.Result {
		return run.Result{Scenario: name, Target: on, Seed: 7, Verdict: verdict, Reason: reason, Took: time.Second}
	}
	failed := result("recovery/b", oracle.Fail, "")
	failed.Dir = dir
	failed.Findings = []oracle.Finding{{Requirement: "REC-02", Problem: "1 <lost> record", Expected: "every record", Found: "record 3 is missing"}}
	failed.Numbers = oracle.Numbers{
		Recoveries: []oracle.Recovery{{Fault: "(Kill taskmanager (During checkpoint))", Process: "taskmanager-2", Checkpoint: 3, Job: "first", Restored: 2, Took: 1500 * time.Millisecond}},
		Records:    100, Replayed: 7, Lost: 1,
		InFlight: []oracle.InFlight{{Job: "first", Checkpoint: 1}, {Job: "first", Checkpoint: 2, Bytes: 70}},
	}
	failed.Log, failed.Checkpoints = filepath.Join(dir, "jobmanager-1.log"), filepath.Join(dir, "checkpoints")
	void := result("recovery/e", oracle.Void, "no fault fired")
	void.Tries = 10
	known := expected.List{{Requirements: []string{"REC-03"}, Reason: "State goes back.", Link: "FLINK-1"}}
	xfail, xpass := result("recovery/f", oracle.ExpectedFailure, ""), result("recovery/g", oracle.UnexpectedPass, "REC-03 no longer fails")
	xfail.Expected, xpass.Expected = known, known
	return report.Run{Version: "v1", Seed: 7, Took: 3200 * time.Millisecond, Results: []run.Result{
		result("recovery/a", oracle.Pass, ""), failed, result("recovery/c", oracle.Error, "no room"),
		result("recovery/d", oracle.Skip, "not claimed"), void, xfail, xpass,
	}}
}

func TestConsole(t *testing.T) {
	var out bytes.Buffer
	run := sample(t)
	console := report.Console{Out: &out}
	for _, r := range run.Results {
		console.Result(r)
	}
	want := `pass  recovery/a (1.0s)
FAIL  recovery/b (1.0s)
      killed taskmanager-2 during checkpoint 3; job first came back, restored from chk-2, in 1.5s
      100 records: 7 replayed, 1 lost, 0 doubled
      1 of 2 checkpoints with records in flight, at most 70 bytes
      REC-02: 1 <lost> record
        expected: every record
        found:    record 3 is missing
      replay:   snapback run --target flink --runtime processes --flink-version 2.3.0 --seed 7 recovery/b
      history:  DIR/history.jsonl
      log:      DIR/jobmanager-1.log
      look:     snapback ls DIR/checkpoints
ERROR  recovery/c (1.0s)
      no room
      replay:   snapback run --target flink --runtime processes --flink-version 2.3.0 --seed 7 recovery/c
skip  recovery/d (1.0s)
      not claimed
void  recovery/e (1.0s, 10 tries)
      no fault fired
      replay:   snapback run --target flink --runtime processes --flink-version 2.3.0 --seed 7 recovery/e
xfail  recovery/f (1.0s)
      known:    REC-03 fails: State goes back. FLINK-1
      replay:   snapback run --target flink --runtime processes --flink-version 2.3.0 --seed 7 recovery/f
XPASS  recovery/g (1.0s)
      REC-03 no longer fails
      known:    REC-03 fails: State goes back. FLINK-1
      replay:   snapback run --target flink --runtime processes --flink-version 2.3.0 --seed 7 recovery/g
`
	if got := strings.ReplaceAll(out.String(), run.Results[1].Dir, "DIR"); got != want {
		t.Errorf("want\n%s\ngot\n%s", want, got)
	}
	if got, want := run.Done(), "DONE 7 scenarios: 1 pass, 1 fail, 1 error, 1 skip, 1 void, 1 xfail, 1 xpass in 3.2s (seed 7)"; got != want {
		t.Errorf("want %s, got %s", want, got)
	}
}

func TestVersionsSideBySide(t *testing.T) {
	run := sample(t)
	if report.Compare(run) != nil {
		t.Error("want no table for one version")
	}
	older := run.Results[1]
	older.Target.Version, older.Verdict = "1.18.1", oracle.Void
	upgraded := older
	upgraded.Verdict = oracle.Pass
	upgraded.Target.Next = "2.0.2"
	run.Results = append(run.Results[:2], older, upgraded)
	var out, page bytes.Buffer
	if err := report.Compare(run).Write(&out); err != nil {
		t.Fatal(err)
	}
	want := "scenario    2.3.0  1.18.1  1.18.1:2.0.2\nrecovery/a  pass   -       -\nrecovery/b  fail   void    pass\n"
	if out.String() != want {
		t.Errorf("want\n%s\ngot\n%s", want, out.String())
	}
	if got := report.Replay(upgraded); !strings.Contains(got, " --flink-version 1.18.1:2.0.2 ") {
		t.Errorf("want a replay with both versions, got %s", got)
	}
	explored := older
	explored.Scenario, explored.Case = "explored/seed-7", "cases/explored-seed-7.json"
	if got, want := report.Replay(explored), "snapback replay cases/explored-seed-7.json"; got != want {
		t.Errorf("a saved case: want the replay %q, got %q", want, got)
	}
	if err := report.HTML(&page, run); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<th>2.3.0</th><th>1.18.1</th><th>1.18.1:2.0.2</th>", `<td>recovery/b</td><td><span class="verdict fail">fail</span></td><td><span class="verdict void">void</span></td>`} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page does not show %s", want)
		}
	}
}

// A program that reads the JUnit file counts only a pass as a pass.
func TestJUnit(t *testing.T) {
	var out bytes.Buffer
	if err := report.JUnit(&out, sample(t)); err != nil {
		t.Fatal(err)
	}
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Skipped  int `xml:"skipped,attr"`
		Cases    []struct {
			Failure *struct {
				Message string `xml:"message,attr"`
			} `xml:"failure"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal(out.Bytes(), &suite); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(suite.Tests, suite.Failures, suite.Errors, suite.Skipped); got != "7 1 3 1" {
		t.Errorf("want 7 tests, 1 failure, 3 errors, 1 skipped; got %s", got)
	}
	if failure := suite.Cases[1].Failure; failure == nil || failure.Message != "REC-02: 1 <lost> record" {
		t.Errorf("got %+v", failure)
	}
}

func TestHTMLDrawsWhatHappenedAlsoWhereItFailed(t *testing.T) {
	var out bytes.Buffer
	if err := report.HTML(&out, sample(t)); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	for _, want := range []string{
		"<svg", "checkpoint 3 aborted at", "(Kill taskmanager (During checkpoint)) hit taskmanager-",
		"restored from checkpoint 2", "1 &lt;lost&gt; record", "record 3 is missing", "--seed 7 recovery/b",
		"jobmanager-1.log", "snapback ls ", "Known: REC-03 fails: State goes back. FLINK-1",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %s", want)
		}
	}
	if strings.Contains(page, "http://") || strings.Contains(page, "https://") {
		t.Error("the page is not self-contained")
	}
}

func TestOneFileIsNotFiles(t *testing.T) {
	if got := report.Count(1, "file") + ", " + report.Count(int64(2), "file"); got != "1 file, 2 files" {
		t.Errorf("got %s", got)
	}
}

func TestTheTimelineTellsSavepointsFromCheckpoints(t *testing.T) {
	dir, page := t.TempDir(), bytes.Buffer{}
	file, err := os.Create(filepath.Join(dir, run.HistoryName))
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := history.NewRecorder(file, history.Header{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []history.Event{
		{Kind: history.Submit, Job: "first"},
		{Kind: history.Accepted, Job: "first", ID: "a"},
		{Kind: history.Savepointed, ID: "a", Checkpoint: 3, Path: "savepoints/savepoint-a"},
		{Kind: history.Submit, Job: "second", From: "first"},
		{Kind: history.Accepted, Job: "second", ID: "b"},
		{Kind: history.Restored, ID: "b", Checkpoint: 3, Path: "savepoints/savepoint-a"},
	} {
		if err := recorder.Record(time.Second, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	ended := sample(t)
	ended.Results[1].Dir = dir
	if err := report.HTML(&page, ended); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "restored from savepoint 3") {
		t.Error("the page does not show a restore from savepoint 3")
	}
}

func TestAReportThatCannotBeWrittenIsAnError(t *testing.T) {
	if err := report.Write(filepath.Join(t.TempDir(), "missing"), sample(t)); err == nil {
		t.Error("want an error, got none")
	}
}

func ExampleRun_Done() {
	run := report.Run{Seed: 8123, Took: 3200 * time.Millisecond, Results: []run.Result{{Verdict: oracle.Pass}}}
	fmt.Println(run.Done())
	// Output: DONE 1 scenario: 1 pass in 3.2s (seed 8123)
}
