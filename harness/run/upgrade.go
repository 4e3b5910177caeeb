package run

import (
	"context"
	"fmt"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
)

// upgrade ends the cluster, and starts a cluster of another version on the same storage. The jobs
// must have ended before: a user would stop them, too.
func (r *Session) upgrade(ctx context.Context, version string) error {
	upgrader, err := capability[target.Upgrader](r)
	if err != nil {
		return err
	}
	for _, job := range r.history.Jobs() {
		if job.ID != "" && !r.over(job) {
			return harness.Usagef("upgrade: want all jobs to have ended before, but job %s is %s; cancel it, or stop it with a savepoint", job.Name, r.status(job))
		}
	}
	if version == scenarios.Next {
		version = r.history.Header.Target.Next
	}
	r.progress("upgrading to version " + version)
	next, err := upgrader.Upgraded(ctx, version)
	if err != nil {
		return fmt.Errorf("upgrade to version %s: %w", version, err)
	}
	for _, field := range target.Fields(r.afterUpgrade()) {
		if !next.Honours(field) {
			return harness.Usagef("upgrade: %s: version %s does not honour it", field, version)
		}
	}
	// The old version may still delete checkpoints of jobs that have ended.
	if err := r.settle(ctx, "before the upgrade"); err != nil {
		return err
	}
	old := r.cluster
	r.record(history.Event{Kind: history.Upgraded, Label: version})
	r.cluster = nil
	upgrader.HandOver()
	if err := old.Close(); err != nil {
		return err
	}
	if r.cluster, err = next.Start(ctx, r.spec); err != nil {
		r.cluster = nil
		return fmt.Errorf("start a cluster of version %s: %w", version, err)
	}
	return nil
}

// afterUpgrade returns the scenario with only those steps that come after the next upgrade.
func (r *Session) afterUpgrade() scenarios.Scenario {
	rest, done := r.scenario, 0
	for _, e := range r.history.Events {
		if e.Kind == history.Upgraded {
			done++
		}
	}
	for done >= 0 && len(rest.Steps) > 0 {
		if rest.Steps[0].Upgrade != "" {
			done--
		}
		rest.Steps = rest.Steps[1:]
	}
	return rest
}
