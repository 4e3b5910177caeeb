package harness

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// errPowerLost ends a step in the middle of which the power was lost.
var errPowerLost = errors.New("the power was lost")

// fire makes a fault happen, at its moment and where chance says.
func (r *run) fire(ctx context.Context, fault faults.Fault) error {
	moment := fault.Moment
	jobs := r.history.Jobs()
	last := jobs[len(jobs)-1]
	switch moment.When {
	case faults.Before, faults.After, faults.On:
		fired := len(r.fired(fault))
		if err := r.arm(ctx, fault); err != nil {
			return err
		}
		return r.untilOrEnd(ctx, fault.String()+" to fire", last, func() bool { return len(r.fired(fault)) > fired })
	case faults.Given:
		if err := r.untilOrEnd(ctx, moment.Condition.String(), last, func() bool { return r.holds(moment.Condition) }); err != nil {
			return err
		}
	case faults.DuringCheckpoint:
		if err := r.beginCheckpoint(ctx, last); err != nil {
			return err
		}
	case faults.Later:
		if err := r.pass(ctx, moment.Later); err != nil {
			return err
		}
		if fault.Action != faults.Resume && fault.Action != faults.Heal && r.over(last) {
			return r.missed(fmt.Sprintf("job %s was %s too soon for %s", last.Name, r.status(last), fault))
		}
	}
	return r.strike(ctx, fault)
}

// beginCheckpoint waits until a checkpoint has begun, and for a part of the time that the
// snapshot takes at least.
func (r *run) beginCheckpoint(ctx context.Context, last history.Job) error {
	since := r.history.End()
	begun := func() bool {
		_, _, ok := r.history.InProgress(r.history.End())
		return ok && slices.ContainsFunc(r.history.Events[since-1:], func(e history.Event) bool { return e.Kind == history.Triggered })
	}
	if err := r.untilOrEnd(ctx, "a checkpoint to begin", last, begun); err != nil {
		return err
	}
	return r.pass(ctx, time.Duration(r.rand.Int64N(int64(r.scenario.Workload.Snapshot/2)+1)))
}

// fired are the events of a fault.
func (r *run) fired(fault faults.Fault) []history.Event {
	text := fault.String()
	return slices.DeleteFunc(slices.Clone(r.history.Events), func(e history.Event) bool {
		return e.Kind != history.Fault || e.Fault != text
	})
}

// holds says whether the history meets a condition.
func (r *run) holds(c faults.Condition) bool {
	seen := 0
	for _, e := range r.history.Events {
		if strings.EqualFold(string(e.Kind), c.Event) || (e.Kind == history.Fault && c.Event == "Fired") {
			seen++
		}
	}
	return seen >= c.Count
}

// arm has a fault fire at its operation on storage, while the steps go on.
func (r *run) arm(ctx context.Context, fault faults.Fault) error {
	tapped, ok := r.cluster.(Tapped)
	if !ok {
		return errors.New("the target claims a feature for which its clusters have no tap")
	}
	r.progress("armed " + fault.String())
	tapped.Tap().Arm(fault, r.holds, func(o tap.Operation) (stopped bool) {
		stopped, err := r.hit(ctx, fault, o)
		r.failed = errors.Join(r.failed, err)
		return stopped
	})
	return nil
}

// hit makes a fault happen in the middle of an operation. It returns whether the process
// that does the operation is no more.
func (r *run) hit(ctx context.Context, fault faults.Fault, o tap.Operation) (stopped bool, err error) {
	event := history.Event{Kind: history.Fault, Fault: fault.String(), Process: o.Process, Operation: o.String(), Phase: string(o.Phase())}
	switch {
	case fault.OfOperation():
		r.record(event)
		return false, nil
	case fault.Action == faults.PowerLoss:
		event.Process = ""
		r.record(event)
		return true, r.losePower(ctx, fault)
	case fault.Process == faults.Cluster:
		event.Process = string(faults.Cluster)
		r.record(event)
		return true, r.killAll(ctx)
	}
	victim := o.Process
	if !slices.Contains(r.running(fault.Process), victim) {
		victim = r.victim(fault.Process)
	}
	if victim == "" {
		r.record(history.Event{Kind: history.Missed, Error: fmt.Sprintf("there was no %s for %s", fault.Process, fault)})
		return false, nil
	}
	event.Process = victim
	r.record(event)
	// Where a mount knows the kind of a process and not which one it is, it is this one.
	return fault.Action == faults.Kill && strings.HasPrefix(o.Process, string(fault.Process)), r.strikeAt(ctx, fault, victim)
}

// running names the processes of a kind; of the JobManagers, the one that leads.
func (r *run) running(kind faults.Process) []string {
	if kind == faults.TaskManager {
		return r.cluster.TaskManagers()
	}
	controls, err := r.controls()
	if err != nil || controls.JobManager() == "" {
		return nil
	}
	return []string{controls.JobManager()}
}

// victim chooses a process of a kind; empty if there is none.
func (r *run) victim(kind faults.Process) string {
	running := r.running(kind)
	if len(running) == 0 {
		return ""
	}
	return running[r.rand.IntN(len(running))]
}

// strike makes a fault happen now.
func (r *run) strike(ctx context.Context, fault faults.Fault) error {
	event := history.Event{Kind: history.Fault, Fault: fault.String()}
	switch {
	case fault.Action == faults.PowerLoss:
		r.record(event)
		return r.losePower(ctx, fault)
	case fault.Action == faults.Resume:
		controls, err := r.controls()
		if err != nil {
			return err
		}
		r.progress("letting go on what stood still")
		r.record(event)
		return controls.Resume(ctx)
	case fault.Process == faults.Cluster || fault.Process == faults.Storage || fault.Action == faults.Heal:
		event.Process = string(fault.Process)
	default:
		if event.Process = r.victim(fault.Process); event.Process == "" {
			return r.missed(fmt.Sprintf("there was no %s for %s", fault.Process, fault))
		}
	}
	r.progress(fault.Describe() + ": " + event.Process)
	r.record(event)
	return r.strikeAt(ctx, fault, event.Process)
}

// strikeAt does to a process what a fault says.
func (r *run) strikeAt(ctx context.Context, fault faults.Fault, victim string) error {
	switch {
	case fault.Action == faults.Kill && fault.Process == faults.Cluster:
		return r.killAll(ctx)
	case fault.Action == faults.Kill:
		if err := r.cluster.Kill(ctx, victim); err != nil {
			return err
		}
		return r.audit("", nil)
	case fault.Action == faults.Pause:
		controls, err := r.controls()
		if err != nil {
			return err
		}
		return controls.Pause(ctx, victim)
	}
	perturbed, ok := r.cluster.(Perturbed)
	if !ok {
		return fmt.Errorf("%s: the target claims a feature for which its clusters have no controls", fault)
	}
	return perturbed.Perturb(ctx, fault, victim)
}

// killAll ends every process of the cluster.
func (r *run) killAll(ctx context.Context) error {
	r.progress("killing every process")
	for _, name := range slices.Clone(r.cluster.TaskManagers()) {
		if err := r.cluster.Kill(ctx, name); err != nil {
			return err
		}
	}
	controls, err := r.controls()
	if err != nil {
		return err
	}
	for _, name := range slices.Clone(controls.JobManagers()) {
		if err := r.cluster.Kill(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// pass lets time go by.
func (r *run) pass(ctx context.Context, d time.Duration) error {
	for at := r.cluster.Now() + d; r.cluster.Now() < at; {
		if err := r.tick(ctx); err != nil {
			return err
		}
	}
	return nil
}

// PowerLossModel is the model by which power losses of a level choose what is left.
func PowerLossModel(level filesystem.Level) filesystem.Model {
	return filesystem.Model{Level: level, TearsMax: 3}
}

// powerLoss is one that fired.
type powerLoss struct {
	fault    faults.Fault
	survivor Target
}

// losePower ends every process, and keeps of storage what is left in that moment.
func (r *run) losePower(ctx context.Context, fault faults.Fault) error {
	durable, ok := r.cluster.(Durable)
	if !ok {
		return errors.New("the target claims a feature for which its clusters have no model of power losses")
	}
	model := PowerLossModel(filesystem.Level(fault.Detail))
	durable.Disk(func(disk *filesystem.Memory) {
		left := disk.Crash(model, filesystem.State(uint64(fault.Amount)))
		r.lost = &powerLoss{fault, durable.AfterPowerLoss(left)}
	})
	return r.killAll(ctx)
}

// restorePower follows a power loss: a new cluster finds on storage what is left, which is
// written down.
func (r *run) restorePower(ctx context.Context) error {
	lost := *r.lost
	r.lost = nil
	failed := r.cluster.Close()
	r.cluster = nil
	if failed != nil {
		return failed
	}
	return r.comeUp(ctx, lost.survivor, uint64(lost.fault.Amount))
}

// comeUp starts a cluster on what a power loss left. If it does not come up, the run has
// none.
func (r *run) comeUp(ctx context.Context, survivor Target, state uint64) error {
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

// comeBack sees to it that a job comes back after a power loss, from whatever there is to
// come back from: with high availability by itself, else resumed as a user would. One that
// had ended, or in whose place the scenario had submitted another, does not.
func (r *run) comeBack(ctx context.Context, name string) error {
	job, submitted := r.history.Job(name)
	if !submitted || job.ID == "" {
		return nil
	}
	family := []history.Job{job} // and what was brought back of it before
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

// recovered is added to the name of a job that the harness brings back.
const recovered = "-recovered-"

// newestOf says what a job is resumed from that has lost its power, perhaps more than
// once: from the newest checkpoint of all its runs, or from a savepoint that is newer.
func (r *run) newestOf(family []history.Job) (scenarios.Submit, error) {
	submit, newest := scenarios.Submit{Restore: family[0].Name, From: scenarios.ToNothing}, family[0].Checkpoint
	if family[0].Path != "" {
		submit.From = scenarios.ToOrigin
	}
	for _, j := range family {
		completed, err := storage.CheckpointIDs(r.cluster.Files(), filesystem.Join(r.cluster.Root(), j.ID))
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

// awaitEnd waits until a job has finished or, if it was asked to end in another way, has
// ended in any.
func (r *run) awaitEnd(ctx context.Context, job history.Job) error {
	asked := slices.ContainsFunc(r.history.Events, func(e history.Event) bool {
		return e.Job == job.Name && (e.Kind == history.Cancel || e.Kind == history.Fail || e.Kind == history.Suspend)
	})
	if !asked {
		return r.await(ctx, scenarios.Await{Job: job.Name, Status: storage.Finished})
	}
	return r.until(ctx, "job "+job.Name+" to end", func() bool { return r.status(job).Terminal() })
}
