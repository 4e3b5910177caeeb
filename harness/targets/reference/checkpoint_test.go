package reference_test

import (
	"context"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
)

// reluctant is a target that refuses the first checkpoints on request.
type reluctant struct {
	reference.Simulated
	refusals *int
}

func (r reluctant) Cluster() target.Cluster { return reluctantCluster{} }

func (r reluctant) Start(ctx context.Context, spec target.Spec) (target.Cluster, error) {
	c, err := r.Simulated.Start(ctx, spec)
	return reluctantCluster{c, r.refusals}, err
}

type reluctantCluster struct {
	target.Cluster
	refusals *int
}

func (c reluctantCluster) Checkpoint(ctx context.Context, id string) (int64, error) {
	if *c.refusals > 0 {
		*c.refusals--
		return 0, &target.RefusedError{Why: "a subtask has finished"}
	}
	return c.Cluster.(target.Checkpointer).Checkpoint(ctx, id)
}

func TestACheckpointThatIsRefusedIsAskedForAgain(t *testing.T) {
	s := huntDraw(1)
	s.Steps = []scenarios.Step{
		{Submit: &scenarios.Submit{Job: "first"}},
		{Checkpoint: "first"},
		{Await: &scenarios.Await{Job: "first", Status: storage.Finished}},
		{Record: "after"},
	}
	s.Requirements, s.Features = []string{"TRG-02"}, s.Needed()
	for refusals, want := range map[int]oracle.Verdict{0: oracle.Pass, 2: oracle.Pass, 3: oracle.Fail} {
		runner := run.Runner{Target: reluctant{refusals: &refusals}, Seed: 1, Tries: 1, Timeout: time.Minute}
		result, _ := runner.RunOne(t.Context(), s)
		if result.Verdict != want {
			t.Errorf("%d refusals: want %s, got %s: %s %+v", refusals, want, result.Verdict, result.Reason, result.Findings)
		}
	}
}
