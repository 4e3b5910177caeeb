package reference_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/faults"
	harnesshistory "github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/scenarios"
)

// A fault with a condition waits until the history fulfils the condition. A fault may have a
// condition alone, or a condition together with an operation on storage.
func TestAFaultWaitsForItsCondition(t *testing.T) {
	s := catalogue(t, "recovery/kill-taskmanager-mid-checkpoint")[0]
	parse := func(text string) *faults.Fault {
		fault, err := faults.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return &fault
	}
	first := parse(`(Kill taskmanager (Given (And (Completed 4) (Not (Restored 1)))))`)
	second := parse(`(Kill taskmanager (Before (Change "*/chk-*" (Given (And (Fired 1) (Restored 1))))))`)
	s.Steps = []scenarios.Step{s.Steps[0], {Fault: first}, s.Steps[3], {Fault: second}, s.Steps[3], s.Steps[4]}
	s.Requirements, s.Features = []string{"REC-02", "LIV-01"}, s.Needed()
	result := runAll(t, 1, s)[0]
	if result.Verdict != oracle.Pass {
		t.Fatalf("%s %s %v", result.Verdict, result.Reason, result.Findings)
	}
	h, err := harnesshistory.Read(bytes.NewReader(history(t, result)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fault *faults.Fault
		kind  harnesshistory.Kind
		least int
	}{{first, harnesshistory.Completed, 4}, {second, harnesshistory.Restored, 1}} {
		fired := h.Fired(c.fault.String())
		if len(fired) != 1 {
			t.Fatalf("%s fired %d times", c.fault, len(fired))
		}
		before := slices.DeleteFunc(slices.Clone(h.Events[:fired[0].Number-1]), func(e harnesshistory.Event) bool { return e.Kind != c.kind })
		if len(before) < c.least {
			t.Errorf("%s fired after %d events %s, want %d", c.fault, len(before), c.kind, c.least)
		}
	}
}

// A checkpoint that needs more time than the scenario gives it proves nothing about the engine.
func TestACheckpointThatExpiresProvesNothing(t *testing.T) {
	s := catalogue(t, "leaks/late-barrier")[0]
	first := *s.Steps[0].Submit
	brief := s.JobOf(first)
	brief.Timeout = 10 * time.Millisecond
	first.With, s.Steps[0].Submit = &brief, &first
	s.Workload.Snapshot = 50 * time.Millisecond
	result := runAll(t, 1, s)[0]
	if want := "expired after 10ms, the job's time-out"; result.Verdict != oracle.Void || !strings.Contains(result.Reason, want) {
		t.Fatalf("want void, %s; got %s, %s %v", want, result.Verdict, result.Reason, result.Findings)
	}
}
