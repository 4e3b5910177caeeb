package power

import (
	"slices"
	"time"
)

// Summary is how a strategy fared with all mutants that can be found, but for the canary.
// Of one that was not found the hunt counts with what it took without: its figures are too
// small then.
type Summary struct {
	Strategy Strategy
	Found    int
	Of       int
	Runs     Quantiles[int]
	CPU      Quantiles[time.Duration]
}

// Quantiles are those of a figure.
type Quantiles[T int | time.Duration] struct {
	Median, P95, Max    T
	MedianMore, P95More bool // it is that of a hunt that found nothing, and might be any more
}

// Summaries returns that of each strategy, in the order in which they hunted.
func (m Matrix) Summaries() []Summary {
	var all []Summary
	if len(m.Rows) == 0 {
		return nil
	}
	for i, hunt := range m.Rows[0].Hunts {
		s := Summary{Strategy: hunt.Strategy}
		var hunts []Hunt
		for _, row := range m.Rows {
			if row.ID == Canary || row.Equivalent != "" {
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

// EventsMedian is the median of how many steps the smallest cases have.
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
