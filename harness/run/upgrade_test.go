package run

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
)

// renewed is a target whose clusters can be upgraded. It remembers the versions that were started.
type renewed struct {
	dark
	version string
	started *[]string
}

func (r renewed) Describe() history.Target {
	return history.Target{Name: "renewed", Version: r.version, Next: "3"}
}

func (r renewed) Cluster() target.Cluster { return renewedCluster{} }

func (r renewed) Start(context.Context, target.Spec) (target.Cluster, error) {
	*r.started = append(*r.started, r.version)
	return renewedCluster{&darkCluster{}, r}, nil
}

type renewedCluster struct {
	*darkCluster
	of renewed
}

func (c renewedCluster) Upgraded(_ context.Context, version string) (target.Target, error) {
	if version == "0" {
		return nil, errors.New("there is no version 0")
	}
	return renewed{version: version, started: c.of.started}, nil
}

// The word next stands for the version that the user named. If a version cannot be installed, the
// cluster of the old version is closed once, as after each run.
func TestAnUpgradeGoesToTheNamedVersionOrToTheNext(t *testing.T) {
	for word, want := range map[string][]string{scenarios.Next: {"1", "3"}, "2": {"1", "2"}, "0": {"1"}} {
		var started []string
		setup := Setup{Target: renewed{version: "1", started: &started}, History: io.Discard, Progress: func(string) {}}
		session, err := setup.Begin(context.Background(), scenarios.Scenario{Name: "upgrade"})
		if err != nil {
			t.Fatal(err)
		}
		err = session.Take(context.Background(), scenarios.Step{Upgrade: word})
		if (err != nil) != (word == "0") {
			t.Errorf("%s: got %v", word, err)
		}
		if err := session.Close(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(started, want) {
			t.Errorf("%s: want the versions %v, got %v", word, want, started)
		}
	}
}

// A job may finish in the moment in which it is canceled. Then the run proves nothing about canceled
// jobs, but nothing is wrong.
func TestAJobThatFinishesWhenItIsCanceledIsNoFailure(t *testing.T) {
	var started []string
	setup := Setup{Target: renewed{version: "1", started: &started}, History: io.Discard, Progress: func(string) {}}
	session, err := setup.Begin(context.Background(), scenarios.Scenario{Name: "finish"})
	if err != nil {
		t.Fatal(err)
	}
	job := history.Job{Name: "first", ID: "id"}
	session.record(history.Event{Kind: history.Status, ID: job.ID, Status: storage.Finished})
	err = session.awaitStatus(context.Background(), job, storage.Canceled)
	last := session.history.Events[len(session.history.Events)-1]
	if !errors.Is(err, ErrGaveUp) || last.Kind != history.Missed {
		t.Errorf("want a run that proves nothing, got %v after %+v", err, last)
	}
}
