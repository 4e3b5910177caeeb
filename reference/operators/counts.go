package operators

import (
	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/state"
)

// counts is the workload that counts the records of each key and sums their values. The workload
// backpressure has the same operators: there the counter is slower than the source. So barriers wait
// behind records, or overtake records.
func counts(p Parameters) dataflow.Graph {
	return pipeline(p, "counter", func() dataflow.Operator {
		return &slowly{Operator: &counter{}, snapshot: p.Snapshot, slow: p.Slow}
	}, formatTotal)
}

// counter keeps the number of records of each key and the sum of their values.
type counter struct {
	dataflow.Context
	total state.Numbers // two numbers for each key: the count and the sum
}

func (c *counter) Open(context dataflow.Context) error {
	c.Context, c.total = context, context.State.Keyed.Numbers("total", 2)
	return nil
}

func (c *counter) Process(_ int, r dataflow.Record) error {
	total := c.total.Get()
	r.Count, r.Sum = total[0]+1, total[1]+r.Value
	c.total.Set(r.Count, r.Sum)
	c.RegisterTime(endOfTime)
	c.Emit(r)
	return nil
}

// OnTime emits the key's state at the end of the input.
func (c *counter) OnTime(int64) error {
	total := c.total.Get()
	c.Emit(dataflow.Record{Split: dataflow.AtEnd, Key: c.State.Keyed.Key(), Count: total[0], Sum: total[1]})
	return nil
}
