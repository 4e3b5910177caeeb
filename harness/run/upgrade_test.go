package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// renewed is a target whose clusters can be upgraded. It remembers the versions that were started,
// and when a cluster handed its storage over.
type renewed struct {
	dark
	version string
	started *[]string
}

func (r renewed) Describe() history.Target {
	return history.Target{Name: "renewed", Version: r.version, Next: "3"}
}

// Honours implements [target.Target]. Version 2 has no state backend forst any more.
func (r renewed) Honours(f target.Field) bool { return r.version != "2" || f.Value != "forst" }

func (r renewed) Cluster() target.Cluster { return renewedCluster{} }

func (r renewed) Start(context.Context, target.Spec) (target.Cluster, error) {
	*r.started = append(*r.started, r.version)
	return renewedCluster{&darkCluster{}, r, new(time.Duration)}, nil
}

type renewedCluster struct {
	*darkCluster
	of  renewed
	now *time.Duration
}

// Its storage is empty, and its clock runs fast.
func (renewedCluster) Files() filesystem.FileSystem { return filesystem.NewMemory() }
func (renewedCluster) Root() string                 { return "/" }
func (c renewedCluster) Now() time.Duration         { *c.now += settledAfter; return *c.now }
func (renewedCluster) Step(context.Context) error   { return nil }

const handOver = "hand over"

func (c renewedCluster) HandOver() { *c.of.started = append(*c.of.started, handOver) }

func (c renewedCluster) Upgraded(_ context.Context, version string) (target.Target, error) {
	if version == "0" {
		return nil, errors.New("there is no version 0")
	}
	return renewed{version: version, started: c.of.started}, nil
}

// The word next stands for the version that the user named. If a version cannot be installed, the
// cluster of the old version is closed once, as after each run.
func TestAnUpgradeGoesToTheNamedVersionOrToTheNext(t *testing.T) {
	for word, want := range map[string][]string{scenarios.Next: {"1", handOver, "3"}, "2": {"1", handOver, "2"}, "0": {"1"}} {
		var started []string
		setup := Setup{Target: renewed{version: "1", started: &started}, History: io.Discard, Progress: func(string) {}}
		session, err := setup.Begin(context.Background(), scenarios.Scenario{Name: "upgrade", Bound: time.Hour})
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

// What a scenario sets for jobs after an upgrade, the new version must honour. What it sets only for
// jobs before the upgrade, the new version need not know.
func TestTheNewVersionMustHonourWhatFollows(t *testing.T) {
	forst := scenarios.Step{Submit: &scenarios.Submit{Job: "first", With: &scenarios.Job{Backend: "forst"}}}
	for want, steps := range map[string][]scenarios.Step{
		"upgrade: job.backend: forst: version 2 does not honour it": {{Upgrade: "2"}, forst},
		"": {forst, {Upgrade: "2"}},
	} {
		var started []string
		setup := Setup{Target: renewed{version: "1", started: &started}, History: io.Discard, Progress: func(string) {}}
		session, err := setup.Begin(context.Background(), scenarios.Scenario{Name: "forst", Bound: time.Hour, Steps: steps})
		if err != nil {
			t.Fatal(err)
		}
		if err := session.upgrade(context.Background(), "2"); fmt.Sprint(err) != cmp.Or(want, "<nil>") {
			t.Errorf("want %q, got %v", want, err)
		}
		if handed := slices.Contains(started, handOver); handed != (want == "") {
			t.Errorf("%q: handed over: %v", want, handed)
		}
	}
}
