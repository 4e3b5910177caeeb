package explore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
)

// Sweep kills a process before and after every operation on storage that belongs to a checkpoint.
// Each kill happens in another checkpoint. After each kill the job comes back. If the job has
// finished, the sweep submits another job. If the JobManager was killed, the sweep resumes the job.
type Sweep struct {
	Target  target.Target // the target's clusters must implement [target.Tapped]
	Seed    uint64
	Dir     string // directory for the cluster's files
	History io.Writer
	Kill    faults.Process // the process that is killed; for [Task] the operation fails instead
	Every   int            // 0: the sweep takes all operations; N: it takes every Nth operation
	Timeout time.Duration  // the longest time of the whole sweep, in wall-clock time
}

// Task is a value of the field Kill of a [Sweep]. With this value the sweep kills no process, and
// is therefore the fastest sweep. The operation fails instead. Then the task that performs the
// operation fails too, or the checkpoint is aborted.
const Task faults.Process = "task"

// Swept is the result of the sweep for one operation.
type Swept struct {
	Fault      string         `json:"fault"`
	Operation  string         `json:"operation"`
	Phase      faults.Phase   `json:"phase"`
	Checkpoint int64          `json:"checkpoint"` // the checkpoint in progress
	Restored   int64          `json:"restored"`   // the checkpoint that the job was restored from; 0 if the job continued without a restore
	Took       time.Duration  `json:"took_ns"`    // time until the job ran again
	Verdict    oracle.Verdict `json:"verdict"`

	when faults.When // whether the process was killed before or after the operation
}

// A checkpoint may not have the operation for which a sweep waits. The sweep waits during at most
// checkpointsWithout checkpoints, and for at most the time fireWithin. After absentMax missing
// operations in a row, the sweep knows that checkpoints have no more operations.
const (
	checkpointsWithout = 6
	fireWithin         = 10 * time.Second
	absentMax          = 2
)

// sweeping is a sweep in progress.
type sweeping struct {
	session *run.Session
	history *history.History // the history of the session
	tapped  target.Tapped
	ctx     context.Context
	kill    faults.Process
	current string // the job that runs
	jobs    int
	swept   []Swept
}

// Run sweeps with the workload, the cluster and the job of a scenario. It does not take the steps
// of the scenario. It calls done with the result for each operation. The returned result is the
// result of the whole sweep.
func (c Sweep) Run(ctx context.Context, s scenarios.Scenario, done func(Swept)) ([]Swept, run.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	s.Requirements = []string{"REC-01", "REC-02", "REC-03", "LIV-01"}
	s.Features = append(slices.Clone(s.Features), scenarios.Tap)
	if c.Kill == faults.JobManager { // then the sweep resumes the job, as a user would
		s.Requirements[0] = "REC-04"
	}
	result := run.NewResult(c.Target, c.Seed, s)
	result.Tries, result.Dir = 1, c.Dir
	began := time.Now()
	session, err := run.Setup{Target: c.Target, Seed: c.Seed, Try: 1, Dir: c.Dir, History: c.History, Progress: func(string) {}}.Begin(ctx, s)
	if err != nil {
		return nil, result, err
	}
	sweep := &sweeping{session: session, history: session.History(), ctx: ctx, kill: c.Kill}
	err = sweep.all(max(1, c.Every), done)
	err = errors.Join(err, session.Collect(), session.Close())
	result.Judge(session.History(), err)
	result.Took = time.Since(began)
	return sweep.swept, result, nil
}

// all() sweeps one operation after the other, up to the last operation of a checkpoint. It chooses
// an operation by its number in the checkpoint. Tasks write at the same time, so the same operation
// may have different numbers in different checkpoints. So the sweep may miss a phase that has only
// one operation. Then all() sweeps that phase by its name. The parameter every is 1 to sweep each
// operation, and N to sweep only each N-th operation.
func (s *sweeping) all(every int, done func(Swept)) error {
	var ok bool
	if s.tapped, ok = s.session.Cluster().(target.Tapped); !ok {
		return errors.New("a sweep needs a target whose operations on storage pass through a tap")
	}
	for step, absent := 1, 0; absent < absentMax; step += every {
		found, err := s.sweep(s.faultsAt(faults.Operation{Kind: faults.Change, Step: step}), done)
		if err != nil {
			return err
		}
		absent++
		if found {
			absent = 0
		}
	}
	for _, phase := range faults.Phases() {
		for _, fault := range s.faultsAt(faults.Operation{Kind: faults.Change, Phase: phase}) {
			if s.sweptIn(phase, fault.Moment.When) {
				continue
			}
			if _, err := s.sweep([]faults.Fault{fault}, done); err != nil {
				return err
			}
		}
	}
	return s.await(scenarios.Await{Job: s.current, Status: storage.Finished})
}

// sweep lets the given faults fire, one after the other. It says whether any checkpoint had the
// operation at which they fire.
func (s *sweeping) sweep(at []faults.Fault, done func(Swept)) (found bool, err error) {
	for _, fault := range at {
		swept, err := s.one(fault)
		if err != nil {
			return found, err
		}
		if swept.Verdict == oracle.Void {
			continue
		}
		found = true
		s.swept = append(s.swept, swept)
		done(swept)
	}
	return found, nil
}

func (s *sweeping) sweptIn(phase faults.Phase, when faults.When) bool {
	return slices.ContainsFunc(s.swept, func(o Swept) bool { return o.Phase == phase && o.when == when })
}

// faultsAt lists the faults of one operation.
func (s *sweeping) faultsAt(operation faults.Operation) []faults.Fault {
	fault := faults.Fault{Action: faults.Kill{Process: s.kill}, Moment: faults.Moment{Operation: operation}}
	if s.kill == Task {
		fault.Action, fault.Moment.When = faults.Fail{Errno: syscall.EIO}, faults.On
		return []faults.Fault{fault}
	}
	before, after := fault, fault
	before.Moment.When, after.Moment.When = faults.Before, faults.After
	return []faults.Fault{before, after}
}

// next() submits another job, unless a job runs.
func (s *sweeping) next() error {
	if job, ok := s.history.Job(s.current); ok && !s.status(job).Terminal() {
		return nil
	}
	if err := s.submitNext(""); err != nil {
		return err
	}
	return s.await(scenarios.Await{Job: s.current, Completed: 1})
}

// one() kills a process at one operation, and lets the job come back. If the job finishes before
// the operation happens, the sweep continues with another job.
func (s *sweeping) one(fault faults.Fault) (Swept, error) {
	swept := Swept{Fault: fault.String(), Verdict: oracle.Void, when: fault.Moment.When}
	cluster := s.session.Cluster()
	until, without := cluster.Now()+fireWithin, 0
	for cluster.Now() < until && without < checkpointsWithout {
		if err := s.next(); err != nil {
			return swept, err
		}
		if err := s.session.Arm(s.ctx, fault); err != nil {
			return swept, err
		}
		job, _ := s.history.Job(s.current)
		fired, ended := s.history.Fired(swept.Fault), false
		for seen := len(s.history.Events); len(fired) == 0 && !ended && without < checkpointsWithout && cluster.Now() < until; {
			if err := s.session.Step(s.ctx); err != nil {
				return swept, err
			}
			without += completed(s.history.Events[seen:])
			if len(s.history.Events) > seen {
				seen = len(s.history.Events)
				fired, ended = s.history.Fired(swept.Fault), s.status(job).Terminal()
			}
		}
		s.tapped.Tap().Disarm()
		if len(fired) > 0 {
			return s.comesBack(swept, fired[0])
		}
	}
	return swept, nil
}

// completed returns the number of checkpoints that were completed.
func completed(events []history.Event) (n int) {
	for _, e := range events {
		if e.Kind == history.Completed {
			n++
		}
	}
	return n
}

// comesBack waits until the job runs again, and then for another checkpoint. There is one
// exception: after the kill of a TaskManager before an operation it does not wait for another
// checkpoint, because the next kill happens in the first checkpoint after the restore.
func (s *sweeping) comesBack(swept Swept, fired history.Event) (Swept, error) {
	swept.Operation, swept.Phase = fired.Operation, faults.Phase(fired.Phase)
	_, swept.Checkpoint, _ = s.history.InProgress(fired.Number)
	job, err := s.startAgain()
	if err != nil {
		return swept, err
	}
	wentOn := false
	ranAgain := func() bool {
		for _, e := range s.history.Events[fired.Number:] {
			switch {
			case e.Kind == history.Restored:
				swept.Restored = e.Checkpoint
			case e.Kind == history.Status && e.Status == storage.Running && e.ID == job.ID:
				swept.Took = e.At() - fired.At()
				return true
			case s.kill == Task && swept.Restored == 0 && e.Kind == history.Completed && e.Checkpoint > swept.Checkpoint:
				wentOn = true
				return true
			}
		}
		return s.status(job).Terminal()
	}
	if err := s.session.Until(s.ctx, "job "+s.current+" to run again", ranAgain); err != nil {
		return swept, err
	}
	swept.Verdict = oracle.Pass
	if swept.Took == 0 && !wentOn && s.status(job) != storage.Finished {
		swept.Verdict = oracle.Fail
	}
	if s.kill == faults.TaskManager && swept.when == faults.Before {
		return swept, nil
	}
	if err := s.session.UntilOrEnd(s.ctx, "another checkpoint", job, func() bool {
		completed := s.history.Completed(job.ID, s.history.End())
		return len(completed) > 0 && completed[len(completed)-1] > swept.Restored
	}); err != nil && !errors.Is(err, run.ErrGaveUp) {
		return swept, err
	}
	return swept, nil
}

// startAgain starts the killed process. If this is the JobManager, the job is lost, and the sweep
// resumes the job as a user would. startAgain returns the job that must run now.
func (s *sweeping) startAgain() (history.Job, error) {
	if s.kill != Task {
		if err := s.session.Take(s.ctx, scenarios.Step{Start: string(s.kill)}); err != nil {
			return history.Job{}, err
		}
	}
	if s.kill == faults.JobManager {
		if err := s.submitNext(s.current); err != nil {
			return history.Job{}, err
		}
	}
	job, _ := s.history.Job(s.current)
	return job, nil
}

// submitNext submits the next job. If the name of an earlier job is given, the next job resumes
// from a checkpoint of that job.
func (s *sweeping) submitNext(resumed string) error {
	s.jobs++
	s.current = fmt.Sprintf("job-%d", s.jobs)
	return s.session.Take(s.ctx, scenarios.Step{Submit: &scenarios.Submit{Job: s.current, Restore: resumed}})
}

func (s *sweeping) await(await scenarios.Await) error {
	return s.session.Take(s.ctx, scenarios.Step{Await: &await})
}

func (s *sweeping) status(job history.Job) storage.JobStatus {
	status, _ := s.history.Status(job.ID)
	return status
}
