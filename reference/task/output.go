package task

import (
	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
)

// output is the sending end of an edge. It has a channel to each subtask downstream.
type output struct {
	env          environment.Environment
	partitioning dataflow.Partitioning
	groups       int
	channels     []outChannel
}

// outChannel is a channel to one subtask downstream. It holds elements back while there is no
// credit, which is the permission of the receiver to send more records. An element can always be
// added, but a subtask consumes nothing while an output holds elements back.
type outChannel struct {
	to     environment.Address
	number int // the number of the channel among the receiver's inputs
	sent   uint64
	credit int
	held   []protocol.Element
}

func newOutput(env environment.Environment, o protocol.Output, groups int) *output {
	made := &output{env: env, partitioning: o.Partitioning, groups: groups}
	for _, to := range o.To {
		made.channels = append(made.channels, outChannel{to: to, number: o.Channel, credit: creditMax})
	}
	return made
}

// emit sends a record to the subtasks downstream that the partitioning selects.
func (o *output) emit(record dataflow.Record) {
	element := protocol.Element{Record: record}
	switch o.partitioning {
	case dataflow.ByKey:
		o.put(&o.channels[dataflow.SubtaskOf(record.Key, len(o.channels), o.groups)], element)
	default: // forward has only one channel; broadcast uses all
		o.all(element)
	}
}

// all sends an element on every channel, behind the elements that are held back.
func (o *output) all(element protocol.Element) {
	for i := range o.channels {
		o.put(&o.channels[i], element)
	}
}

func (o *output) put(c *outChannel, element protocol.Element) {
	c.held = append(c.held, element)
	o.flush(c)
}

// flush sends elements that are held back, as long as there is credit. Only records need credit.
func (o *output) flush(c *outChannel) {
	for len(c.held) > 0 {
		first := c.held[0]
		if first.IsRecord() {
			if c.credit == 0 {
				return
			}
			c.credit--
		}
		c.held = c.held[1:]
		o.send(c, first)
	}
	c.held = nil
}

func (o *output) send(c *outChannel, element protocol.Element) {
	c.sent++
	o.env.Send(c.to, protocol.Data{Channel: c.number, Number: c.sent, Element: element})
}

// overtake sends a barrier before the elements that are held back, and returns the records among
// them, by channel. If the edge does not partition by key, the barrier overtakes nothing.
func (o *output) overtake(barrier protocol.Barrier) [][]dataflow.Record {
	if o.partitioning != dataflow.ByKey {
		o.all(protocol.Element{Barrier: &barrier})
		return nil
	}
	overtaken := make([][]dataflow.Record, len(o.channels))
	for i := range o.channels {
		c := &o.channels[i]
		for _, element := range c.held {
			if element.IsRecord() {
				overtaken[i] = append(overtaken[i], element.Record)
			}
		}
		o.send(c, protocol.Element{Barrier: &barrier})
	}
	return overtaken
}

// room returns false if elements are held back on a channel of this output.
func (o *output) room() bool {
	for i := range o.channels {
		if len(o.channels[i].held) > 0 {
			return false
		}
	}
	return true
}

// credited adds credit for a receiver. It returns false if this edge has no channel to the
// receiver.
func (o *output) credited(from environment.Address, records int) bool {
	for i := range o.channels {
		if c := &o.channels[i]; c.to == from {
			c.credit += records
			o.flush(c)
			return true
		}
	}
	return false
}
