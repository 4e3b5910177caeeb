package simulation

import (
	"time"

	"github.com/snapback/snapback/reference/environment"
)

// event is one of two things. If envelope is not nil, a message arrives at a task. Otherwise, a
// wait of the task ends.
type event struct {
	at       time.Duration
	tie      uint32 // a random number that decides the order of waits that end at the same time
	order    uint64
	to       environment.Address
	envelope *environment.Envelope
	wait     uint64
}

// queue is a heap of events. The heap holds only small entries of type place, so that it is cheap
// to swap two entries. The events themselves stay in one place until they are taken.
type queue struct {
	heap   []place
	events []event
	free   []int32 // the indexes in events that can be used again
}

// place is an entry of the heap.
type place struct {
	at    time.Duration
	order uint64
	tie   uint32
	event int32 // index in events
}

func (a place) before(b place) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	if a.tie != b.tie {
		return a.tie < b.tie
	}
	return a.order < b.order
}

func (q *queue) push(e event) {
	at := int32(len(q.events))
	if n := len(q.free); n > 0 {
		at, q.free = q.free[n-1], q.free[:n-1]
		q.events[at] = e
	} else {
		q.events = append(q.events, e)
	}
	q.heap = append(q.heap, place{e.at, e.order, e.tie, at})
	for child := len(q.heap) - 1; child > 0; {
		parent := (child - 1) / 2
		if !q.heap[child].before(q.heap[parent]) {
			break
		}
		q.heap[child], q.heap[parent] = q.heap[parent], q.heap[child]
		child = parent
	}
}

func (q *queue) pop() event {
	first := q.heap[0]
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap = q.heap[:last]
	for parent := 0; ; {
		least := parent
		for child := 2*parent + 1; child <= 2*parent+2 && child < last; child++ {
			if q.heap[child].before(q.heap[least]) {
				least = child
			}
		}
		if least == parent {
			break
		}
		q.heap[least], q.heap[parent] = q.heap[parent], q.heap[least]
		parent = least
	}
	taken := q.events[first.event]
	q.events[first.event] = event{}
	q.free = append(q.free, first.event)
	return taken
}
