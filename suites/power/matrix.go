package power

import (
	"fmt"
	"slices"
	"time"
)

// MatrixSchema names the format of a kill matrix.
const MatrixSchema = "snapback/mutants/1"

// Matrix is the result of a campaign.
type Matrix struct {
	Schema string `json:"schema"`
	Seed   uint64 `json:"seed"`
	Clean  int    `json:"clean_runs"` // number of runs without a mutant; they had no finding
	Rows   []Row  `json:"mutants"`    // the canary comes first
}

// Row is the result of one mutant.
type Row struct {
	Mutant
	Hunts   []Hunt        `json:"hunts"`             // one hunt for each strategy; the first strategy is Snapback's own
	Trouble string        `json:"trouble,omitempty"` // why there is no result, such as a mutant that does not compile; empty: there is one
	Finding Finding       `json:"finding"`           // the finding of the first hunt
	Unnamed bool          `json:"unnamed,omitempty"` // whether the mutant does not name the requirement of that finding
	Stage   string        `json:"stage,omitempty"`   // the part of the strategy that had this finding
	Events  int           `json:"events,omitempty"`  // number of steps of the smallest case
	Case    string        `json:"case,omitempty"`    // name of the file with the smallest case
	Built   time.Duration `json:"build_ns"`
}

// Hunt is the result of one strategy for one mutant.
type Hunt struct {
	Strategy Strategy      `json:"strategy"`
	Found    bool          `json:"found"`
	Runs     int           `json:"runs"`   // number of runs until the finding; without a finding, number of all runs
	CPU      time.Duration `json:"cpu_ns"` // processor time until the finding; without a finding, of all runs
}

// Killed says whether Snapback's own suites found the mutant.
func (r Row) Killed() bool { return r.Hunts[0].Found }

// Expected says whether the result is as it must be: the mutant was found, or it is equivalent and
// was not found.
func (r Row) Expected() bool { return r.Trouble == "" && r.Killed() == (r.Equivalent == "") }

func (r Row) String() string {
	own := r.Hunts[0]
	switch {
	case r.Trouble != "":
		return fmt.Sprintf("%s: NO RESULT: %s", r.ID, r.Trouble)
	case !own.Found && r.Equivalent != "":
		return fmt.Sprintf("%s is equivalent, and was not found in %d runs", r.ID, own.Runs)
	case !own.Found:
		return fmt.Sprintf("%s SURVIVED %d runs, %.1fs", r.ID, own.Runs, own.CPU.Seconds())
	case r.Equivalent != "":
		return fmt.Sprintf("%s IS NOT EQUIVALENT: found by %s (%s) after %d runs", r.ID, r.Finding.Requirement, r.Stage, own.Runs)
	}
	text := fmt.Sprintf("%s found by %s (%s) after %d runs, %.2fs; %d events", r.ID, r.Finding.Requirement, r.Stage, own.Runs, own.CPU.Seconds(), r.Events)
	if r.Unnamed {
		text += "; its header does not name " + r.Finding.Requirement
	}
	return text
}

// Wrong lists the mutants with an unexpected result.
func (m Matrix) Wrong() []string {
	var ids []string
	for _, row := range m.Rows {
		if !row.Expected() {
			ids = append(ids, row.ID)
		}
	}
	return ids
}

// Summary is the result of one strategy for all mutants that can be found, except the canary. The
// numbers include the runs and the time that were spent on mutants that were not found. More runs
// and more time would be needed to find these mutants.
type Summary struct {
	Strategy Strategy
	Found    int
	Of       int
	Runs     Quantiles[int]
	CPU      Quantiles[time.Duration]
}

// Quantiles describe how one figure is distributed over all hunts.
type Quantiles[T int | time.Duration] struct {
	Median, P95, Max    T
	MedianMore, P95More bool // true if this figure comes from a hunt without a finding; then the true figure is higher
}

// Summaries returns a summary for each strategy, in the order of [Row.Hunts].
func (m Matrix) Summaries() []Summary {
	var all []Summary
	if len(m.Rows) == 0 {
		return nil
	}
	for i, hunt := range m.Rows[0].Hunts {
		s := Summary{Strategy: hunt.Strategy}
		var hunts []Hunt
		for _, row := range m.Rows {
			if row.ID == Canary || row.Equivalent != "" || row.Trouble != "" {
				continue
			}
			hunts = append(hunts, row.Hunts[i])
			if row.Hunts[i].Found {
				s.Found++
			}
		}
		s.Of = len(hunts)
		s.Runs = quantiles(hunts, func(h Hunt) int { return h.Runs })
		s.CPU = quantiles(hunts, func(h Hunt) time.Duration { return h.CPU })
		all = append(all, s)
	}
	return all
}

// EventsMedian returns the median number of steps in the smallest cases. It leaves out the case of
// the canary.
func (m Matrix) EventsMedian() int {
	var events []int
	for _, row := range m.Rows {
		if row.Killed() && row.ID != Canary {
			events = append(events, row.Events)
		}
	}
	if len(events) == 0 {
		return 0
	}
	slices.Sort(events)
	return events[len(events)/2]
}

func quantiles[T int | time.Duration](hunts []Hunt, figure func(Hunt) T) (q Quantiles[T]) {
	if len(hunts) == 0 {
		return q
	}
	sorted := slices.Clone(hunts)
	slices.SortStableFunc(sorted, func(a, b Hunt) int {
		if a.Found != b.Found {
			if a.Found {
				return -1
			}
			return 1
		}
		return int(figure(a) - figure(b))
	})
	at := func(share int) Hunt { return sorted[min(len(sorted)-1, len(sorted)*share/100)] }
	q.Median, q.MedianMore = figure(at(50)), !at(50).Found
	q.P95, q.P95More = figure(at(95)), !at(95).Found
	for _, h := range hunts {
		q.Max = max(q.Max, figure(h))
	}
	return q
}
