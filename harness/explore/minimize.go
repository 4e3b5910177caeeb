package explore

import (
	"context"
	"os"
	"time"

	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/scenarios"
)

// Confirmations is how often a failed run of a real engine is repeated.
const Confirmations = 3

// asksMax is the greatest number of smaller scenarios that are tried for a case.
const asksMax = 400

// Confirm repeats the run of a case, and returns the case with its rate. A run that was cut short,
// because the context is done, does not count. If no run was made, an earlier rate stays.
func (c Campaign) Confirm(ctx context.Context, saved Case) Case {
	rate := Rate{}
	for rate.Runs < Confirmations && ctx.Err() == nil {
		result := c.repeat(ctx, saved.Seed, saved.Scenario)
		if ctx.Err() != nil {
			break
		}
		if rate.Runs++; saved.SameFailure(result) {
			rate.Failed++
			saved.Findings = saved.alike(result.Findings) // the saved ones may be those of a larger scenario
		}
	}
	if rate.Runs > 0 || saved.Rate == nil {
		saved.Rate = &rate
	}
	return saved
}

// Smallest makes a case smaller, for at most the given time, and confirms the smaller case. A smaller
// scenario may fail less often. If it fails in none of the repetitions, Smallest goes back to a
// larger one.
func (c Campaign) Smallest(ctx context.Context, saved Case, limit time.Duration) Case {
	all := []Case{saved} // each is smaller than the one before
	c.minimize(ctx, saved, limit, func(smaller Case) { all = append(all, smaller) })
	for at, back := len(all)-1, 1; at > 0; at, back = at-back, 2*back {
		confirmed := c.Confirm(ctx, all[at])
		if ctx.Err() != nil {
			break
		}
		if confirmed.Rate.Failed > 0 {
			return confirmed
		}
	}
	return saved
}

// Minimize searches for the smallest case that fails in the same way, for at most the given time. If
// the limit is 0, only the number of tried scenarios is limited.
func (c Campaign) Minimize(ctx context.Context, saved Case, limit time.Duration) Case {
	return c.minimize(ctx, saved, limit, func(Case) {})
}

// minimize is [Campaign.Minimize]. It calls failed with each smaller case that fails. If the case
// does not always fail, a smaller scenario runs several times, until it fails.
func (c Campaign) minimize(ctx context.Context, saved Case, limit time.Duration, failed func(Case)) Case {
	began, attempts := time.Now(), 1
	if saved.Rate != nil {
		attempts += 2 * (saved.Rate.Runs - saved.Rate.Failed)
	}
	smaller := saved
	smaller.Scenario, smaller.Seed = Shrink(saved.Scenario, saved.Seed, asksMax, func(s scenarios.Scenario, seed uint64) bool {
		for range attempts {
			if ctx.Err() != nil || (limit > 0 && time.Since(began) > limit) {
				return false
			}
			if saved.SameFailure(c.repeat(ctx, seed, s)) && ctx.Err() == nil {
				smaller.Scenario, smaller.Seed = s, seed
				failed(smaller)
				return true
			}
		}
		return false
	})
	return smaller
}

// repeat runs a scenario once more, and leaves no files of the run.
func (c Campaign) repeat(ctx context.Context, seed uint64, s scenarios.Scenario) run.Result {
	result := c.RunOne(ctx, seed, s)
	if result.Dir != "" {
		if err := os.RemoveAll(runDir(result)); err != nil {
			result.Reason = err.Error()
		}
	}
	return result
}
