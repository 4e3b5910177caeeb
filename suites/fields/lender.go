package fields

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

// Lender lends one cluster to many runs, one after the other, because real processes need seconds to
// start. A run gets a cluster of its configuration. The method Close ends the clusters.
type Lender struct {
	mu       sync.Mutex
	clusters map[string]*lent
}

// lent is a cluster that a lender has.
type lent struct {
	target.Target
	cluster target.Cluster
	dir     string
	observe func(history.Event) // of the run that has the cluster
}

// Start implements [target.Target]. It starts a cluster only for the first run.
func (l *lent) Start(ctx context.Context, spec target.Spec) (c target.Cluster, err error) {
	l.observe = spec.Observe
	if l.cluster == nil {
		spec.Observe = func(e history.Event) { l.observe(e) }
		l.dir = spec.Dir
		l.cluster, err = l.Target.Start(ctx, spec)
	}
	return l.cluster, err
}

// borrow returns the cluster for a scenario. Its key is the configuration of the cluster, and the
// features for which a cluster needs something of its own.
func (l *Lender) borrow(under target.Target, s scenarios.Scenario) (*lent, error) {
	needs := slices.DeleteFunc(slices.Clone(s.Features), func(f scenarios.Feature) bool {
		return !slices.Contains([]scenarios.Feature{scenarios.Tap, scenarios.Pause, scenarios.Partition, scenarios.Network, scenarios.Bandwidth, scenarios.Kafka}, f)
	})
	key, err := json.Marshal([]any{s.Cluster, needs})
	if err != nil {
		return nil, err
	}
	if l.clusters == nil {
		l.clusters = map[string]*lent{}
	}
	if l.clusters[string(key)] == nil {
		l.clusters[string(key)] = &lent{Target: under}
	}
	return l.clusters[string(key)], nil
}

// begin runs a scenario on a cluster that other runs use before and after it.
func (l *Lender) begin(ctx context.Context, under target.Target, s scenarios.Scenario, dir string) (Run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lent, err := l.borrow(under, s)
	if err != nil {
		return Run{}, err
	}
	setup := run.Setup{Target: lent, Seed: 1, Try: 1, Dir: dir, History: io.Discard, Progress: func(string) {}}
	session, err := setup.Begin(ctx, s)
	if err != nil {
		return Run{}, err
	}
	log, err := logOf(lent.cluster)
	if err != nil {
		return Run{}, err
	}
	seen, err := look(ctx, session, len(log))
	seen.Dir = lent.dir
	if err = errors.Join(err, tidy(ctx, session)); err != nil {
		return Run{}, fmt.Errorf("%w; see the logs in %s", err, lent.dir)
	}
	return seen, nil
}

// tidy ends the jobs of a session, deletes their directories, and starts the TaskManagers that are
// missing. It keeps the checkpoints, at which a row looks after the run.
func tidy(ctx context.Context, session *run.Session) error {
	c := session.Cluster()
	over := func(j history.Job) bool {
		status, _ := session.History().Status(j.ID)
		return j.Refused || status.Terminal()
	}
	for _, job := range session.History().Jobs() {
		var refused *target.RefusedError
		if err := c.Cancel(ctx, job.ID); !over(job) && err != nil && !errors.As(err, &refused) {
			return err
		}
		if err := session.Until(ctx, "job "+job.Name+" to end", func() bool { return over(job) }); err != nil {
			return err
		}
		if err := filesystem.RemoveAll(c.Files(), filesystem.Join(c.Work(), job.Name)); err != nil {
			return err
		}
	}
	if killer, ok := c.(target.Killer); ok {
		return killer.StartTaskManagers(ctx)
	}
	return nil
}

// Close ends the clusters.
func (l *Lender) Close() error {
	var failed error
	for _, lent := range l.clusters {
		if lent.cluster != nil {
			failed = errors.Join(failed, lent.cluster.Close())
		}
	}
	return failed
}
