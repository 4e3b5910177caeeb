package power

import (
	"context"
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

// minimizeMax is how many smaller scenarios are tried for a finding.
const minimizeMax = 300

// comparedMax bounds the runs of the strategies that ours is compared with: what they do not
// find they would look for longest.
const comparedMax = 200

// cleanMax is how many runs are made of the reference as it is, before there is anything
// in it to be found.
const cleanMax = 300

// Campaign has mutants hunted, several at a time.
type Campaign struct {
	Workshop   Workshop
	Cases      string     // directory for the smallest
	Strategies []Strategy // the first is Snapback's own
	Seed       uint64
	RunsMax    int
	Parallel   int
	Progress   func(string) // one at a time
}

// MatrixSchema names the format of a kill matrix.
const MatrixSchema = "snapback/mutants/1"

// Matrix is what became of the mutants.
type Matrix struct {
	Schema string `json:"schema"`
	Seed   uint64 `json:"seed"`
	Clean  int    `json:"clean_runs"` // without a finding
	Rows   []Row  `json:"mutants"`
}

// Row is what became of one mutant.
type Row struct {
	Mutant
	Hunts   []Hunt        `json:"hunts"`            // by strategy; the first is Snapback's own
	Finding Finding       `json:"finding"`          // of that
	Stage   string        `json:"stage,omitempty"`  // in which it was found
	Events  int           `json:"events,omitempty"` // steps of the smallest case
	Case    string        `json:"case,omitempty"`   // its file
	Built   time.Duration `json:"build_ns"`
}

// Hunt is how one strategy fared.
type Hunt struct {
	Strategy Strategy      `json:"strategy"`
	Found    bool          `json:"found"`
	Runs     int           `json:"runs"`   // to the finding, or without one
	CPU      time.Duration `json:"cpu_ns"` // likewise
}

// Killed says whether Snapback's own suites found it.
func (r Row) Killed() bool { return r.Hunts[0].Found }

// AsItMust says whether what became of it is what must: it was found or, where that cannot
// be, it was not.
func (r Row) AsItMust() bool { return r.Killed() == (r.Equivalent == "") }

// Wrong are the ids of those of which something else became.
func (m Matrix) Wrong() []string {
	var ids []string
	for _, row := range m.Rows {
		if !row.AsItMust() {
			ids = append(ids, row.ID)
		}
	}
	return ids
}

// Run hunts the reference as it is, in which nothing must be found, then the canary, which
// must be, then the others: all but the canary, should it be among them.
func (c Campaign) Run(ctx context.Context, canary Mutant, all []Mutant) (Matrix, error) {
	all = slices.DeleteFunc(slices.Clone(all), func(m Mutant) bool { return m.ID == Canary })
	matrix := Matrix{Schema: MatrixSchema, Seed: c.Seed, Rows: make([]Row, len(all)+1)}
	hunted, err := c.HuntClean(ctx, cleanMax)
	if err != nil {
		return matrix, err
	}
	if hunted.Found {
		return matrix, fmt.Errorf("the suites find something in the reference as it is, so that what they find in mutants says nothing: %s: %s",
			hunted.Finding.Requirement, hunted.Finding.Problem)
	}
	matrix.Clean = hunted.Runs
	if matrix.Rows[0], err = c.one(ctx, canary); err != nil {
		return matrix, err
	}
	if !matrix.Rows[0].Killed() {
		return matrix, fmt.Errorf("mutant %s was not found, which any suite has to find: what is not found in others says nothing", canary.ID)
	}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(max(1, c.Parallel))
	var mu sync.Mutex
	done := 0
	for i, m := range all {
		group.Go(func() error {
			row, err := c.one(within, m)
			mu.Lock()
			defer mu.Unlock()
			done++
			if err == nil {
				matrix.Rows[i+1] = row
				c.Progress(fmt.Sprintf("%d of %d: %s", done, len(all), row))
			}
			return err
		})
	}
	return matrix, group.Wait()
}

func (r Row) String() string {
	own := r.Hunts[0]
	switch {
	case !own.Found && r.Equivalent != "":
		return fmt.Sprintf("%s not found in %d runs, as it must: it is equivalent", r.ID, own.Runs)
	case !own.Found:
		return fmt.Sprintf("%s SURVIVED %d runs, %.1fs", r.ID, own.Runs, own.CPU.Seconds())
	case r.Equivalent != "":
		return fmt.Sprintf("%s IS NOT EQUIVALENT: found by %s (%s) after %d runs", r.ID, r.Finding.Requirement, r.Stage, own.Runs)
	}
	return fmt.Sprintf("%s found by %s (%s) after %d runs, %.2fs; %d events", r.ID, r.Finding.Requirement, r.Stage, own.Runs, own.CPU.Seconds(), r.Events)
}

// HuntClean hunts where there is nothing to be found.
func (c Campaign) HuntClean(ctx context.Context, runs int) (Hunted, error) {
	c.Progress("building the reference as it is")
	program, err := c.Workshop.Build(ctx, Hunter, "clean", nil)
	if err != nil {
		return Hunted{}, err
	}
	c.Progress(fmt.Sprintf("%d runs of the reference as it is", runs))
	return c.Workshop.Hunt(ctx, program, Order{Strategy: Suites, Seed: c.Seed, RunsMax: runs, Minimize: minimizeMax})
}

// one builds a mutant and has it hunted.
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
		} else {
			order.RunsMax = min(c.RunsMax, comparedMax)
		}
		hunted, err := c.Workshop.Hunt(ctx, program, order)
		if err != nil {
			return row, fmt.Errorf("mutant %s: %w", m.ID, err)
		}
		row.Hunts = append(row.Hunts, Hunt{strategy, hunted.Found, hunted.Runs, hunted.CPU})
		if i == 0 && hunted.Found {
			row.Finding, row.Stage = hunted.Finding, hunted.Stage
			if err := c.keepSmallest(ctx, &row, hunted.Cases); err != nil {
				return row, fmt.Errorf("mutant %s: %w", m.ID, err)
			}
		}
	}
	return row, os.Remove(program)
}

// keepSmallest saves the smallest case that the reference as it is passes: one that shows
// the mistake, and nothing else.
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
	return fmt.Errorf("the reference as it is passes none of the %d cases that show it", len(cases))
}
