package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
)

// Sweep kills a process at every operation on storage of a checkpoint, before it and after
// it, one checkpoint after the other; the job, or one that is submitted in its place when
// it has finished, comes back each time. Of a killed JobManager it is resumed.
type Sweep struct {
	Target  Target // whose clusters are [Tapped]
	Seed    uint64
	Dir     string // for the cluster
	History io.Writer
	Kill    faults.Process // whom; of a [Task] the operation fails
	Every   int            // of so many operations one is swept; 0: each
	Timeout time.Duration  // on all of it
}

// Task is the cheapest to kill: the operation fails, and with it the task that does it, or
// the checkpoint.
const Task faults.Process = "task"

// Swept is what became of one operation.
type Swept struct {
	Fault      string         `json:"fault"`
	Operation  string         `json:"operation"`
	Phase      faults.Phase   `json:"phase"`
	Checkpoint int64          `json:"checkpoint"` // in progress
	Restored   int64          `json:"restored"`   // from which the job came back; 0: it went on
	Took       time.Duration  `json:"took_ns"`    // until it ran again
	Verdict    oracle.Verdict `json:"verdict"`

	when faults.When // the process was killed
}

// How many checkpoints are waited for an operation that one may not have, for how long, and
// how many operations in a row that none had are the end.
const (
	checkpointsWithout = 6
	fireWithin         = 10 * time.Second
	absentMax          = 2
)

// sweeping is a sweep in progress.
type sweeping struct {
	*run
	ctx     context.Context
	kill    faults.Process
	current string // job that runs
	jobs    int
	swept   []Swept
}

// Run sweeps with the scenario's workload, cluster and job; its steps are not taken. Done
// is called with each operation. The result is that of all of it.
func (c Sweep) Run(ctx context.Context, s scenarios.Scenario, done func(Swept)) ([]Swept, Result, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	s.Requirements = []string{"REC-01", "REC-02", "REC-03", "LIV-01"}
	if c.Kill == faults.JobManager { // then the job is resumed by its user
		s.Requirements[0] = "REC-04"
	}
	result := newResult(c.Target, c.Seed, s)
	result.Tries, result.Dir = 1, c.Dir
	began := time.Now()
	r, err := beginning{c.Target, c.Seed, 1, c.Dir, c.History, func(string) {}}.begin(ctx, s)
	if err != nil {
		return nil, result, err
	}
	sweep := &sweeping{run: r, ctx: ctx, kill: c.Kill}
	err = sweep.all(max(1, c.Every), done)
	err = errors.Join(err, sweep.finish(), sweep.close())
	result.judge(&r.history.History, err)
	result.Took = time.Since(began)
	return sweep.swept, result, nil
}

// all sweeps one operation after the other, until checkpoints have no more of them. Tasks
// write side by side, so that an operation has another number in each checkpoint, and a
// phase of a single operation may be passed over: such a phase is swept by its name.
func (s *sweeping) all(every int, done func(Swept)) error {
	if _, ok := s.cluster.(Tapped); !ok {
		return errors.New("the operations of the target on storage cannot be seen")
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
	return s.await(s.ctx, scenarios.Await{Job: s.current, Status: storage.Finished})
}

// sweep sweeps with the faults, and says whether any checkpoint had their operation.
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

// faultsAt are those of one operation.
func (s *sweeping) faultsAt(operation faults.Operation) []faults.Fault {
	fault := faults.Fault{Action: faults.Kill, Process: s.kill, Moment: faults.Moment{Operation: operation}}
	if s.kill == Task {
		fault.Action, fault.Process, fault.Detail, fault.Moment.When = faults.Fail, "", "EIO", faults.On
		return []faults.Fault{fault}
	}
	before, after := fault, fault
	before.Moment.When, after.Moment.When = faults.Before, faults.After
	return []faults.Fault{before, after}
}

// next submits another job, unless one runs.
func (s *sweeping) next() error {
	if job, ok := s.history.Job(s.current); ok && !s.status(job).Terminal() {
		return nil
	}
	if err := s.submitNext(""); err != nil {
		return err
	}
	return s.await(s.ctx, scenarios.Await{Job: s.current, Completed: 1})
}

// one kills at an operation, and sees to it that the job comes back.
func (s *sweeping) one(fault faults.Fault) (Swept, error) {
	swept := Swept{Fault: fault.String(), Verdict: oracle.Void, when: fault.Moment.When}
	until, without := s.cluster.Now()+fireWithin, 0
	for s.cluster.Now() < until && without < checkpointsWithout { // a job that finishes meanwhile has no more checkpoints, another one has
		if err := s.next(); err != nil {
			return swept, err
		}
		if err := s.arm(s.ctx, fault); err != nil {
			return swept, err
		}
		job, _ := s.history.Job(s.current)
		fired, ended := s.fired(fault), false
		for seen := len(s.history.Events); len(fired) == 0 && !ended && without < checkpointsWithout && s.cluster.Now() < until; {
			if err := s.tick(s.ctx); err != nil {
				return swept, err
			}
			for _, e := range s.history.Events[seen:] {
				if e.Kind == history.Completed {
					without++
				}
			}
			if len(s.history.Events) > seen {
				seen = len(s.history.Events)
				fired, ended = s.fired(fault), s.status(job).Terminal()
			}
		}
		s.cluster.(Tapped).Tap().Disarm()
		if len(fired) > 0 {
			return s.comesBack(swept, fired[0])
		}
	}
	return swept, nil
}

// comesBack waits for the job to run again, and for a checkpoint of it. After a TaskManager
// was killed before its operation it does not: the next kill is in the first checkpoint
// that is taken.
func (s *sweeping) comesBack(swept Swept, fired history.Event) (Swept, error) {
	job, _ := s.history.Job(s.current)
	swept.Operation, swept.Phase = fired.Operation, faults.Phase(fired.Phase)
	_, swept.Checkpoint, _ = s.history.InProgress(fired.Number)
	if s.kill != Task {
		if err := s.start(s.ctx, s.kill); err != nil {
			return swept, err
		}
	}
	if s.kill == faults.JobManager { // with it the job is gone, which its user resumes
		if err := s.submitNext(job.Name); err != nil {
			return swept, err
		}
		job, _ = s.history.Job(s.current)
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
	if err := s.until(s.ctx, "job "+s.current+" to run again", ranAgain); err != nil {
		return swept, err
	}
	swept.Verdict = oracle.Pass
	if swept.Took == 0 && !wentOn && s.status(job) != storage.Finished {
		swept.Verdict = oracle.Fail
	}
	if s.kill == faults.TaskManager && swept.when == faults.Before {
		return swept, nil
	}
	if err := s.untilOrEnd(s.ctx, "another checkpoint", job, func() bool {
		completed := s.history.Completed(job.ID, s.history.End())
		return len(completed) > 0 && completed[len(completed)-1] > swept.Restored
	}); err != nil && !errors.Is(err, errGaveUp) {
		return swept, err
	}
	return swept, nil
}

// submitNext submits the next job, which goes on where another was, if one is named.
func (s *sweeping) submitNext(resumed string) error {
	s.jobs++
	s.current = fmt.Sprintf("job-%d", s.jobs)
	return s.submit(s.ctx, scenarios.Submit{Job: s.current, Restore: resumed})
}
