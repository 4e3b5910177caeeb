package task

import (
	"fmt"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
)

// Records that may be under way on a channel, and how many are consumed before
// their credit is given back.
const (
	creditMax    = 128
	creditReturn = creditMax / 2
)

// output is the sending end of a channel.
type output struct {
	env     environment.Environment
	to      environment.Address
	channel int // at the receiver
	sent    uint64
	credit  int
}

func (o *output) send(element protocol.Data) {
	o.sent++
	element.Channel, element.Number = o.channel, o.sent
	o.env.Send(o.to, element)
}

// gate is the receiving end of all channels. It aligns barriers: what follows a
// barrier on one channel waits until the barrier has come on all.
type gate struct {
	channels []channel
	arrived  int // channels on which the barrier has come
	barrier  protocol.Barrier
}

type channel struct {
	from     environment.Address
	received uint64
	consumed int // records since credit was last returned
	blocked  bool
	held     []protocol.Data
}

func newGate(inputs int) *gate { return &gate{channels: make([]channel, inputs)} }

// push takes an element from upstream and returns those that may now be handled,
// in order. A barrier is among them once, when it has come on every channel.
func (g *gate) push(from environment.Address, element protocol.Data) ([]protocol.Data, error) {
	if element.Channel < 0 || element.Channel >= len(g.channels) {
		return nil, fmt.Errorf("got an element on channel %d of %d", element.Channel, len(g.channels))
	}
	in := &g.channels[element.Channel]
	in.from = from
	if in.received++; element.Number != in.received {
		return nil, fmt.Errorf("want element %d on channel %d, got %d: the network lost some", in.received, element.Channel, element.Number)
	}
	in.held = append(in.held, element)
	return g.release(element.Channel)
}

// release takes what is held on a channel up to its next barrier and, where that
// completes the alignment, goes on with the other channels.
func (g *gate) release(number int) ([]protocol.Data, error) {
	var released []protocol.Data
	in := &g.channels[number]
	for len(in.held) > 0 && !in.blocked {
		element := in.held[0]
		in.held = in.held[1:]
		if element.Barrier.Checkpoint == 0 {
			released = append(released, element)
			continue
		}
		aligned, err := g.align(in, element.Barrier)
		if err != nil {
			return nil, err
		}
		if !aligned {
			break
		}
		released = append(released, element)
		for i := range g.channels {
			more, err := g.release(i)
			if err != nil {
				return nil, err
			}
			released = append(released, more...)
		}
	}
	return released, nil
}

// align notes a barrier, and says whether it has now come on every channel.
func (g *gate) align(in *channel, barrier protocol.Barrier) (bool, error) {
	if g.arrived > 0 && barrier.Checkpoint != g.barrier.Checkpoint {
		return false, fmt.Errorf("want the barrier of checkpoint %d, got that of %d", g.barrier.Checkpoint, barrier.Checkpoint)
	}
	g.barrier, in.blocked = barrier, true
	if g.arrived++; g.arrived < len(g.channels) {
		return false, nil
	}
	g.arrived = 0
	for i := range g.channels {
		g.channels[i].blocked = false
	}
	return true, nil
}

// consumed gives a record's credit back to its sender, several at a time.
func (g *gate) consumed(env environment.Environment, number int) {
	in := &g.channels[number]
	if in.consumed++; in.consumed < creditReturn {
		return
	}
	env.Send(in.from, protocol.Credit{Records: in.consumed})
	in.consumed = 0
}
