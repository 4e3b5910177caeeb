package oracle_test

import (
	"slices"
	"testing"

	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/storage"
)

// A job that is submitted with another retention is judged by this one.
func TestAJobIsJudgedByItsOwnRetention(t *testing.T) {
	h := good(t, retain)
	lastTree(removeCheckpoints)(h)
	gone := func() bool {
		return slices.ContainsFunc(oracle.Judge(h).Findings, func(f oracle.Finding) bool { return f.Requirement == "CLN-01" })
	}
	if !gone() {
		t.Fatal("want a finding when the checkpoints of a canceled job are gone under RETAIN_ON_CANCELLATION, got none")
	}
	deletes := h.Header.Scenario.Job
	deletes.Retention = storage.DeleteOnCancellation
	for _, step := range h.Header.Scenario.Steps {
		if step.Submit != nil {
			step.Submit.With = &deletes
		}
	}
	if gone() {
		t.Errorf("the job was submitted with %s: want no finding, got %+v", deletes.Retention, oracle.Judge(h).Findings)
	}
}

// If one job promises each record at least once, the output of all jobs may hold records twice.
func TestOneJobThatAppliesRecordsAtLeastOnceIsEnough(t *testing.T) {
	h := good(t, killed)
	output(func(lines []string) []string { return append(lines, lines[0]) })(h)
	doubled := func() bool {
		return slices.ContainsFunc(oracle.Judge(h).Findings, func(f oracle.Finding) bool { return f.Requirement == "REC-02" })
	}
	if !doubled() {
		t.Fatal("want a finding about the doubled record, got none")
	}
	with := h.Header.Scenario.Job
	with.AtLeastOnce = true
	h.Header.Scenario.Steps[0].Submit.With = &with
	if doubled() {
		t.Errorf("want no finding about a doubled record, got %+v", oracle.Judge(h).Findings)
	}
}
