package oracle_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
)

// A kill that is meant to come between a complete checkpoint and the commit in Kafka proves something
// only if the transactions of the checkpoint were committed after it, or aborted.
func TestAKillBeforeTheCommitIsProvenByTheTransactions(t *testing.T) {
	for _, c := range []struct {
		what         string
		transactions []history.Transaction
		void         string
	}{
		{"committed after the kill", []history.Transaction{{BeganMicros: 900, CommittedMicros: 9000}}, ""},
		{"an earlier one is committed before the checkpoint is complete", []history.Transaction{{BeganMicros: 100, CommittedMicros: 900}, {BeganMicros: 900, CommittedMicros: 9000}}, ""},
		{"committed before the kill", []history.Transaction{{BeganMicros: 900, CommittedMicros: 1500}, {BeganMicros: 900, CommittedMicros: 9000}}, "came too late"},
		{"none was pending", []history.Transaction{{BeganMicros: 100, CommittedMicros: 900}, {BeganMicros: 5000, CommittedMicros: 9000}}, "no transaction of checkpoint 2 ended"},
		{"aborted after the kill", []history.Transaction{{BeganMicros: 700, AbortedMicros: 9000}}, ""},
		{"one of the next checkpoint began early, and is aborted", []history.Transaction{{BeganMicros: 100, CommittedMicros: 700}, {BeganMicros: 900, AbortedMicros: 9000}}, "no transaction of checkpoint 2 ended"},
		{"only a later one is aborted", []history.Transaction{{BeganMicros: 100, CommittedMicros: 900}, {BeganMicros: 1100, AbortedMicros: 9000}}, "no transaction of checkpoint 2 ended"},
	} {
		h := &history.History{Events: []history.Event{
			{Kind: history.Triggered, ID: "a", Checkpoint: 2, AtMicros: 800},
			{Kind: history.Completed, ID: "a", Checkpoint: 2, AtMicros: 1000},
			{Kind: history.Fault, Fault: "(Kill taskmanager (Given (Completed 1)))", Process: "taskmanager-1", AtMicros: 2000},
			{Kind: history.Committed, Transactions: c.transactions, AtMicros: 20000},
		}}
		for i := range h.Events {
			h.Events[i].Number = i + 1
		}
		h.Header.Scenario.Workload = workload.Workload{Name: workload.Counts, Splits: 1, Records: 1, Keys: 1, Connectors: workload.Kafka}
		void := oracle.Judge(h).Void
		if (c.void == "") != (void == "") || !strings.Contains(void, c.void) {
			t.Errorf("%s: want %q, got %q", c.what, c.void, void)
		}
	}
}

// A bounded Kafka source may not finish after a resume. If the job has read its whole input before it
// is drained, what is missing from its output is lost.
func TestADrainedJobThatReadItsWholeInputIsJudgedAsFinished(t *testing.T) {
	h := good(t, killed)
	job := h.Jobs()[0]
	stop := []history.Event{
		{Kind: history.ReadAll, Job: job.Name},
		{Kind: history.Savepoint, Job: job.Name, Label: string(scenarios.Drain), Path: "/savepoint-1"},
	}
	for _, c := range []struct {
		what   string
		events []history.Event
		lost   bool
	}{
		{"drained after it had read everything", stop, true},
		{"drained early", stop[1:], false},
		{"not drained", nil, true},
	} {
		changed := good(t, killed)
		output(func(lines []string) []string { return lines[1:] })(changed)
		end := len(changed.Events)
		for i, e := range changed.Events {
			if e.Kind == history.Status && e.Status == "FINISHED" {
				end = i
			}
		}
		changed.Events = slices.Insert(changed.Events, end, c.events...)
		for i := range changed.Events {
			changed.Events[i].Number = i + 1
		}
		lost := slices.ContainsFunc(oracle.Judge(changed).Findings, func(f oracle.Finding) bool {
			return f.Requirement == "REC-02" && strings.Contains(f.Problem, "lost record")
		})
		if c.what == "drained after it had read everything" && len(oracle.Judge(changed).Findings) != 1 {
			t.Errorf("%s: want no other finding, got %+v", c.what, oracle.Judge(changed).Findings)
		}
		if lost != c.lost {
			t.Errorf("%s: want a lost record: %v, got %v", c.what, c.lost, lost)
		}
	}
}
