package operators

import (
	"fmt"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/state"
)

// Lengths of event time, in milliseconds.
const (
	eventStep  = 10  // the time between two records of a split
	eventDelay = 50  // a record is late by less than this
	windowSize = 100 // length of a window
)

// windows counts and sums the records of each key in tumbling windows of event time. Records arrive
// out of order. A timer fires at the end of each window.
func windows(p Parameters) dataflow.Graph {
	graph := pipeline(p, "window", func() dataflow.Operator {
		return &slowly{Operator: &window{}, snapshot: p.Snapshot, slow: p.Slow}
	}, func(r dataflow.Record) string {
		return fmt.Sprintf("%d %d %d %d", r.Key, r.Time, r.Count, r.Sum)
	})
	graph[0].New = func() dataflow.Operator {
		return &source{parameters: p, records: p.event, watermark: func(index int64) int64 { return index*eventStep - eventDelay }}
	}
	return graph
}

// event computes an input record with its event time.
func (p Parameters) event(split, index int64) dataflow.Record {
	r := p.record(split, index)
	r.Time = max(0, index*eventStep-int64((p.hash(split, index)>>10)%eventDelay))
	return r
}

// window keeps the count and the sum of each key in each open window.
type window struct {
	dataflow.Context
	open state.Map // the count and the sum of each open window; the key is the time at which the window begins
}

func (w *window) Open(c dataflow.Context) error {
	w.Context, w.open = c, c.State.Keyed.Map("open")
	return nil
}

func (w *window) Process(_ int, r dataflow.Record) error {
	begin := r.Time - r.Time%windowSize
	total := state.DecodeNumbers(w.open.Get(begin), 2)
	w.open.Put(begin, state.EncodeNumbers(total[0]+1, total[1]+r.Value))
	w.RegisterTime(begin + windowSize)
	return nil
}

// OnTime emits the window that ends at this time.
func (w *window) OnTime(time int64) error {
	begin := time - windowSize
	total := state.DecodeNumbers(w.open.Get(begin), 2)
	w.open.Remove(begin)
	w.Emit(dataflow.Record{Key: w.State.Keyed.Key(), Time: begin, Count: total[0], Sum: total[1]})
	return nil
}
