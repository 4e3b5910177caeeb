package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/evidence"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// start starts the missing processes of a kind.
func (r *Session) start(ctx context.Context, kind faults.Process) error {
	if kind == faults.JobManager {
		jobManagers, err := capability[target.JobManagerKiller](r)
		if err != nil {
			return err
		}
		r.progress("starting a JobManager")
		r.record(history.Event{Kind: history.Started, Process: string(kind)})
		return jobManagers.StartJobManagers(ctx)
	}
	if kind == faults.Broker {
		r.progress("starting the broker")
		r.record(history.Event{Kind: history.Started, Process: string(kind)})
		return do(r, func(c target.Brokered) error { return c.StartBrokers(ctx) })
	}
	killer, err := capability[target.Killer](r)
	if err != nil {
		return err
	}
	r.progress("starting a TaskManager")
	before := slices.Clone(killer.TaskManagers())
	if err := killer.StartTaskManagers(ctx); err != nil {
		return err
	}
	for _, name := range killer.TaskManagers() {
		if !slices.Contains(before, name) {
			r.record(history.Event{Kind: history.Started, Process: name})
		}
	}
	return nil
}

func (r *Session) submit(ctx context.Context, submit scenarios.Submit) error {
	submission := target.Submission{
		Name: submit.Job, Job: r.scenario.JobOf(submit), Workload: r.scenario.Workload, Dir: r.dir(submit.Job),
		ClaimMode: submit.ClaimMode, AllowNonRestored: submit.AllowNonRestored,
	}
	submission.Settings = submission.Job.Settings
	var checkpoint int64
	if submit.Restore != "" && submit.From != scenarios.ToNothing {
		var err error
		if checkpoint, submission.Restore, err = r.pointer(submit); err != nil {
			return err
		}
		r.progress(fmt.Sprintf("resuming job %s from %s", submit.Job, submission.Restore))
	}
	if submit.Refused.Expected {
		if err := r.settle(ctx, "before "+submit.Job); err != nil {
			return err
		}
	}
	r.record(history.Event{
		Kind: history.Submit, Job: submit.Job, From: submit.Restore, Path: submission.Restore, Checkpoint: checkpoint,
	})
	id, err := r.cluster.Submit(ctx, submission)
	var refused *target.RefusedError
	switch {
	case errors.As(err, &refused):
		r.progress(fmt.Sprintf("job %s was refused", submit.Job))
		r.record(history.Event{Kind: history.Refused, Job: submit.Job, Error: refused.Why})
		if submit.Restore == "" && !submit.Refused.Expected {
			return err // only a mistake in the harness can be the reason
		}
	case err != nil:
		return err
	default:
		r.record(history.Event{Kind: history.Accepted, Job: submit.Job, ID: id})
	}
	if submit.Refused.Expected {
		return r.afterRefusal(ctx, submit.Job)
	}
	if refused != nil {
		return ErrGaveUp // the oracles judge the refusal
	}
	return nil
}

// afterRefusal records what is on storage after a job was refused. An engine may accept a job first,
// and let it fail before it runs.
func (r *Session) afterRefusal(ctx context.Context, name string) error {
	if job, _ := r.history.Job(name); job.ID != "" {
		_, err := r.watch(ctx, "job "+name+" to be refused", func() bool { return r.over(job) || r.status(job) == storage.Running })
		if err != nil {
			return err
		}
	}
	return r.settle(ctx, "after "+name)
}

// pointer returns the checkpoint or savepoint from which a job resumes.
func (r *Session) pointer(submit scenarios.Submit) (checkpoint int64, location string, err error) {
	from, _ := r.history.Job(submit.Restore)
	switch {
	case submit.From == scenarios.ToSavepoint:
		return r.savepointOf(submit.Restore)
	case submit.From == scenarios.ToOrigin:
		return from.Checkpoint, from.Path, nil
	case submit.From.Path != "":
		return r.at(submit)
	}
	dir := filesystem.Join(r.cluster.Root(), from.ID)
	completed, err := evidence.Checkpoints(r.cluster.Files(), dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, "", err
	}
	if wanted := submit.From.Checkpoint; wanted > 0 {
		if !slices.Contains(completed, wanted) && !submit.Refused.Expected {
			return 0, "", r.missed(fmt.Sprintf("job %s has no checkpoint %d on storage to resume from, but %v", submit.Restore, wanted, completed))
		}
		return wanted, filesystem.Join(dir, evidence.CheckpointName(wanted)), nil
	}
	if len(completed) == 0 {
		return 0, "", r.giveUp(fmt.Sprintf("a completed checkpoint of job %s to resume from", submit.Restore), from, r.cluster.Now())
	}
	newest := completed[0]
	if submit.From == scenarios.ToCheckpoint {
		return newest, filesystem.Join(dir, evidence.CheckpointName(newest)), nil
	}
	// A crash can leave a checkpoint's directory with state but without _metadata. The session
	// creates such a directory outside of every job's directory.
	location = filesystem.Join(r.interrupted(), evidence.CheckpointName(newest+1))
	if err := r.cluster.Files().MkdirAll(location); err != nil {
		return 0, "", err
	}
	err = filesystem.WriteFile(r.cluster.Files(), filesystem.Join(location, "state"), []byte("state"))
	return newest + 1, location, err
}

// at returns the checkpoint or savepoint at the path that a submission names. If the target must
// refuse the job, nothing needs to be there.
func (r *Session) at(submit scenarios.Submit) (checkpoint int64, location string, err error) {
	metadata, err := evidence.Locate(r.cluster.Files(), submit.From.Path)
	if err == nil {
		var found evidence.Checkpoint
		if found, err = evidence.Read(r.cluster.Files(), metadata); err == nil {
			return found.ID, submit.From.Path, nil
		}
	}
	if submit.Refused.Expected {
		return 0, submit.From.Path, nil
	}
	return 0, "", harness.Usagef("submit job %s: from: want the path of a checkpoint or savepoint: %w", submit.Job, err)
}

// savepointOf returns the newest complete savepoint of a job.
func (r *Session) savepointOf(job string) (checkpoint int64, location string, err error) {
	of, _ := r.history.Job(job)
	for _, e := range slices.Backward(r.history.Events) {
		if (e.Kind == history.Savepoint && e.Job == job && e.Error == "") || (e.Kind == history.Savepointed && e.ID == of.ID) {
			metadata, err := evidence.Locate(r.cluster.Files(), e.Path)
			if err != nil {
				return 0, "", err
			}
			found, err := evidence.Read(r.cluster.Files(), metadata)
			return found.ID, filesystem.Dir(metadata), err
		}
	}
	return 0, "", r.giveUp(fmt.Sprintf("a savepoint of job %s to resume from", job), of, r.cluster.Now())
}

func (r *Session) savepoint(ctx context.Context, take scenarios.TakeSavepoint) error {
	savepointer, err := capability[target.Savepointer](r)
	if err != nil {
		return err
	}
	job, _ := r.history.Job(take.Job)
	r.progress("taking a savepoint of job " + take.Job)
	savepoint := savepointer.Savepoint
	if take.Native {
		native, err := capability[target.NativeSavepointer](r)
		if err != nil {
			return err
		}
		savepoint = native.NativeSavepoint
	}
	path, err := savepoint(ctx, job.ID, take.Stop)
	event := history.Event{Kind: history.Savepoint, Job: take.Job, Label: string(take.Stop), Path: path}
	var refused *target.RefusedError
	if errors.As(err, &refused) {
		event.Error, err = refused.Why, nil
	}
	if err != nil {
		return err
	}
	r.record(event)
	if event.Error != "" {
		if finished, err := r.finishedMeanwhile(ctx, job); err != nil || finished || refused.Finishing {
			return cmp.Or(err, r.missed(fmt.Sprintf("job %s finished too soon for a savepoint", take.Job)))
		}
	}
	switch {
	case take.Fails && event.Error == "":
		return r.missed(fmt.Sprintf("the savepoint of job %s was taken, though it was to fail", take.Job))
	case !take.Fails && event.Error != "" && take.Stop != scenarios.GoOn:
		return ErrGaveUp // the next steps need the savepoint
	}
	return nil
}

// finishedMeanwhile waits a moment, and says whether the job has finished.
func (r *Session) finishedMeanwhile(ctx context.Context, job history.Job) (bool, error) {
	err := r.pass(ctx, settleEvery)
	return r.status(job) == storage.Finished, err
}

func (r *Session) suspend(ctx context.Context, name string) error {
	suspender, err := capability[target.Suspender](r)
	if err != nil {
		return err
	}
	job, _ := r.history.Job(name)
	r.progress("suspending job " + name)
	r.record(history.Event{Kind: history.Suspend, Job: name})
	var refused *target.RefusedError
	if err := suspender.Suspend(ctx, job.ID); err != nil && !errors.As(err, &refused) {
		return err
	}
	if finished, err := r.finishedMeanwhile(ctx, job); err != nil || finished {
		return cmp.Or(err, r.missed(fmt.Sprintf("job %s was %s too soon to be suspended", name, storage.Finished)))
	}
	return nil
}

// asksMax is how often a session asks for one checkpoint of a job that goes on.
const asksMax = 3

// checkpoint takes a checkpoint. An engine takes a checkpoint only of a job whose subtasks all run.
// So checkpoint waits for the status RUNNING first, and asks again if the job failed meanwhile. A
// checkpoint may also meet a subtask that finishes at this moment, and is then rightly aborted. So
// checkpoint asks again, as users do, before it records a refusal.
func (r *Session) checkpoint(ctx context.Context, name string) error {
	checkpointer, err := capability[target.Checkpointer](r)
	if err != nil {
		return err
	}
	job, _ := r.history.Job(name)
	for asks := 1; ; {
		if err := r.awaitStatus(ctx, job, storage.Running); err != nil {
			return err
		}
		r.progress("taking a checkpoint of job " + name)
		since := r.cluster.Now()
		checkpoint, err := checkpointer.Checkpoint(ctx, job.ID)
		var refused *target.RefusedError
		switch {
		case errors.As(err, &refused):
			finished, err := r.finishedMeanwhile(ctx, job)
			if err != nil {
				return err
			}
			if r.status(job) != storage.Running && !r.over(job) {
				continue
			}
			if timeout := r.scenario.Submitted(name).Timeout; r.cluster.Now()-since >= timeout {
				return r.missed(fmt.Sprintf("the checkpoint that job %s was asked for expired after %s, the job's time-out", name, timeout))
			}
			if asks++; asks <= asksMax && !r.over(job) {
				continue
			}
			if finished || refused.Finishing {
				return r.missed(fmt.Sprintf("job %s finished too soon for a checkpoint", name))
			}
			r.record(history.Event{Kind: history.Trigger, Job: name, Error: refused.Why})
			return ErrGaveUp
		case err != nil:
			return err
		}
		r.record(history.Event{Kind: history.Trigger, Job: name, Checkpoint: checkpoint})
		what := fmt.Sprintf("job %s to complete checkpoint %d", name, checkpoint)
		return r.Until(ctx, what, func() bool { return slices.Contains(r.history.Completed(job.ID, r.history.End()), checkpoint) })
	}
}

func (r *Session) cancel(ctx context.Context, name string) error {
	job, _ := r.history.Job(name)
	r.progress("canceling job " + name)
	r.record(history.Event{Kind: history.Cancel, Job: name})
	err := r.cluster.Cancel(ctx, job.ID)
	var refused *target.RefusedError
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
func (r *Session) fail(name string) error {
	r.progress("making job " + name + " fail")
	r.record(history.Event{Kind: history.Fail, Job: name})
	return filesystem.WriteFile(r.cluster.Files(), filesystem.Join(r.dir(name), workload.FailName), nil)
}
