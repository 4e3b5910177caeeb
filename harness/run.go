package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// errGaveUp ends a run whose scenario waited in vain; the history says for what.
var errGaveUp = errors.New("gave up")

// run is one try of a scenario.
type run struct {
	scenario scenarios.Scenario
	history  *history.Recorder
	seed     uint64
	rand     *rand.Rand
	progress func(string)
	spec     ClusterSpec
	cluster  Cluster
	armed    []faults.Fault // by steps that do not wait for them
	lost     *powerLoss     // that fired, and is still to be followed
	failed   error          // of writing the history, or of a fault in the middle of an operation
}

func newRun(s scenarios.Scenario, recorder *history.Recorder, seed uint64, progress func(string)) *run {
	return &run{scenario: s, history: recorder, seed: seed, rand: rand.New(rand.NewPCG(seed, 0xfa17)), progress: progress}
}

// close closes the cluster, if there is one.
func (r *run) close() error {
	if r.cluster == nil {
		return nil
	}
	return r.cluster.Close()
}

// steps takes the scenario's steps, as far as that makes sense. After a power loss that
// was armed before, those go on that bring the jobs back.
func (r *run) steps(ctx context.Context, from int) error {
	for i := from; i < len(r.scenario.Steps); i++ {
		step := r.scenario.Steps[i]
		err := r.step(ctx, step)
		switch {
		case r.lost != nil:
			if step.Fault == nil || *step.Fault != r.lost.fault {
				i = r.comingBack(i) - 1
			}
			err = r.restorePower(ctx)
		case errors.Is(err, errGaveUp):
			return nil // the history says so, and what comes next cannot be judged
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

// comingBack is the index of the first step from the given one on that brings a job back,
// or arms a fault for that time.
func (r *run) comingBack(from int) int {
	steps, at := r.scenario.Steps, from
	for at < len(steps) && steps[at].Recover == "" {
		at++
	}
	for at-1 > from && at < len(steps) && steps[at-1].Arm != nil {
		at--
	}
	return at
}

// finish writes down what the jobs put out, and removes what the harness made on
// the cluster's storage.
func (r *run) finish() error {
	for _, job := range r.history.Jobs() {
		if err := r.collect(job.Name); err != nil {
			return fmt.Errorf("collect the output of job %s: %w", job.Name, err)
		}
	}
	return errors.Join(r.failed, filesystem.RemoveAll(r.cluster.Files(), r.interrupted()))
}

// interrupted is where the harness puts what a crash would leave of a checkpoint.
// The name is this run's own: the storage may be others' too.
func (r *run) interrupted() string {
	return filesystem.Join(r.cluster.Root(), fmt.Sprintf("interrupted-%016x", r.seed))
}

func (r *run) step(ctx context.Context, step scenarios.Step) error {
	switch {
	case step.Submit != nil:
		return r.submit(ctx, *step.Submit)
	case step.Await != nil:
		return r.await(ctx, *step.Await)
	case step.Fault != nil:
		return r.fire(ctx, *step.Fault)
	case step.Arm != nil:
		r.armed = append(r.armed, *step.Arm)
		return r.arm(ctx, *step.Arm)
	case step.Recover != "":
		return r.comeBack(ctx, step.Recover)
	case step.Start != "":
		return r.start(ctx, faults.Process(step.Start))
	case step.Checkpoint != "":
		return r.checkpoint(ctx, step.Checkpoint)
	case step.Cancel != "":
		return r.cancel(ctx, step.Cancel)
	case step.Fail != "":
		return r.fail(step.Fail)
	case step.Savepoint != nil:
		return r.savepoint(ctx, *step.Savepoint)
	case step.Suspend != "":
		return r.suspend(ctx, step.Suspend)
	default:
		return r.settle(ctx, step.Record)
	}
}

// controls are what the target claims to have beyond the common.
func (r *run) controls() (Controls, error) {
	controls, ok := r.cluster.(Controls)
	if !ok {
		return nil, errors.New("the target claims a feature for which its clusters have no controls")
	}
	return controls, nil
}

func (r *run) start(ctx context.Context, kind faults.Process) error {
	if kind == faults.JobManager {
		controls, err := r.controls()
		if err != nil {
			return err
		}
		r.progress("starting a JobManager")
		r.record(history.Event{Kind: history.Started, Process: string(kind)})
		return controls.StartJobManagers(ctx)
	}
	r.progress("starting a TaskManager")
	before := slices.Clone(r.cluster.TaskManagers())
	if err := r.cluster.StartTaskManagers(ctx); err != nil {
		return err
	}
	for _, name := range r.cluster.TaskManagers() {
		if !slices.Contains(before, name) {
			r.record(history.Event{Kind: history.Started, Process: name})
		}
	}
	return nil
}

func (r *run) submit(ctx context.Context, submit scenarios.Submit) error {
	submission := Submission{
		Name: submit.Job, Job: r.scenario.Job, Workload: r.scenario.Workload, Dir: r.dir(submit.Job), ClaimMode: submit.ClaimMode,
	}
	if submit.Parallelism > 0 {
		submission.Job.Parallelism = submit.Parallelism
	}
	var checkpoint int64
	if submit.Restore != "" && submit.From != scenarios.ToNothing {
		var err error
		if checkpoint, submission.Restore, err = r.pointer(submit); err != nil {
			return err
		}
		r.progress(fmt.Sprintf("resuming job %s from %s", submit.Job, storage.CheckpointName(checkpoint)))
	}
	if submit.Refused {
		if err := r.settle(ctx, "before "+submit.Job); err != nil {
			return err
		}
	}
	r.record(history.Event{
		Kind: history.Submit, Job: submit.Job, From: submit.Restore, Path: submission.Restore, Checkpoint: checkpoint,
	})
	id, err := r.cluster.Submit(ctx, submission)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		r.progress(fmt.Sprintf("job %s was refused", submit.Job))
		r.record(history.Event{Kind: history.Refused, Job: submit.Job, Error: refused.Why})
		if submit.Restore == "" {
			return err // there is no reason for that which is not ours
		}
	case err != nil:
		return err
	default:
		r.record(history.Event{Kind: history.Accepted, Job: submit.Job, ID: id})
	}
	if submit.Refused {
		return r.settle(ctx, "after "+submit.Job)
	}
	if refused != nil {
		return errGaveUp // the oracles will find the refusal
	}
	return nil
}

// pointer finds what a job is to resume from.
func (r *run) pointer(submit scenarios.Submit) (checkpoint int64, location string, err error) {
	from, _ := r.history.Job(submit.Restore)
	switch submit.From {
	case scenarios.ToSavepoint:
		return r.savepointOf(submit.Restore)
	case scenarios.ToOrigin:
		return from.Checkpoint, from.Path, nil
	}
	dir := filesystem.Join(r.cluster.Root(), from.ID)
	completed, err := storage.CheckpointIDs(r.cluster.Files(), dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, "", err
	}
	if len(completed) == 0 {
		return 0, "", r.giveUp(fmt.Sprintf("a completed checkpoint of job %s to resume from", submit.Restore), from)
	}
	newest := completed[0]
	if submit.From == scenarios.ToCheckpoint {
		return newest, filesystem.Join(dir, storage.CheckpointName(newest)), nil
	}
	// What a crash leaves of a checkpoint: its directory, with state but without
	// _metadata. It lies in nobody's job directory.
	location = filesystem.Join(r.interrupted(), storage.CheckpointName(newest+1))
	if err := r.cluster.Files().MkdirAll(location); err != nil {
		return 0, "", err
	}
	err = filesystem.WriteFile(r.cluster.Files(), filesystem.Join(location, "state"), []byte("state"))
	return newest + 1, location, err
}

// savepointOf finds the newest savepoint of a job that is complete.
func (r *run) savepointOf(job string) (checkpoint int64, location string, err error) {
	of, _ := r.history.Job(job)
	for _, e := range slices.Backward(r.history.Events) {
		if (e.Kind == history.Savepoint && e.Job == job && e.Error == "") || (e.Kind == history.Savepointed && e.ID == of.ID) {
			found, err := storage.Resolve(r.cluster.Files(), e.Path)
			return found.Checkpoint.ID, found.Location, err
		}
	}
	return 0, "", r.giveUp(fmt.Sprintf("a savepoint of job %s to resume from", job), of)
}

func (r *run) await(ctx context.Context, await scenarios.Await) error {
	job, _ := r.history.Job(await.Job)
	if await.Aborted > 0 {
		from := r.history.End() - 1
		what := fmt.Sprintf("job %s to give up %d more checkpoints", await.Job, await.Aborted)
		return r.untilOrEnd(ctx, what, job, func() bool { return aborted(r.history.Events[from:], job.ID) >= await.Aborted })
	}
	if await.Status == "" {
		wanted := await.Completed
		if await.More > 0 {
			wanted = await.More + len(r.history.Completed(job.ID, r.history.End()))
		}
		what := fmt.Sprintf("job %s to complete %d checkpoints", await.Job, wanted)
		return r.untilOrEnd(ctx, what, job, func() bool { return len(r.history.Completed(job.ID, r.history.End())) >= wanted })
	}
	what := fmt.Sprintf("job %s to be %s", await.Job, await.Status)
	reached := func() bool { return r.status(job) == await.Status }
	if err := r.until(ctx, what, func() bool { return reached() || r.over(job) }); err != nil {
		return err
	}
	switch {
	case reached():
		return nil
	case !await.Status.Terminal() && r.status(job) == storage.Finished:
		return r.missed(fmt.Sprintf("job %s was %s too soon for %s", job.Name, storage.Finished, what))
	}
	if waiting, armed := r.waiting(); armed {
		return r.missed(fmt.Sprintf("%s never came, and what is waited for with it: %s", waiting, what))
	}
	return r.giveUp(what, job)
}

// waiting returns a fault that was armed and has not fired.
func (r *run) waiting() (fault faults.Fault, armed bool) {
	for _, fault := range r.armed {
		if len(r.fired(fault)) == 0 {
			return fault, true
		}
	}
	return faults.Fault{}, false
}

// aborted counts the checkpoints of a job that were given up.
func aborted(events []history.Event, id string) (n int) {
	for _, e := range events {
		if e.Kind == history.Aborted && e.ID == id {
			n++
		}
	}
	return n
}

// over says whether nothing more comes of a job.
func (r *run) over(job history.Job) bool { return r.scenario.Over(r.status(job)) }

// status is the job's when last observed.
func (r *run) status(job history.Job) storage.JobStatus {
	status, _ := r.history.Status(job.ID)
	return status
}

// untilOrEnd waits for something that only a job that goes on can do. A job that
// finished before is not at fault: the scenario came too late.
func (r *run) untilOrEnd(ctx context.Context, what string, job history.Job, holds func() bool) error {
	if err := r.until(ctx, what, func() bool { return holds() || r.over(job) }); err != nil || holds() {
		return err
	}
	if r.status(job) != storage.Finished {
		return r.giveUp(what, job)
	}
	return r.missed(fmt.Sprintf("job %s was %s too soon for %s", job.Name, storage.Finished, what))
}

// missed ends a run that proves nothing, though nobody is at fault.
func (r *run) missed(why string) error {
	r.record(history.Event{Kind: history.Missed, Error: why})
	r.progress(why)
	return errGaveUp
}

// until waits for a condition of the history, no longer than the scenario allows.
func (r *run) until(ctx context.Context, what string, holds func() bool) error {
	r.progress("waiting for " + what)
	deadline := r.cluster.Now() + r.scenario.Bound
	seen := -1
	for {
		if len(r.history.Events) > seen {
			if holds() {
				return nil
			}
			seen = len(r.history.Events)
		}
		if r.cluster.Now() > deadline {
			jobs := r.history.Jobs()
			return r.giveUp(what, jobs[len(jobs)-1])
		}
		if err := r.tick(ctx); err != nil {
			return err
		}
	}
}

// tick lets a moment pass. It is an error if the power is lost meanwhile.
func (r *run) tick(ctx context.Context) error {
	if err := r.cluster.Step(ctx); err != nil {
		return err
	}
	if r.lost != nil {
		return errPowerLost
	}
	return nil
}

// giveUp writes down what was waited for in vain, and what is stuck.
func (r *run) giveUp(what string, job history.Job) error {
	stuck := fmt.Sprintf("job %s is %s", job.Name, r.status(job))
	for _, e := range slices.Backward(r.history.Events) {
		if e.Kind == history.Status && e.ID == job.ID && e.Error != "" {
			stuck += ": " + e.Error
			break
		}
	}
	if completed := r.history.Completed(job.ID, r.history.End()); len(completed) > 0 {
		stuck += fmt.Sprintf("; the last checkpoint it completed is %d", completed[len(completed)-1])
	}
	r.record(history.Event{Kind: history.GaveUp, Label: what, Error: stuck})
	r.progress("gave up waiting for " + what + ": " + stuck)
	return errGaveUp
}

func (r *run) savepoint(ctx context.Context, take scenarios.TakeSavepoint) error {
	controls, err := r.controls()
	if err != nil {
		return err
	}
	job, _ := r.history.Job(take.Job)
	r.progress("taking a savepoint of job " + take.Job)
	path, err := controls.Savepoint(ctx, job.ID, take.Stop)
	event := history.Event{Kind: history.Savepoint, Job: take.Job, Label: string(take.Stop), Path: path}
	var refused *RefusedError
	if errors.As(err, &refused) {
		event.Error, err = refused.Why, nil
	}
	if err != nil {
		return err
	}
	r.record(event)
	if event.Error != "" {
		if finished, err := r.finishedMeanwhile(ctx, job); err != nil || finished {
			return cmp.Or(err, r.missed(fmt.Sprintf("job %s was %s too soon for a savepoint", take.Job, storage.Finished)))
		}
	}
	switch {
	case take.Fails && event.Error == "":
		return r.missed(fmt.Sprintf("the savepoint of job %s was taken, though it was to fail", take.Job))
	case !take.Fails && event.Error != "" && take.Stop != scenarios.GoOn:
		return errGaveUp // what comes next builds upon it
	}
	return nil
}

// finishedMeanwhile says whether a job has finished, once there was time for that to be
// seen: then a refusal is nobody's fault.
func (r *run) finishedMeanwhile(ctx context.Context, job history.Job) (bool, error) {
	err := r.pass(ctx, settleEvery)
	return r.status(job) == storage.Finished, err
}

func (r *run) suspend(ctx context.Context, name string) error {
	controls, err := r.controls()
	if err != nil {
		return err
	}
	job, _ := r.history.Job(name)
	r.progress("suspending job " + name)
	r.record(history.Event{Kind: history.Suspend, Job: name})
	var refused *RefusedError
	if err := controls.Suspend(ctx, job.ID); !errors.As(err, &refused) {
		return err
	}
	return nil
}

func (r *run) checkpoint(ctx context.Context, name string) error {
	job, _ := r.history.Job(name)
	r.progress("taking a checkpoint of job " + name)
	checkpoint, err := r.cluster.Checkpoint(ctx, job.ID)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		if finished, err := r.finishedMeanwhile(ctx, job); err != nil || finished {
			return cmp.Or(err, r.missed(fmt.Sprintf("job %s was %s too soon for a checkpoint", name, storage.Finished)))
		}
		r.record(history.Event{Kind: history.Trigger, Job: name, Error: refused.Why})
		return errGaveUp
	case err != nil:
		return err
	}
	r.record(history.Event{Kind: history.Trigger, Job: name, Checkpoint: checkpoint})
	what := fmt.Sprintf("job %s to complete checkpoint %d", name, checkpoint)
	return r.until(ctx, what, func() bool { return slices.Contains(r.history.Completed(job.ID, r.history.End()), checkpoint) })
}

func (r *run) cancel(ctx context.Context, name string) error {
	job, _ := r.history.Job(name)
	r.progress("canceling job " + name)
	r.record(history.Event{Kind: history.Cancel, Job: name})
	err := r.cluster.Cancel(ctx, job.ID)
	var refused *RefusedError
	if !errors.As(err, &refused) {
		return err
	}
	if finished, err := r.finishedMeanwhile(ctx, job); err != nil || finished {
		return cmp.Or(err, r.missed(fmt.Sprintf("job %s was %s too soon to be canceled", name, storage.Finished)))
	}
	r.progress("the cancellation was refused: " + refused.Why)
	return nil
}

// fail makes the job's own code fail.
func (r *run) fail(name string) error {
	r.progress("making job " + name + " fail")
	r.record(history.Event{Kind: history.Fail, Job: name})
	return filesystem.WriteFile(r.cluster.Files(), filesystem.Join(r.dir(name), workload.FailName), nil)
}

func (r *run) dir(job string) string { return filesystem.Join(r.cluster.Work(), job) }

// observe writes down what a cluster saw.
func (r *run) observe(event history.Event) {
	r.record(event)
	switch event.Kind {
	case history.Completed:
		r.progress(fmt.Sprintf("checkpoint %d completed", event.Checkpoint))
	case history.Restored:
		r.progress(fmt.Sprintf("restored from checkpoint %d", event.Checkpoint))
	case history.Status:
		r.progress(fmt.Sprintf("the job is %s", event.Status))
	}
}

func (r *run) record(event history.Event) {
	var at time.Duration
	if r.cluster != nil {
		at = r.cluster.Now()
	}
	if err := r.history.Record(at, event); err != nil && r.failed == nil {
		r.failed = fmt.Errorf("write the history: %w", err)
	}
}
