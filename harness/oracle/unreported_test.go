package oracle_test

import (
	"slices"
	"testing"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
)

// A JobManager dies after it completed the checkpoint from which the job is then restored, and
// before it reported that. The checkpoint counts among those that stay.
func TestACheckpointThatWasNotReportedStays(t *testing.T) {
	h := good(t, retain)
	job, _ := h.Job("first")
	completed := h.Completed(job.ID, h.End())
	newest := completed[len(completed)-1]
	at := slices.IndexFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Completed && e.Checkpoint == newest })
	h.Events[at].Kind, h.Events[at].Path = history.Restored, "/checkpoints/"+job.ID+"/chk-1"
	broken := func(f oracle.Finding) bool { return f.Requirement == "CLN-01" }
	if j := oracle.Judge(h); slices.ContainsFunc(j.Findings, broken) {
		t.Errorf("want no finding about checkpoint %d, got %+v", newest, j.Findings)
	}
	h.Events[at].Path = "/checkpoints/another-job/chk-1"
	if j := oracle.Judge(h); !slices.ContainsFunc(j.Findings, broken) {
		t.Errorf("checkpoint %d is of another job: want a finding about this job's, got %+v", newest, j.Findings)
	}
}

// The same holds while the job runs: the checkpoint that nobody reported has subsumed the one before.
func TestACheckpointThatWasNotReportedSubsumes(t *testing.T) {
	h := good(t, retain)
	job, _ := h.Job("first")
	completed := h.Completed(job.ID, h.End())
	at := slices.IndexFunc(h.Events, func(e history.Event) bool {
		return e.Kind == history.Completed && e.Checkpoint == completed[len(completed)-1]
	})
	unreported := func(f oracle.Finding) bool { return f.Requirement == "CLN-11" }
	h.Events[at].Kind = history.Aborted
	if j := oracle.Judge(h); !slices.ContainsFunc(j.Findings, unreported) {
		t.Errorf("the checkpoint before is gone: want a finding, got %+v", j.Findings)
	}
	h.Events[at].Kind, h.Events[at].Path = history.Restored, "/checkpoints/"+job.ID+"/chk-1"
	if j := oracle.Judge(h); slices.ContainsFunc(j.Findings, unreported) {
		t.Errorf("want no finding, got %+v", j.Findings)
	}
}
