package run

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/evidence"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// errPowerLost is the error of a step that was cut short because the power was lost.
var errPowerLost = errors.New("the power was lost")

// PowerLossModel returns the model of power losses for a level, such as [filesystem.POSIX]. The
// model decides what a power loss can leave on storage.
func PowerLossModel(level filesystem.Level) filesystem.Model {
	return filesystem.Model{Level: level, TearsMax: 3}
}

// powerLoss is a power loss that fired.
type powerLoss struct {
	fault    faults.Fault
	loss     faults.PowerLoss // the fault's action
	survivor target.Target
}

// losePower ends every process, and notes what a power loss at this moment leaves on storage.
func (r *Session) losePower(ctx context.Context, fault faults.Fault, loss faults.PowerLoss) error {
	durable, err := capability[target.Durable](r)
	if err != nil {
		return err
	}
	model := PowerLossModel(loss.Level)
	durable.Disk(func(disk *filesystem.Memory) {
		left := disk.Crash(model, filesystem.State(loss.State))
		r.lost = &powerLoss{fault, loss, durable.AfterPowerLoss(left)}
	})
	return r.killAll(ctx)
}

// restorePower starts the next cluster after a power loss.
func (r *Session) restorePower(ctx context.Context) error {
	lost := *r.lost
	r.lost = nil
	failed := r.cluster.Close()
	r.cluster = nil
	if failed != nil {
		return failed
	}
	return r.StartAgain(ctx, lost.survivor, lost.loss.State)
}

// StartAgain starts a cluster on the storage that a power loss left, and records what is on this
// storage. If the new cluster does not start, the session has no cluster.
func (r *Session) StartAgain(ctx context.Context, survivor target.Target, state uint64) error {
	r.cluster = nil
	hash := fnv.New64a()
	_, _ = fmt.Fprintf(hash, "%d after a power loss, state %d", r.seed, state) // cannot fail
	r.spec.Seed = hash.Sum64()
	cluster, err := survivor.Start(ctx, r.spec)
	if err != nil {
		return fmt.Errorf("start a cluster after the power loss: %w", err)
	}
	r.cluster = cluster
	tree, err := r.tree()
	if err != nil {
		return err
	}
	r.record(history.Event{Kind: history.Storage, Label: history.AfterPowerLoss, Tree: tree})
	return r.audit(history.AfterPowerLoss, tree)
}

// Fork returns a new session, in which the power is lost now, while this session continues. The new
// session runs the given scenario. Its history begins with the events so far and with the power
// loss. The caller must give the new session a cluster with [Session.StartAgain].
func (r *Session) Fork(s scenarios.Scenario, loss history.Event) *Session {
	header := r.history.Header
	header.Scenario = s
	fork := newSession(s, r.history.Fork(header), r.seed, func(string) {})
	fork.spec = r.spec
	fork.spec.Observe = fork.observe
	fork.cluster = r.cluster // the method record needs the clock of this cluster
	fork.record(loss)
	fork.cluster = nil
	return fork
}

// recovered is a part of the name of each job that the session submits to replace a job after a
// power loss. The replacement of the job "first" is called "first-recovered-1".
const recovered = "-recovered-"

// comeBack brings a job back after a power loss. With high availability the job comes back by
// itself. Without high availability the session resumes the job as a user would, from the newest
// checkpoint or savepoint. A job does not come back if it had ended, or if another job of the
// scenario had replaced it.
func (r *Session) comeBack(ctx context.Context, name string) error {
	job, submitted := r.history.Job(name)
	if !submitted || job.ID == "" {
		return nil
	}
	family := []history.Job{job} // the job itself, and the jobs that replaced it after earlier power losses
	for _, j := range r.history.Jobs() {
		switch {
		case strings.HasPrefix(j.Name, name+recovered):
			family = append(family, j)
		case j.From == name && j.ID != "":
			return nil
		}
	}
	if slices.ContainsFunc(family, func(j history.Job) bool { return r.status(j).Terminal() }) {
		return nil
	}
	if r.scenario.Cluster.JobManagers > 0 {
		return r.awaitEnd(ctx, job)
	}
	submit, err := r.newestOf(family)
	if err != nil {
		return err
	}
	submit.Job = fmt.Sprintf("%s%s%d", name, recovered, len(family))
	if err := r.submit(ctx, submit); err != nil {
		return err
	}
	again, _ := r.history.Job(submit.Job)
	return r.awaitEnd(ctx, again)
}

// newestOf returns a submission that resumes a job after power losses. The family is the job and
// the jobs that replaced it. The submission resumes from the newest checkpoint or savepoint of the
// family.
func (r *Session) newestOf(family []history.Job) (scenarios.Submit, error) {
	submit, newest := scenarios.Submit{Restore: family[0].Name, From: scenarios.ToNothing}, family[0].Checkpoint
	if family[0].Path != "" {
		submit.From = scenarios.ToOrigin
	}
	for _, j := range family {
		completed, err := evidence.Checkpoints(r.cluster.Files(), filesystem.Join(r.cluster.Root(), j.ID))
		if err := filesystem.IgnoreNotExist(err); err != nil {
			return submit, err
		}
		if len(completed) > 0 && completed[0] > newest {
			submit, newest = scenarios.Submit{Restore: j.Name}, completed[0]
		}
		for _, e := range r.history.Events {
			if e.Kind == history.Savepointed && e.ID == j.ID && e.Checkpoint > newest {
				submit, newest = scenarios.Submit{Restore: j.Name, From: scenarios.ToSavepoint}, e.Checkpoint
			}
		}
	}
	return submit, nil
}

// awaitEnd waits until a job has finished. If the scenario asked the job to cancel, fail or
// suspend, awaitEnd accepts any end.
func (r *Session) awaitEnd(ctx context.Context, job history.Job) error {
	asked := slices.ContainsFunc(r.history.Events, func(e history.Event) bool {
		return e.Job == job.Name && (e.Kind == history.Cancel || e.Kind == history.Fail || e.Kind == history.Suspend)
	})
	if !asked {
		return r.await(ctx, scenarios.Await{Job: job.Name, Status: storage.Finished})
	}
	return r.Until(ctx, "job "+job.Name+" to end", func() bool { return r.status(job).Terminal() })
}
