package task

import (
	"fmt"
	"math"
	"time"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
)

// Records that may be under way on a channel, and how many are consumed before their
// credit is given back.
const (
	creditMax    = 32
	creditReturn = creditMax / 2
)

// gate is the receiving end of all channels of a subtask. It knows one checkpoint at a
// time: the one whose barrier has come on some channels and not yet on all.
//
// Aligned, what follows the barrier on one channel waits until it has come on all.
// Overtaking, nothing waits: what was before the barrier, and has not been processed,
// becomes part of the checkpoint.
type gate struct {
	channels    []channel
	atLeastOnce bool // nothing waits, and nothing is kept
	arrivals    uint64
	last        int64 // newest checkpoint that was taken or given up: older barriers are stale
	aligning    *alignment
}

type channel struct {
	edge      int
	from      environment.Address
	received  uint64
	consumed  int // records since credit was last returned
	queue     []queued
	arrived   bool // the barrier has
	ended     bool
	watermark int64
}

type queued struct {
	element protocol.Element
	arrival uint64
}

// alignment is a checkpoint whose barrier has come on some channels.
type alignment struct {
	barrier   protocol.Barrier
	since     time.Duration
	overtaken bool                // the barrier went on, and late channels are recorded
	inFlight  [][]dataflow.Record // by channel
}

func newGate(inputs []protocol.Input, atLeastOnce bool) *gate {
	g := &gate{channels: make([]channel, len(inputs)), atLeastOnce: atLeastOnce}
	for i, input := range inputs {
		g.channels[i].edge, g.channels[i].watermark = input.Edge, math.MinInt64
	}
	return g
}

// push takes an element from upstream.
func (g *gate) push(now time.Duration, from environment.Address, data protocol.Data) error {
	if data.Channel < 0 || data.Channel >= len(g.channels) {
		return fmt.Errorf("got an element on channel %d of %d", data.Channel, len(g.channels))
	}
	in := &g.channels[data.Channel]
	in.from = from
	if in.received++; data.Number != in.received {
		return fmt.Errorf("want element %d on channel %d, got %d: the network lost some", in.received, data.Channel, data.Number)
	}
	if barrier := data.Element.Barrier; barrier != nil && !g.announce(now, in, *barrier) {
		return nil
	}
	g.arrivals++
	in.queue = append(in.queue, queued{data.Element, g.arrivals})
	if a := g.aligning; a != nil && a.overtaken && !in.arrived && data.Element.IsRecord() {
		a.inFlight[data.Channel] = append(a.inFlight[data.Channel], data.Element.Record)
	}
	return nil
}

// announce notes a barrier as it comes in, and says whether it has to wait in its
// channel's queue.
func (g *gate) announce(now time.Duration, in *channel, barrier protocol.Barrier) bool {
	if barrier.Checkpoint <= g.last && (g.aligning == nil || barrier.Checkpoint != g.aligning.barrier.Checkpoint) {
		return false // stale
	}
	if g.aligning == nil {
		g.aligning = &alignment{barrier: barrier, since: now}
	}
	if g.aligning.overtaken && barrier.Checkpoint == g.aligning.barrier.Checkpoint {
		in.arrived = true
		return false
	}
	if barrier.Unaligned && barrier.Checkpoint == g.aligning.barrier.Checkpoint {
		g.aligning.barrier.Unaligned = true // upstream had waited long enough
	}
	return true
}

// next takes the element that came first among those that need not wait. A barrier is
// never returned: it is noted.
func (g *gate) next(now time.Duration) (element protocol.Element, from int, ok bool) {
	for {
		from = -1
		for i := range g.channels {
			in := &g.channels[i]
			if len(in.queue) == 0 || g.waits(in) {
				continue
			}
			if from < 0 || in.queue[0].arrival < g.channels[from].queue[0].arrival {
				from = i
			}
		}
		if from < 0 {
			return protocol.Element{}, 0, false
		}
		in := &g.channels[from]
		element = in.queue[0].element
		in.queue = in.queue[1:]
		if element.Barrier == nil {
			return element, from, true
		}
		g.arrive(now, in, *element.Barrier)
		if g.aligned() {
			return protocol.Element{}, 0, false // the checkpoint comes before the next record
		}
	}
}

func (g *gate) waits(in *channel) bool {
	return in.arrived && !g.atLeastOnce && g.aligning != nil && !g.aligning.overtaken
}

// arrive notes that a barrier has come to the head of its channel.
func (g *gate) arrive(now time.Duration, in *channel, barrier protocol.Barrier) {
	if barrier.Checkpoint <= g.last {
		return // stale
	}
	if g.aligning == nil || barrier.Checkpoint > g.aligning.barrier.Checkpoint {
		// Of the earlier one no more comes: it was given up, and we have not heard yet.
		g.reset()
		g.aligning = &alignment{barrier: barrier, since: now}
	}
	in.arrived = barrier.Checkpoint == g.aligning.barrier.Checkpoint
}

// aligned says whether the barrier has come on every channel that may still bring
// records.
func (g *gate) aligned() bool {
	if g.aligning == nil {
		return false
	}
	arrived := false
	for i := range g.channels {
		if !g.channels[i].arrived && !g.channels[i].ended {
			return false
		}
		arrived = arrived || g.channels[i].arrived
	}
	return arrived || g.aligning.overtaken
}

// overtakes says whether the barrier that waits is to overtake records by now.
func (g *gate) overtakes(now time.Duration) bool {
	a := g.aligning
	if a == nil || a.overtaken {
		return false
	}
	return a.barrier.Unaligned || (a.barrier.AlignmentTimeout > 0 && now >= a.since+a.barrier.AlignmentTimeout)
}

// overtake lets the barrier pass everything that waits before it. The records before
// it are recorded, and those still to come.
func (g *gate) overtake() {
	a := g.aligning
	a.overtaken, a.barrier.Unaligned = true, true
	a.inFlight = make([][]dataflow.Record, len(g.channels))
	for i := range g.channels {
		in := &g.channels[i]
		if in.arrived {
			continue // what waits came after the barrier
		}
		for at, q := range in.queue {
			if q.element.Barrier != nil && q.element.Barrier.Checkpoint == a.barrier.Checkpoint {
				in.queue = append(in.queue[:at:at], in.queue[at+1:]...)
				in.arrived = true
				break
			}
			if q.element.IsRecord() {
				a.inFlight[i] = append(a.inFlight[i], q.element.Record)
			}
		}
	}
	g.last = a.barrier.Checkpoint
}

// done ends the alignment: the checkpoint was taken.
func (g *gate) done() {
	g.last = g.aligning.barrier.Checkpoint
	g.reset()
}

// abort forgets a checkpoint that was given up. What waited for its barrier goes on.
func (g *gate) abort(checkpoint int64) {
	if g.aligning != nil && g.aligning.barrier.Checkpoint == checkpoint {
		g.reset()
	}
	g.last = max(g.last, checkpoint)
}

func (g *gate) reset() {
	g.aligning = nil
	for i := range g.channels {
		g.channels[i].arrived = false
	}
}

// ended says whether no channel brings records any more.
func (g *gate) ended() bool {
	for i := range g.channels {
		if !g.channels[i].ended {
			return false
		}
	}
	return true
}

// watermark is the earliest of all channels.
func (g *gate) watermark() int64 {
	earliest := int64(math.MaxInt64)
	for i := range g.channels {
		if !g.channels[i].ended {
			earliest = min(earliest, g.channels[i].watermark)
		}
	}
	return earliest
}

// consume gives a record's credit back to its sender, several at a time.
func (g *gate) consume(env environment.Environment, number int) {
	in := &g.channels[number]
	if in.consumed++; in.consumed < creditReturn {
		return
	}
	env.Send(in.from, protocol.Credit{Records: in.consumed})
	in.consumed = 0
}
