package explore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
)

// StepSweep kills a process before and after every operation on storage of a whole scenario: of its
// checkpoints, savepoints, stops, restores and claims. Other than [Sweep], it takes the scenario's
// steps, in one run for each operation.
//
// Nobody starts the killed process again, because this may be necessary in the middle of a step.
// Instead the cluster has one process more than the scenario says. A savepoint that fails because
// of the kill is asked for once more, as users do. Instead of a checkpoint on request, which would
// rightly fail, the sweep waits for the next checkpoint.
type StepSweep struct {
	Target  target.Target // the target's clusters must implement [target.Tapped]
	Seed    uint64
	Dir     string         // directory for the files of runs
	Kill    faults.Process // the process that is killed; for [Task] the operation fails instead
	Every   int            // 0: the sweep takes all operations; N: it takes every Nth operation
	Timeout time.Duration  // the longest time of one run, in wall-clock time
}

// Run sweeps a scenario. It calls done with the result for each operation. The returned result is
// the result of the whole sweep.
func (c StepSweep) Run(ctx context.Context, s scenarios.Scenario, done func(Swept)) ([]Swept, run.Result, error) {
	began := time.Now()
	all := run.NewResult(c.Target, c.Seed, s)
	all.Tries, all.Dir = 1, c.Dir
	var swept []Swept
	var verdicts []oracle.Verdict
	for _, phase := range faults.Phases() {
		for nth, found := 1, true; found; nth += max(1, c.Every) {
			found = false
			for _, fault := range (&sweeping{kill: c.Kill}).faultsAt(faults.Operation{Kind: faults.Change, Phase: phase, Nth: nth}) {
				one, result, err := c.one(ctx, s, fault)
				if err != nil || ctx.Err() != nil {
					return swept, all, errors.Join(err, context.Cause(ctx))
				}
				if one.Operation == "" {
					continue // the scenario has fewer operations
				}
				found = true
				swept, verdicts = append(swept, one), append(verdicts, one.Verdict)
				all.Findings = append(all.Findings, result.Findings...)
				all.Reason = cmp.Or(all.Reason, reason(result))
				done(one)
			}
		}
	}
	verdicts = slices.DeleteFunc(verdicts, func(v oracle.Verdict) bool { return v == oracle.Void })
	all.Verdict, all.Took = oracle.Worst(verdicts), time.Since(began)
	return swept, all, nil
}

// reason returns why a run ended with an error. Otherwise it returns the empty text.
func reason(result run.Result) string {
	if result.Verdict != oracle.Error {
		return ""
	}
	return fmt.Sprintf("%s; see %s", result.Reason, result.Dir)
}

// one takes the steps of a scenario once, and kills a process at one operation. A run that failed or
// ended with an error keeps its files.
func (c StepSweep) one(ctx context.Context, s scenarios.Scenario, fault faults.Fault) (Swept, run.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	swept := Swept{Fault: fault.String(), when: fault.Moment.When}
	s = c.prepare(s, fault)
	result := run.NewResult(c.Target, c.Seed, s)
	result.Tries, result.Dir = 1, filepath.Join(c.Dir, fmt.Sprintf("%s-%d-%s", fault.Moment.Operation.Phase, fault.Moment.Operation.Nth, fault.Moment.When))
	if err := os.MkdirAll(result.Dir, 0o755); err != nil {
		return swept, result, err
	}
	file, err := os.Create(filepath.Join(result.Dir, run.HistoryName))
	if err != nil {
		return swept, result, err
	}
	session, err := run.Setup{Target: c.Target, Seed: c.Seed, Try: 1, Dir: result.Dir, History: file, Progress: func(string) {}}.Begin(ctx, s)
	if err != nil {
		return swept, result, errors.Join(err, file.Close())
	}
	err = takeAll(ctx, session, s.Steps)
	err = errors.Join(err, session.Collect(), session.Close(), file.Close())
	result.Judge(session.History(), err)
	swept.describe(session.History(), result)
	if !failing(result.Verdict) {
		return swept, result, os.RemoveAll(result.Dir)
	}
	return swept, result, nil
}

// prepare returns the scenario with the fault, and with a process to replace the killed one.
func (c StepSweep) prepare(s scenarios.Scenario, fault faults.Fault) scenarios.Scenario {
	switch c.Kill {
	case faults.TaskManager:
		s.Cluster.TaskManagers++
	case faults.JobManager:
		s.Cluster.JobManagers++
	}
	steps := []scenarios.Step{{Arm: &fault}}
	for _, step := range s.Steps {
		if step.Checkpoint != "" {
			step = scenarios.Step{Await: &scenarios.Await{Job: step.Checkpoint, More: 1}}
		}
		steps = append(steps, step)
	}
	s.Steps = steps
	for _, feature := range s.Needed() {
		if !slices.Contains(s.Features, feature) {
			s.Features = append(slices.Clone(s.Features), feature)
		}
	}
	return s
}

// takeAll takes the steps. It stops at a step that waited in vain.
func takeAll(ctx context.Context, session *run.Session, steps []scenarios.Step) error {
	for i, step := range steps {
		seen := len(session.History().Events)
		err := session.Take(ctx, step)
		if step.Savepoint != nil && refused(session.History(), seen) && !step.Savepoint.Fails {
			if err = session.Take(ctx, scenarios.Step{Await: &scenarios.Await{Job: step.Savepoint.Job, Status: storage.Running}}); err == nil {
				err = session.Take(ctx, step)
			}
		}
		var rejected *target.RefusedError
		if errors.Is(err, run.ErrGaveUp) || (step.Submit != nil && errors.As(err, &rejected)) {
			return nil // the history says what the step waited for; a job that was refused because of the fault proves nothing
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

// refused says whether a savepoint was not taken, according to the events after the first seen ones.
func refused(h *history.History, seen int) bool {
	return slices.ContainsFunc(h.Events[seen:], func(e history.Event) bool { return e.Kind == history.Savepoint && e.Error != "" })
}

// describe notes what happened at the operation and after it.
func (s *Swept) describe(h *history.History, result run.Result) {
	s.Verdict = result.Verdict
	for _, e := range h.Fired(s.Fault) {
		s.Operation, s.Phase = e.Operation, faults.Phase(e.Phase)
		_, s.Checkpoint, _ = h.InProgress(e.Number)
	}
	for _, r := range result.Numbers.Recoveries {
		if r.Fault == s.Fault {
			s.Restored, s.Took = r.Restored, r.Took
		}
	}
}
