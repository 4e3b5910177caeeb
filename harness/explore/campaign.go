// Package explore makes many runs in search of one that fails: [Campaign] runs scenarios drawn
// by chance, [CrashPoints] loses the power after each operation on storage, [Sweep] kills a
// process at each operation of a checkpoint. A failed run is saved as a [Case].
//
// The package takes no step and judges nothing itself. It uses sessions of package run for that.
//
// Start with [Campaign].
package explore

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
)

// GarbagePercent suits a program that makes many simulated runs, as the argument of
// [runtime/debug.SetGCPercent]. Such a run needs little memory. With four times Go's default it takes a third
// less time.
const GarbagePercent = 400

// Campaign draws one scenario from each seed, and runs each scenario once.
type Campaign struct {
	Target   target.Target
	Draw     func(seed uint64) scenarios.Scenario
	First    uint64 // the first seed
	Stride   uint64 // the difference between one seed and the next
	Runs     int    // number of runs; 0: the campaign runs until the context is done
	Parallel int
	Timeout  time.Duration   // the longest time of one run, in wall-clock time
	Twice    bool            // each seed runs a second time, and must give the same history
	Skip     map[uint64]bool // seeds that count as runs, but do not run, because they ran before

	// Dir is a directory for the files of runs. Only a run that failed or ended with an error keeps
	// its files. If Dir is empty, clusters get no directory.
	Dir string
}

// Run runs the campaign. It calls done with each result, one call at a time. If the second run of a
// seed gives another history than the first, the result is an error.
func (c Campaign) Run(ctx context.Context, done func(seed uint64, result run.Result)) {
	var reporting sync.Mutex
	c.each(ctx, func(seed uint64, result run.Result) {
		reporting.Lock()
		defer reporting.Unlock()
		done(seed, result)
	})
}

// each runs the campaign. It calls done with each result, and up to Parallel calls run at a time.
func (c Campaign) each(ctx context.Context, done func(seed uint64, result run.Result)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range max(1, c.Parallel) {
		workers.Go(func() {
			for ctx.Err() == nil {
				n := next.Add(1) - 1
				if c.Runs > 0 && n >= int64(c.Runs) {
					return
				}
				seed := c.First + uint64(n)*c.Stride
				if c.Skip[seed] {
					continue
				}
				result := c.runSeed(ctx, seed)
				if ctx.Err() != nil {
					return // the run was cut short
				}
				done(seed, result)
			}
		})
	}
	workers.Wait()
}

func (c Campaign) runSeed(ctx context.Context, seed uint64) run.Result {
	result := c.RunOne(ctx, seed, c.Draw(seed))
	if c.Twice {
		if again := c.RunOne(ctx, seed, c.Draw(seed)); again.History != result.History {
			result.Verdict, result.Reason = oracle.Error, "run again, the same seed gave another history"
		}
	}
	return result
}

// RunOne runs one scenario, once.
func (c Campaign) RunOne(ctx context.Context, seed uint64, s scenarios.Scenario) run.Result {
	result, _ := c.RunHistory(ctx, seed, s)
	return result
}

// RunHistory runs one scenario, once. It also returns the history, or nil if the run left no
// history.
func (c Campaign) RunHistory(ctx context.Context, seed uint64, s scenarios.Scenario) (run.Result, *history.History) {
	runner := run.Runner{Target: c.Target, Seed: seed, Timeout: c.Timeout, Tries: 1}
	if c.Dir == "" {
		return runner.RunOne(ctx, s)
	}
	result := run.NewResult(c.Target, seed, s)
	result.Verdict = oracle.Error
	err := os.MkdirAll(c.Dir, 0o755)
	if err == nil {
		runner.Dir, err = os.MkdirTemp(c.Dir, fmt.Sprintf("seed-%d-", seed))
	}
	if err != nil {
		result.Reason = err.Error()
		return result, nil
	}
	result, h := runner.RunOne(ctx, s)
	if !failing(result.Verdict) || ctx.Err() != nil {
		result.Dir = ""
		if err := os.RemoveAll(runner.Dir); err != nil {
			result.Verdict, result.Reason = oracle.Error, err.Error()
		}
	}
	return result, h
}

// failing says whether a run with this verdict is worth to be repeated and saved.
func failing(v oracle.Verdict) bool { return v == oracle.Fail || v == oracle.Error }
