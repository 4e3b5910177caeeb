package power

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/targets/reference"
)

// minimizeMax is the greatest number of smaller scenarios that a hunter tries for a finding.
const minimizeMax = 300

// comparedMax is the greatest number of runs of every strategy except Snapback's own. Without this
// limit a campaign would spend most of its time on mutants that these strategies do not find.
const comparedMax = 200

// cleanMax is the number of runs of the reference without a mutant, before a campaign begins.
const cleanMax = 300

// Campaign builds and hunts mutants. It can hunt several mutants at the same time.
type Campaign struct {
	Workshop   Workshop
	Cases      string     // directory for the smallest case of each mutant
	Strategies []Strategy // the first strategy is Snapback's own
	Seed       uint64
	RunsMax    int          // number of runs without a finding after which a mutant has survived
	Parallel   int          // number of mutants to hunt at the same time
	Progress   func(string) // receives messages for people; the campaign makes one call at a time
}

// Run hunts in three steps. First it hunts the reference without a mutant, and must find nothing.
// Then it hunts the canary, and must find it. Only then it hunts the other mutants. If the list of
// all mutants contains the canary, Run does not hunt the canary again. With an error, Run also returns
// the results that it has.
func (c Campaign) Run(ctx context.Context, canary Mutant, all []Mutant) (Matrix, error) {
	all = slices.DeleteFunc(slices.Clone(all), func(m Mutant) bool { return m.ID == Canary })
	matrix := Matrix{Schema: MatrixSchema, Seed: c.Seed}
	for _, m := range append([]Mutant{canary}, all...) {
		matrix.Rows = append(matrix.Rows, c.notRun(m))
	}
	hunted, err := c.HuntClean(ctx, cleanMax)
	if err != nil {
		return matrix, err
	}
	if hunted.Found {
		return matrix, fmt.Errorf("the suites find a mistake in the reference without a mutant, so their findings in mutants mean nothing: %s: %s",
			hunted.Finding.Requirement, hunted.Finding.Problem)
	}
	matrix.Clean = hunted.Runs
	if matrix.Rows[0], err = c.one(ctx, canary); err != nil {
		return matrix, err
	}
	if !matrix.Rows[0].Killed() {
		return matrix, fmt.Errorf("mutant %s was not found, but any suite must find it: the results of the other mutants would mean nothing", canary.ID)
	}
	return matrix, c.huntAll(ctx, matrix.Rows[1:])
}

// notRun returns the row of a mutant that was not hunted.
func (c Campaign) notRun(m Mutant) Row {
	row := Row{Mutant: m, Trouble: "not run"}
	for _, strategy := range c.Strategies {
		row.Hunts = append(row.Hunts, Hunt{Strategy: strategy})
	}
	return row
}

// huntAll hunts the mutant of each row, and writes the results into the rows. If there is trouble
// with one mutant, the others are hunted all the same. huntAll returns all troubles.
func (c Campaign) huntAll(ctx context.Context, rows []Row) error {
	var (
		group    errgroup.Group
		mu       sync.Mutex
		done     int
		troubles = make([]error, len(rows))
	)
	group.SetLimit(max(1, c.Parallel))
	for i := range rows {
		group.Go(func() error {
			row, err := c.one(ctx, rows[i].Mutant)
			mu.Lock()
			defer mu.Unlock()
			done++
			switch {
			case ctx.Err() != nil:
				return nil // the row says that the mutant was not run
			case err != nil:
				rows[i].Trouble, troubles[i] = err.Error(), err
			default:
				rows[i] = row
			}
			c.Progress(fmt.Sprintf("%d of %d: %s", done, len(rows), rows[i]))
			return nil
		})
	}
	return errors.Join(group.Wait(), errors.Join(troubles...), ctx.Err())
}

// HuntClean hunts the reference without a mutant. Each finding there is a false alarm.
func (c Campaign) HuntClean(ctx context.Context, runs int) (Hunted, error) {
	c.Progress("building the reference without a mutant")
	program, err := c.Workshop.Build(ctx, Hunter, "clean", nil)
	if err != nil {
		return Hunted{}, err
	}
	c.Progress(fmt.Sprintf("%d runs of the reference without a mutant", runs))
	return c.Workshop.Hunt(ctx, program, Order{Strategy: Suites, Seed: c.Seed, RunsMax: runs, Minimize: minimizeMax})
}

// one() hunts a single mutant: it builds the mutant, and runs the hunter with each strategy.
func (c Campaign) one(ctx context.Context, m Mutant) (Row, error) {
	row, began := Row{Mutant: m}, time.Now()
	program, err := c.Workshop.Build(ctx, Hunter, m.ID, &m)
	if err != nil {
		return row, err
	}
	row.Built = time.Since(began)
	for i, strategy := range c.Strategies {
		order := Order{Strategy: strategy, Seed: c.Seed, RunsMax: c.RunsMax, Wanted: m.Requirements}
		if i == 0 {
			order.Minimize = minimizeMax
		}
		if !slices.Contains(Own(), strategy) {
			order.RunsMax = min(c.RunsMax, comparedMax)
		}
		hunted, err := c.Workshop.Hunt(ctx, program, order)
		if err != nil {
			return row, fmt.Errorf("mutant %s: %w", m.ID, err)
		}
		row.Hunts = append(row.Hunts, Hunt{strategy, hunted.Found, hunted.Runs, hunted.CPU})
		if i == 0 && hunted.Found {
			row.Finding, row.Unnamed, row.Stage = hunted.Finding, hunted.Unnamed, hunted.Stage
			if err := c.keepSmallest(ctx, &row, hunted.Cases); err != nil {
				return row, fmt.Errorf("mutant %s: %w", m.ID, err)
			}
		}
	}
	return row, os.Remove(program)
}

// keepSmallest saves the smallest case that passes on the reference without a mutant. Such a case
// shows only the mistake of this mutant.
func (c Campaign) keepSmallest(ctx context.Context, row *Row, cases []explore.Case) error {
	for _, smallest := range slices.Backward(cases) {
		place, err := reference.ParseStorage(smallest.Storage)
		if err != nil {
			return err
		}
		result := explore.Campaign{Target: reference.Simulated{Storage: place}, Timeout: time.Minute}.RunOne(ctx, smallest.Seed, smallest.Scenario)
		if result.Verdict != oracle.Pass {
			continue
		}
		row.Events = len(smallest.Scenario.Steps)
		row.Case, err = smallest.WriteAs(c.Cases, row.ID)
		return err
	}
	return fmt.Errorf("the reference without a mutant fails each of the %d cases that show the mistake", len(cases))
}
