package task

import (
	"fmt"
	"math"
	"time"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
)

// Flow control of a channel.
const (
	creditMax    = 32            // the number of records that may be under way on a channel
	creditReturn = creditMax / 2 // the number of records that are consumed before their credit is returned
)

// gate is the receiving end of all channels of a subtask. It handles one checkpoint at a time, from
// the first barrier until the barrier has arrived on every channel.
//
// With an aligned barrier, the records behind the barrier on one channel wait until the barrier has
// arrived on all channels. With an overtaking barrier nothing waits. The unprocessed records before
// the barrier become part of the checkpoint.
type gate struct {
	channels    []channel
	atLeastOnce bool // whether records behind a barrier do not wait
	arrivals    uint64
	last        int64 // id of the newest checkpoint that was taken or aborted; barriers of this checkpoint and of earlier ones are stale
	aligning    *alignment
}

// channel is a channel from one subtask upstream.
type channel struct {
	edge      int
	from      environment.Address
	received  uint64
	consumed  int // number of records consumed since credit was returned last
	queue     []queued
	arrived   bool // whether the barrier of the current checkpoint has arrived
	ended     bool
	watermark int64
}

// queued is an element that is not processed yet.
type queued struct {
	element protocol.Element
	arrival uint64
}

// alignment is a checkpoint whose barrier has arrived on some channels.
type alignment struct {
	barrier   protocol.Barrier
	since     time.Duration
	overtaken bool                // the barrier was sent on; records that come before it on other channels are captured
	inFlight  [][]dataflow.Record // the captured records of each channel
}

func newGate(inputs []protocol.Input, atLeastOnce bool) *gate {
	g := &gate{channels: make([]channel, len(inputs)), atLeastOnce: atLeastOnce}
	for i, input := range inputs {
		g.channels[i].edge, g.channels[i].watermark = input.Edge, math.MinInt64
	}
	return g
}

// push queues an element from upstream.
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

// announce notes a barrier when it is received. It says whether the barrier must wait in the queue
// of its channel.
func (g *gate) announce(now time.Duration, in *channel, barrier protocol.Barrier) bool {
	if barrier.Checkpoint <= g.last && (g.aligning == nil || barrier.Checkpoint != g.aligning.barrier.Checkpoint) {
		return false // the barrier is stale
	}
	if g.aligning == nil {
		g.aligning = &alignment{barrier: barrier, since: now}
	}
	if g.aligning.overtaken && barrier.Checkpoint == g.aligning.barrier.Checkpoint {
		in.arrived = true
		return false
	}
	if barrier.Unaligned && barrier.Checkpoint == g.aligning.barrier.Checkpoint {
		g.aligning.barrier.Unaligned = true // the alignment has timed out upstream
	}
	return true
}

// next takes the oldest element that does not have to wait. It never returns a barrier, but notes
// the arrival of the barrier.
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
			return protocol.Element{}, 0, false // the checkpoint must be taken before the next record
		}
	}
}

// waits says whether the elements of a channel wait for the barrier on other channels.
func (g *gate) waits(in *channel) bool {
	return in.arrived && !g.atLeastOnce && g.aligning != nil && !g.aligning.overtaken
}

// arrive notes that a barrier has reached the head of its channel.
func (g *gate) arrive(now time.Duration, in *channel, barrier protocol.Barrier) {
	if barrier.Checkpoint <= g.last {
		return // the barrier is stale
	}
	if g.aligning == nil || barrier.Checkpoint > g.aligning.barrier.Checkpoint {
		// The earlier checkpoint was aborted. The message that says so has not arrived yet.
		g.reset()
		g.aligning = &alignment{barrier: barrier, since: now}
	}
	in.arrived = barrier.Checkpoint == g.aligning.barrier.Checkpoint
}

// aligned says whether the barrier has arrived on every channel that has not ended.
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

// overtakes says whether the waiting barrier must overtake records now.
func (g *gate) overtakes(now time.Duration) bool {
	a := g.aligning
	if a == nil || a.overtaken {
		return false
	}
	return a.barrier.Unaligned || (a.barrier.AlignmentTimeout > 0 && now >= a.since+a.barrier.AlignmentTimeout)
}

// overtake lets the barrier overtake all waiting records. It captures the records before the
// barrier. push captures the records that arrive later, but before the barrier on the same channel.
func (g *gate) overtake() {
	a := g.aligning
	a.overtaken, a.barrier.Unaligned = true, true
	a.inFlight = make([][]dataflow.Record, len(g.channels))
	for i := range g.channels {
		in := &g.channels[i]
		if in.arrived {
			continue // the waiting records of this channel are behind the barrier
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

// done ends the alignment. It is called when the checkpoint is taken.
func (g *gate) done() {
	g.last = g.aligning.barrier.Checkpoint
	g.reset()
}

// abort ends the alignment of an aborted checkpoint. Records that waited for its barrier continue.
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

// ended says whether all channels have ended.
func (g *gate) ended() bool {
	for i := range g.channels {
		if !g.channels[i].ended {
			return false
		}
	}
	return true
}

// watermark returns the earliest watermark of all channels that have not ended.
func (g *gate) watermark() int64 {
	earliest := int64(math.MaxInt64)
	for i := range g.channels {
		if !g.channels[i].ended {
			earliest = min(earliest, g.channels[i].watermark)
		}
	}
	return earliest
}

// consume notes that a record is processed. It returns credit to the sender, for several records at
// a time.
func (g *gate) consume(env environment.Environment, number int) {
	in := &g.channels[number]
	if in.consumed++; in.consumed < creditReturn {
		return
	}
	env.Send(in.from, protocol.Credit{Records: in.consumed})
	in.consumed = 0
}
