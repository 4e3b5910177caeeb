package run

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

// dark is a target whose clusters lose their power and cannot start again.
type dark struct {
	target.Target
	after bool
}

var errDark = errors.New("it stays dark")

func (dark) Describe() history.Target    { return history.Target{Name: "dark"} }
func (dark) Honours(target.Field) bool   { return true }
func (dark) Claims() []scenarios.Feature { return nil }
func (dark) Cluster() target.Cluster     { return (*darkCluster)(nil) }

func (d dark) Start(context.Context, target.Spec) (target.Cluster, error) {
	if d.after {
		return nil, errDark
	}
	return &darkCluster{}, nil
}

type darkCluster struct {
	target.Cluster
	target.Killer
	target.JobManagerKiller
	closed int
}

func (*darkCluster) Now() time.Duration                                        { return 0 }
func (*darkCluster) Submit(context.Context, target.Submission) (string, error) { return "id", nil }
func (*darkCluster) TaskManagers() []string                                    { return nil }
func (*darkCluster) JobManagers() []string                                     { return nil }
func (*darkCluster) Work() string                                              { return "/" }
func (*darkCluster) Disk(look func(*filesystem.Memory))                        { look(filesystem.NewMemory()) }

func (*darkCluster) AfterPowerLoss(*filesystem.Memory) target.Target { return dark{after: true} }

func (c *darkCluster) Close() error {
	if c.closed++; c.closed > 1 {
		return errors.New("closed twice")
	}
	return nil
}

// If a cluster does not start again after a power loss, the run is an error and says why.
func TestAClusterThatStaysDark(t *testing.T) {
	s := scenarios.Scenario{Name: "dark", Steps: []scenarios.Step{
		{Submit: &scenarios.Submit{Job: "first"}},
		{Fault: &faults.Fault{Action: faults.PowerLoss{Level: filesystem.POSIX}}},
	}}
	runner := Runner{Target: dark{}, Timeout: time.Minute, Tries: 1}
	h, _, err := runner.try(context.Background(), s, 1, "", io.Discard)
	if h != nil || !errors.Is(err, errDark) || err.Error() != "step 2: start a cluster after the power loss: it stays dark" {
		t.Errorf("got %v, %v", h, err)
	}
	if result := runner.Run(context.Background(), []scenarios.Scenario{s}, func(Result) {})[0]; result.Verdict != oracle.Error {
		t.Errorf("got %+v", result)
	}
}
