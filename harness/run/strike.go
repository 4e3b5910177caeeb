package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/target"
)

// fire waits for the moment of a fault, and then makes the fault happen.
func (r *Session) fire(ctx context.Context, fault faults.Fault) error {
	moment := fault.Moment
	jobs := r.history.Jobs()
	last := jobs[len(jobs)-1]
	switch moment.When {
	case faults.Before, faults.After, faults.On:
		fired := len(r.history.Fired(fault.String()))
		if err := r.Arm(ctx, fault); err != nil {
			return err
		}
		return r.untilItFires(ctx, fault, last, fired)
	case faults.Given:
		if err := r.UntilOrEnd(ctx, moment.Condition.String(), last, func() bool { return moment.Condition.Holds(r.count) }); err != nil {
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
		if !mends(fault) && r.over(last) {
			return r.missed(fmt.Sprintf("%s came too late: job %s was %s", fault, last.Name, r.status(last)))
		}
	}
	return r.strike(ctx, fault)
}

// beginCheckpoint waits until a checkpoint has begun. Then it waits for a random time, at most half
// of the time that the workload's snapshot takes.
func (r *Session) beginCheckpoint(ctx context.Context, last history.Job) error {
	since := r.history.End()
	begun := func() bool {
		_, _, ok := r.history.InProgress(r.history.End())
		return ok && slices.ContainsFunc(r.history.Events[since-1:], func(e history.Event) bool { return e.Kind == history.Triggered })
	}
	if err := r.UntilOrEnd(ctx, "a checkpoint to begin", last, begun); err != nil {
		return err
	}
	return r.pass(ctx, time.Duration(r.rand.Int64N(int64(r.scenario.Workload.Snapshot/2)+1)))
}

// mends says whether a fault only ends the effect of other faults.
func mends(fault faults.Fault) bool {
	switch fault.Action.(type) {
	case faults.Resume, faults.Heal:
		return true
	}
	return false
}

// count returns how often an event that a fault can wait for, such as a completed checkpoint, is in
// the history so far.
func (r *Session) count(event faults.Event) int {
	seen := 0
	for _, e := range r.history.Events {
		if strings.EqualFold(string(e.Kind), string(event)) || (e.Kind == history.Fault && event == faults.Fired) {
			seen++
		}
	}
	return seen
}

// Arm prepares a fault, and returns at once. The fault fires at its operation on storage, while the
// steps continue.
func (r *Session) Arm(ctx context.Context, fault faults.Fault) error {
	tapped, err := capability[target.Tapped](r)
	if err != nil {
		return err
	}
	r.progress("armed " + fault.String())
	return tapped.Tap().Arm(fault, r.count, func(o tap.Operation) (stopped bool) {
		stopped, err := r.hit(ctx, fault, o)
		r.failed = errors.Join(r.failed, err)
		return stopped
	})
}

// hit makes a fault happen in the middle of an operation. It returns whether the fault ended the
// process that performs the operation.
func (r *Session) hit(ctx context.Context, fault faults.Fault, o tap.Operation) (stopped bool, err error) {
	event := history.Event{Kind: history.Fault, Fault: fault.String(), Process: o.Process, Operation: o.String(), Phase: string(o.Phase)}
	whom := fault.Whom()
	loss, losesPower := fault.Action.(faults.PowerLoss)
	switch {
	case fault.OfOperation():
		r.record(event)
		return false, nil
	case losesPower:
		event.Process = ""
		r.record(event)
		return true, r.losePower(ctx, fault, loss)
	case whom == faults.Cluster:
		event.Process = string(faults.Cluster)
		r.record(event)
		return true, r.killAll(ctx)
	}
	victim := o.Process
	if whom == faults.Same || !slices.Contains(r.running(whom), victim) {
		victim = r.victim(whom)
	}
	if victim == "" {
		r.record(history.Event{Kind: history.Missed, Error: nobody(fault)})
		return false, nil
	}
	event.Process = victim
	r.record(event)
	// A FUSE mount may know only that a TaskManager performs the operation, but not which one. Then
	// any killed TaskManager counts as the process that performs the operation.
	_, kills := fault.Action.(faults.Kill)
	same := whom == faults.Same && victim == o.Process
	return kills && (same || strings.HasPrefix(o.Process, string(whom))), r.strikeAt(ctx, fault, victim)
}

// running returns the names of the running processes of a kind. Among the JobManagers it returns
// only the leader.
func (r *Session) running(kind faults.Process) []string {
	if kind == faults.TaskManager {
		if killer, ok := r.cluster.(target.Killer); ok {
			return killer.TaskManagers()
		}
		return nil
	}
	if kind == faults.Broker {
		if brokered, ok := r.cluster.(target.Brokered); ok {
			return brokered.Brokers()
		}
		return nil
	}
	jobManagers, ok := r.cluster.(target.JobManagerKiller)
	if !ok || jobManagers.JobManager() == "" {
		return nil
	}
	return []string{jobManagers.JobManager()}
}

// untilLed waits for a leader if the fault is for a JobManager and several JobManagers run, but not
// longer than the scenario allows. A leader may have just ended, and the next may not be elected yet.
func (r *Session) untilLed(ctx context.Context, whom faults.Process) error {
	jobManagers, ok := r.cluster.(target.JobManagerKiller)
	if !ok || whom != faults.JobManager || len(jobManagers.JobManagers()) == 0 {
		return nil
	}
	for deadline := r.cluster.Now() + r.scenario.Bound; jobManagers.JobManager() == "" && r.cluster.Now() < deadline; {
		if err := r.Step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// victim chooses a running process of a kind. It returns the empty name if no such process runs.
// For [faults.Same] it returns the process of the fault before, if that process still runs.
func (r *Session) victim(kind faults.Process) string {
	if kind == faults.Same {
		struck := r.struck()
		if slices.Contains(slices.Concat(r.running(faults.TaskManager), r.running(faults.JobManager)), struck) {
			return struck
		}
		return ""
	}
	running := r.running(kind)
	if len(running) == 0 {
		return ""
	}
	return running[r.rand.IntN(len(running))]
}

// nobody says that no process was there for a fault.
func nobody(fault faults.Fault) string {
	if fault.Whom() == faults.Same {
		return fmt.Sprintf("%s could not fire: the process of the fault before runs no more", fault)
	}
	return fmt.Sprintf("%s could not fire: no %s ran", fault, fault.Whom())
}

// struck returns the name of the process that the last fault of a process affected.
func (r *Session) struck() string {
	for _, e := range slices.Backward(r.history.Events) {
		if fault, err := faults.Parse(e.Fault); e.Kind == history.Fault && err == nil && fault.Whom() != "" {
			return e.Process
		}
	}
	return ""
}

// strike makes a fault happen now.
func (r *Session) strike(ctx context.Context, fault faults.Fault) error {
	event := history.Event{Kind: history.Fault, Fault: fault.String()}
	switch action := fault.Action.(type) {
	case faults.PowerLoss:
		r.record(event)
		return r.losePower(ctx, fault, action)
	case faults.Resume:
		return r.resume(ctx, action.Process, event)
	}
	switch whom := fault.Whom(); whom {
	case faults.Cluster, faults.Storage, "":
		event.Process = string(whom)
	default:
		if err := r.untilLed(ctx, whom); err != nil {
			return err
		}
		if event.Process = r.victim(whom); event.Process == "" {
			return r.missed(nobody(fault))
		}
	}
	r.progress(fault.Describe() + ": " + event.Process)
	r.record(event)
	return r.strikeAt(ctx, fault, event.Process)
}

// resume lets all processes of a kind run at full speed again, and records the given event.
func (r *Session) resume(ctx context.Context, kind faults.Process, event history.Event) error {
	pauser, err := capability[target.Pauser](r)
	if err != nil {
		return err
	}
	r.progress(fmt.Sprintf("letting each %s run again", kind))
	r.record(event)
	for _, name := range r.allOf(kind) {
		err = errors.Join(err, pauser.Resume(ctx, name))
	}
	return err
}

// allOf returns the names of all running processes of a kind, also of JobManagers that do not lead.
func (r *Session) allOf(kind faults.Process) []string {
	if jobManagers, ok := r.cluster.(target.JobManagerKiller); ok && kind == faults.JobManager {
		return jobManagers.JobManagers()
	}
	return r.running(kind)
}

// strikeAt applies a fault to the given process.
func (r *Session) strikeAt(ctx context.Context, fault faults.Fault, victim string) error {
	if fault.OfConnection() {
		return r.disturb(ctx, fault, victim)
	}
	switch action := fault.Action.(type) {
	case faults.Kill:
		if action.Process == faults.Cluster {
			return r.killAll(ctx)
		}
		if err := do(r, func(c target.Killer) error { return c.Kill(ctx, victim) }); err != nil {
			return err
		}
		return r.audit("", nil)
	case faults.Pause:
		return do(r, func(c target.Pauser) error { return c.Pause(ctx, victim) })
	case faults.Slow:
		return do(r, func(c target.Slower) error { return c.Slow(ctx, victim, action.SharePercent) })
	case faults.Jump:
		return do(r, func(c target.ClockSetter) error { return c.Jump(ctx, victim, action.Forward) })
	case faults.Drift:
		return do(r, func(c target.ClockSetter) error { return c.Drift(ctx, victim, action.PacePercent) })
	}
	return fmt.Errorf("%s: the harness cannot apply this fault to a process", fault)
}

// disturb applies a fault to the connections of a process or of storage. The parameter end is the
// name of the process. For a fault of the connections to storage, the cluster's name for storage
// replaces this name.
func (r *Session) disturb(ctx context.Context, fault faults.Fault, end string) error {
	if fault.Whom() == faults.Storage {
		remote, err := capability[target.Remote](r)
		if err != nil {
			return err
		}
		end = remote.StorageEnd()
	}
	switch action := fault.Action.(type) {
	case faults.Cut:
		return do(r, func(c target.Partitioner) error { return c.Cut(ctx, end) })
	case faults.Break:
		return do(r, func(c target.Disturber) error { return c.Break(ctx, end) })
	case faults.Lag:
		return do(r, func(c target.Disturber) error { return c.Lag(ctx, end, action.Delay) })
	case faults.Limit:
		return do(r, func(c target.Limiter) error { return c.Limit(ctx, end, action.KilobytesPerSecond) })
	case faults.Heal:
		return do(r, func(c target.Healer) error { return c.Heal(ctx) })
	}
	return fmt.Errorf("%s: the harness cannot apply this fault to a connection", fault)
}

// do calls a function with the cluster, as one of the interfaces of package target.
func do[C any](r *Session, call func(C) error) error {
	c, err := capability[C](r)
	if err != nil {
		return err
	}
	return call(c)
}

// killAll ends every process of the cluster.
func (r *Session) killAll(ctx context.Context) error {
	r.progress("killing every process")
	killer, err := capability[target.Killer](r)
	if err != nil {
		return err
	}
	jobManagers, err := capability[target.JobManagerKiller](r)
	if err != nil {
		return err
	}
	for _, name := range slices.Concat(killer.TaskManagers(), jobManagers.JobManagers()) {
		if err := killer.Kill(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
