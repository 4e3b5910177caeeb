package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// ErrGaveUp ends a run that waited in vain. The history says what the run waited for.
var ErrGaveUp = errors.New("gave up")

// Session is one try of a scenario, in progress. Only one goroutine may use a session.
type Session struct {
	scenario scenarios.Scenario
	history  *history.Recorder
	seed     uint64
	rand     *rand.Rand
	progress func(string)
	spec     target.Spec
	cluster  target.Cluster     // nil if no new cluster started after a power loss
	armed    []faults.Fault     // faults that are armed, and for which the steps do not wait
	lost     *powerLoss         // the power loss that fired; nil after the next cluster has started
	damaged  map[string]damaged // the damaged files, by name
	failed   error              // errors in writing the history, and errors of faults that fired during an operation
}

// Setup is what a session needs to begin.
type Setup struct {
	Target   target.Target
	Seed     uint64 // the seed of the whole run; the session derives its own seed from it
	Try      int    // number of the try; the first is 1
	Dir      string // directory for the cluster's files
	History  io.Writer
	Progress func(string) // receives messages for people
}

// Begin starts a cluster for a run of a scenario. The target must honour all that the scenario sets;
// see [target.Unhonoured].
func (b Setup) Begin(ctx context.Context, s scenarios.Scenario) (*Session, error) {
	if unhonoured := target.Unhonoured(b.Target, s); len(unhonoured) > 0 {
		return nil, harness.Usagef("%s", unhonoured[0])
	}
	seed := deriveSeed(b.Seed, s.Name, b.Try)
	s.Workload.Seed = int64(seed >> 33)
	recorder, err := history.NewRecorder(b.History, history.Header{Scenario: s, Target: b.Target.Describe(), Seed: b.Seed, Try: b.Try})
	if err != nil {
		return nil, err
	}
	session := newSession(s, recorder, seed, b.Progress)
	session.spec = target.Spec{Cluster: s.Cluster, Dir: b.Dir, Seed: seed, Needs: s.Features, Observe: session.observe}
	if session.cluster, err = b.Target.Start(ctx, session.spec); err != nil {
		return nil, fmt.Errorf("start a cluster: %w", err)
	}
	if got, want := reflect.TypeOf(session.cluster), reflect.TypeOf(b.Target.Cluster()); got != want {
		return nil, errors.Join(fmt.Errorf("start a cluster: want a %v, as the target's Cluster says, got a %v", want, got), session.Close())
	}
	return session, nil
}

func newSession(s scenarios.Scenario, recorder *history.Recorder, seed uint64, progress func(string)) *Session {
	return &Session{scenario: s, history: recorder, seed: seed, rand: rand.New(rand.NewPCG(seed, 0xfa17)), progress: progress}
}

// Scenario returns the scenario that the session runs, with the seed of its workload.
func (r *Session) Scenario() scenarios.Scenario { return r.scenario }

// History returns the history so far.
func (r *Session) History() *history.History { return &r.history.History }

// Cluster returns the cluster that runs now.
func (r *Session) Cluster() target.Cluster { return r.cluster }

// Failed returns an error of the harness that no step could return, or nil.
func (r *Session) Failed() error { return r.failed }

// Close closes the cluster, if one runs.
func (r *Session) Close() error {
	if r.cluster == nil {
		return nil
	}
	return r.cluster.Close()
}

// TakeAll takes the scenario's steps, beginning with the step at the given index. It stops at a
// step that waited in vain. If an armed power loss fires, it continues with the steps that bring
// the jobs back.
func (r *Session) TakeAll(ctx context.Context, from int) error {
	for i := from; i < len(r.scenario.Steps); i++ {
		step := r.scenario.Steps[i]
		err := r.Take(ctx, step)
		switch {
		case r.lost != nil:
			if step.Fault == nil || *step.Fault != r.lost.fault {
				i = r.RecoveryFrom(i) - 1
			}
			err = r.restorePower(ctx)
		case errors.Is(err, ErrGaveUp):
			return nil // the history records what the step waited for, and the next steps would prove nothing
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	r.unfired()
	return nil
}

// unfired records each armed fault that did not fire, and why. After a power loss nothing is missed,
// because the steps with the other faults may not have been taken.
func (r *Session) unfired() {
	if slices.ContainsFunc(r.history.Events, func(e history.Event) bool { return e.Label == history.AfterPowerLoss }) {
		return
	}
	for _, fault := range r.armed {
		if len(r.history.Fired(fault.String())) == 0 {
			_ = r.missed(r.whyNot(fault)) // the run is over anyway
		}
	}
}

// RecoveryFrom searches the steps from the given index on for the first step that brings a job
// back, and returns its index. If steps that arm faults come directly before it, and after the
// given index, the result is the index of the first of these. If no step brings a job back, the
// result is the number of steps.
func (r *Session) RecoveryFrom(from int) int {
	steps, at := r.scenario.Steps, from
	for at < len(steps) && steps[at].Recover == "" {
		at++
	}
	for at-1 > from && at < len(steps) && steps[at-1].Arm != nil {
		at--
	}
	return at
}

// Take takes one step. The error is [ErrGaveUp] if the step waited in vain.
func (r *Session) Take(ctx context.Context, step scenarios.Step) error {
	switch {
	case step.Submit != nil:
		return r.submit(ctx, *step.Submit)
	case step.Await != nil:
		return r.await(ctx, *step.Await)
	case step.Fault != nil:
		return r.fire(ctx, *step.Fault)
	case step.Arm != nil:
		r.armed = append(r.armed, *step.Arm)
		return r.Arm(ctx, *step.Arm)
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
	case step.Finish != "":
		return r.finish(ctx, step.Finish)
	case step.Savepoint != nil:
		return r.savepoint(ctx, *step.Savepoint)
	case step.Suspend != "":
		return r.suspend(ctx, step.Suspend)
	case step.Wait > 0:
		r.progress("waiting for " + step.Wait.String())
		return r.pass(ctx, step.Wait)
	case step.Damage != nil:
		return r.damage(*step.Damage)
	case step.Upgrade != "":
		return r.upgrade(ctx, step.Upgrade)
	case step.Record != "":
		return r.settle(ctx, step.Record)
	}
	return errors.New("the harness cannot take this step")
}

// Collect records the output of the jobs. It also deletes the files that the session itself wrote
// to the cluster's storage.
func (r *Session) Collect() error {
	if r.scenario.Workload.OnKafka() {
		r.progress("reading the output from Kafka")
		brokered, err := capability[target.Brokered](r)
		if err != nil {
			return err
		}
		transactions, err := brokered.Deliver(context.Background())
		if err != nil {
			return fmt.Errorf("read the output from Kafka: %w", err)
		}
		r.record(history.Event{Kind: history.Committed, Transactions: transactions})
	}
	for _, job := range r.history.Jobs() {
		if err := r.collect(job.Name); err != nil {
			return fmt.Errorf("collect the output of job %s: %w", job.Name, err)
		}
	}
	return errors.Join(r.failed, filesystem.RemoveAll(r.cluster.Files(), r.interrupted()))
}

// interrupted returns the directory in which the session imitates what a crash leaves of a
// checkpoint. Its name differs in each run, because other runs may use the same storage.
func (r *Session) interrupted() string {
	return filesystem.Join(r.cluster.Root(), fmt.Sprintf("interrupted-%016x", r.seed))
}

// dir returns the directory of a job's workload.
func (r *Session) dir(job string) string { return filesystem.Join(r.cluster.Work(), job) }

// over() says whether a job has ended and cannot come back.
func (r *Session) over(job history.Job) bool { return r.scenario.Over(r.status(job)) }

// status returns the last observed status of a job.
func (r *Session) status(job history.Job) storage.JobStatus {
	status, _ := r.history.Status(job.ID)
	return status
}

// observe records an event that the cluster observed.
func (r *Session) observe(event history.Event) {
	r.record(event)
	if event.Kind == history.Completed && r.scenario.Job.Unaligned {
		r.readInFlight(event)
	}
	switch event.Kind {
	case history.Completed:
		r.progress(fmt.Sprintf("checkpoint %d completed", event.Checkpoint))
	case history.Restored:
		r.progress(fmt.Sprintf("restored from %s %d", r.history.KindOf(event), event.Checkpoint))
	case history.Status:
		r.progress(fmt.Sprintf("the job is %s", event.Status))
	}
}

func (r *Session) record(event history.Event) {
	var at time.Duration
	if r.cluster != nil {
		at = r.cluster.Now()
	}
	if err := r.history.Record(at, event); err != nil && r.failed == nil {
		r.failed = fmt.Errorf("write the history: %w", err)
	}
}

// missed records that the run can prove nothing, which is nobody's mistake. Its error ends the run.
func (r *Session) missed(why string) error {
	r.record(history.Event{Kind: history.Missed, Error: why})
	r.progress(why)
	return ErrGaveUp
}

// giveUp records what the session has waited for in vain since the given time of the cluster's
// clock, and in which state the given job is stuck. Its error ends the run.
func (r *Session) giveUp(what string, job history.Job, since time.Duration) error {
	stuck := fmt.Sprintf("job %s is %s", job.Name, r.status(job))
	for _, e := range slices.Backward(r.history.Events) {
		if e.Kind == history.Status && e.ID == job.ID && e.Error != "" {
			stuck += ": " + firstLine(e.Error)
			break
		}
	}
	if completed := r.history.Completed(job.ID, r.history.End()); len(completed) > 0 {
		stuck += fmt.Sprintf("; the last checkpoint it completed is %d", completed[len(completed)-1])
	}
	r.record(history.Event{Kind: history.GaveUp, Label: what, Error: stuck, Waited: (r.cluster.Now() - since).Microseconds()})
	r.progress("gave up waiting for " + what + ": " + stuck)
	return ErrGaveUp
}

// firstLine returns the first line of a text. An exception goes on with its stack, which is in the
// log.
func firstLine(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return first
}

// capability returns the cluster as one of the interfaces of package target, such as
// [target.Killer]. A scenario that needs a missing feature is skipped before it starts. So
// capability fails only if the target describes its clusters wrongly.
func capability[C any](r *Session) (C, error) {
	c, ok := r.cluster.(C)
	if !ok {
		return c, fmt.Errorf("the cluster (%T) is not of the type that its target describes", r.cluster)
	}
	return c, nil
}
