package oracle_test

import (
	"slices"
	"testing"

	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/storage"
)

// Two jobs resume from the same checkpoint. The second of them claims it, and may delete it.
func TestACheckpointMayGoOnceItIsClaimed(t *testing.T) {
	h := good(t, twice)
	var last string
	for _, step := range h.Header.Scenario.Steps {
		if step.Submit != nil {
			last = step.Submit.Job
		}
	}
	for _, step := range h.Header.Scenario.Steps {
		if step.Submit != nil && step.Submit.Job == last {
			step.Submit.ClaimMode = storage.Claim
		}
	}
	lastTree(removeCheckpoints)(h)
	broken := func(f oracle.Finding) bool { return f.Requirement == "MOD-01" }
	if slices.ContainsFunc(oracle.Judge(h).Findings, broken) {
		t.Errorf("job %s claimed the checkpoint: want no finding when it goes, got %+v", last, oracle.Judge(h).Findings)
	}
}
