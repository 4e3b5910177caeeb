package operators

import (
	"fmt"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/state"
)

// counts is the workload that counts the records of each key and sums their values.
func counts(p Parameters) dataflow.Graph {
	return pipeline(p, "counter", func() dataflow.Operator {
		return &slowly{Operator: &counter{}, snapshot: p.Snapshot}
	}, formatCount)
}

// backpressure is the workload counts, with an operator that is slower than its source. So barriers
// wait behind records, or overtake records.
func backpressure(p Parameters) dataflow.Graph {
	return pipeline(p, "counter", func() dataflow.Operator {
		return &slowly{Operator: &counter{}, snapshot: p.Snapshot, slow: p.Slow}
	}, formatCount)
}

func formatCount(r dataflow.Record) string {
	return fmt.Sprintf("%d %d %d %d %d %d", r.Split, r.Index, r.Key, r.Value, r.Count, r.Sum)
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
	c.Emit(r)
	return nil
}
