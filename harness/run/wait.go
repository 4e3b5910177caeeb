package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
)

// Until waits until holds() returns true, but not longer than the scenario allows. The given text
// describes the condition in messages. The error is [ErrGaveUp] if the session waited in vain.
func (r *Session) Until(ctx context.Context, what string, holds func() bool) error {
	since := r.cluster.Now()
	reached, err := r.watch(ctx, what, holds)
	if err != nil || reached {
		return err
	}
	jobs := r.history.Jobs()
	return r.giveUp(what, jobs[len(jobs)-1], since)
}

// watch waits until holds() returns true. It returns false if this does not happen within the bound
// of the scenario.
func (r *Session) watch(ctx context.Context, what string, holds func() bool) (reached bool, err error) {
	r.progress("waiting for " + what)
	since := r.cluster.Now()
	seen := -1
	for {
		if len(r.history.Events) > seen {
			if holds() {
				return true, nil
			}
			seen = len(r.history.Events)
		}
		if r.cluster.Now() > since+r.scenario.Bound {
			return false, nil
		}
		if err := r.Step(ctx); err != nil {
			return false, err
		}
	}
}

// UntilOrEnd waits until holds() returns true, or until the job is over. If the job finished first,
// the scenario came too late, which is nobody's mistake. The given text describes the condition in
// messages.
func (r *Session) UntilOrEnd(ctx context.Context, what string, job history.Job, holds func() bool) error {
	since := r.cluster.Now()
	if err := r.Until(ctx, what, func() bool { return holds() || r.over(job) }); err != nil || holds() {
		return err
	}
	if r.status(job) != storage.Finished {
		return r.giveUp(what, job, since)
	}
	return r.missed(fmt.Sprintf("job %s was %s too soon for %s", job.Name, storage.Finished, what))
}

// untilItFires waits until an armed fault has fired more often than the given number of times. If
// the fault does not fire although the job goes on or is over, the run proves nothing.
func (r *Session) untilItFires(ctx context.Context, fault faults.Fault, job history.Job, times int) error {
	began, from := r.cluster.Now(), len(r.history.Events)
	fired := func() bool { return len(r.history.Fired(fault.String())) > times }
	what := fault.String() + " to fire"
	reached, err := r.watch(ctx, what, func() bool { return fired() || r.over(job) })
	status := r.status(job)
	goesOn := slices.ContainsFunc(r.history.Events[from:], func(e history.Event) bool { return e.Kind == history.Completed })
	switch {
	case err != nil || fired():
		return err
	case status == storage.Finished:
		return r.missed(fmt.Sprintf("%s; job %s was %s", r.whyNot(fault), job.Name, status))
	case !reached && goesOn:
		return r.missed(fmt.Sprintf("%s in %s, in which job %s completed checkpoints", r.whyNot(fault), r.scenario.Bound, job.Name))
	}
	return r.giveUp(what, job, began)
}

// whyNot says why an armed fault did not fire.
func (r *Session) whyNot(fault faults.Fault) string {
	matched := 0
	if tapped, ok := r.cluster.(target.Tapped); ok {
		matched = tapped.Tap().Matched(fault)
	}
	if matched == 0 {
		return fmt.Sprintf("%s never fired: no operation on storage matched it", fault)
	}
	return fmt.Sprintf("%s never fired: only %d of the %d operations that it counts came", fault, matched, fault.Moment.Operation.Nth)
}

// Step lets a moment pass. It fails if the power is lost in this moment.
func (r *Session) Step(ctx context.Context) error {
	if err := r.cluster.Step(ctx); err != nil {
		return err
	}
	if r.lost != nil {
		return errPowerLost
	}
	return nil
}

// pass lets the given time pass on the cluster's clock.
func (r *Session) pass(ctx context.Context, d time.Duration) error {
	for at := r.cluster.Now() + d; r.cluster.Now() < at; {
		if err := r.Step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *Session) await(ctx context.Context, await scenarios.Await) error {
	job, _ := r.history.Job(await.Job)
	switch {
	case await.Aborted > 0:
		from := r.history.End() - 1
		what := fmt.Sprintf("job %s to give up %d more checkpoints", await.Job, await.Aborted)
		return r.UntilOrEnd(ctx, what, job, func() bool { return aborted(r.history.Events[from:], job.ID) >= await.Aborted })
	case await.Status == "":
		wanted := await.Completed
		if await.More > 0 {
			wanted = await.More + len(r.history.Completed(job.ID, r.history.End()))
		}
		what := fmt.Sprintf("job %s to complete %d checkpoints", await.Job, wanted)
		return r.UntilOrEnd(ctx, what, job, func() bool { return len(r.history.Completed(job.ID, r.history.End())) >= wanted })
	}
	return r.awaitStatus(ctx, job, await.Status)
}

// awaitStatus waits until a job has the wanted status.
func (r *Session) awaitStatus(ctx context.Context, job history.Job, wanted storage.JobStatus) error {
	what := fmt.Sprintf("job %s to be %s", job.Name, wanted)
	reached := func() bool { return r.status(job) == wanted }
	since := r.cluster.Now()
	if err := r.Until(ctx, what, func() bool { return reached() || r.over(job) }); err != nil {
		return err
	}
	switch {
	case reached():
		return nil
	case (wanted == storage.Canceled || !wanted.Terminal()) && r.status(job) == storage.Finished:
		return r.missed(fmt.Sprintf("job %s was %s too soon for %s", job.Name, storage.Finished, what))
	}
	if waiting, armed := r.waiting(); armed {
		return r.missed(fmt.Sprintf("%s; so what the scenario waits for did not happen: %s", r.whyNot(waiting), what))
	}
	return r.giveUp(what, job, since)
}

// waiting returns an armed fault that has not fired yet. It returns false if no such fault exists.
func (r *Session) waiting() (fault faults.Fault, armed bool) {
	for _, fault := range r.armed {
		if len(r.history.Fired(fault.String())) == 0 {
			return fault, true
		}
	}
	return faults.Fault{}, false
}

// aborted returns the number of a job's checkpoints that were aborted.
func aborted(events []history.Event, id string) (n int) {
	for _, e := range events {
		if e.Kind == history.Aborted && e.ID == id {
			n++
		}
	}
	return n
}
