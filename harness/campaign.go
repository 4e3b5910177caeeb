package harness

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/scenarios"
)

// Campaign runs scenarios that are drawn from seeds, one after the other, each once.
type Campaign struct {
	Target   Target
	Draw     func(seed uint64) scenarios.Scenario
	First    uint64 // seed
	Stride   uint64 // from one seed to the next
	Runs     int    // 0: until the context is done
	Parallel int
	Timeout  time.Duration // on one run, by the wall clock
	Twice    bool          // each is run again, and must give the same history
}

// Run runs the campaign. Done is called with each result, one at a time; what the second
// run of a seed shows that the first did not is an error in its result.
func (c Campaign) Run(ctx context.Context, done func(seed uint64, result Result)) {
	var next atomic.Int64
	var reporting sync.Mutex
	var workers sync.WaitGroup
	for range max(1, c.Parallel) {
		workers.Go(func() {
			for ctx.Err() == nil {
				n := next.Add(1) - 1
				if c.Runs > 0 && n >= int64(c.Runs) {
					return
				}
				seed := c.First + uint64(n)*c.Stride
				result := c.RunOne(ctx, seed, c.Draw(seed))
				if c.Twice {
					if again := c.RunOne(ctx, seed, c.Draw(seed)); again.History != result.History {
						result.Verdict, result.Reason = oracle.Error, "run again, the same seed gave another history"
					}
				}
				if ctx.Err() != nil {
					return // it was cut short
				}
				reporting.Lock()
				done(seed, result)
				reporting.Unlock()
			}
		})
	}
	workers.Wait()
}

// RunOne runs one scenario, once.
func (c Campaign) RunOne(ctx context.Context, seed uint64, s scenarios.Scenario) Result {
	result, _ := c.RunHistory(ctx, seed, s)
	return result
}

// RunHistory runs one scenario, once, and returns the history too; nil if there is none.
func (c Campaign) RunHistory(ctx context.Context, seed uint64, s scenarios.Scenario) (Result, *history.History) {
	runner := Runner{Target: c.Target, Seed: seed, Timeout: c.Timeout, Tries: 1}
	return runner.runScenario(ctx, s)
}
