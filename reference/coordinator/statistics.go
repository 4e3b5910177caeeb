package coordinator

import (
	"slices"
	"time"

	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
)

// statisticsMax is the number of checkpoints for which the statistics keep separate figures: the
// latest complete checkpoints.
const statisticsMax = 10

// statistics counts the checkpoints of a job.
type statistics struct{ total protocol.Statistics }

func newStatistics() statistics {
	return statistics{protocol.Statistics{Reasons: map[string]int{}}}
}

// fail counts an aborted checkpoint.
func (s *statistics) fail(reason abortReason) {
	s.total.Failed++
	s.total.Reasons[string(reason)]++
}

// complete counts a complete checkpoint and keeps its figures.
func (s *statistics) complete(p *pending, done storage.Completed, now time.Duration) {
	one := protocol.CheckpointStatistics{ID: p.id, Path: done.Pointer(), Took: now - p.begun}
	for reference := range done.Checkpoint.References() {
		one.Bytes += storage.SizeOf(reference.Stream)
	}
	for _, handles := range p.states { // the map has no order, but the order does not change a sum
		for _, channel := range slices.Concat(handles.Inputs, handles.Outputs) {
			one.InFlight += channel.Size
		}
	}
	s.total.Completed++
	s.total.Latest = append(s.total.Latest, one)
	if len(s.total.Latest) > statisticsMax {
		s.total.Latest = slices.Clone(s.total.Latest[1:])
	}
}

// report returns the figures of the job's checkpoints. The parameter `inProgress` is the number of
// checkpoints in progress.
func (s *statistics) report(inProgress int) protocol.Statistics {
	all := s.total
	all.InProgress = inProgress
	return all
}
