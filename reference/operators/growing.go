package operators

import (
	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/state"
)

// growing keeps every record for ever and reads an old record for each new record. Its state
// becomes so large that only incremental checkpoints can be taken often.
func growing(p Parameters) dataflow.Graph {
	return pipeline(p, "archive", func() dataflow.Operator {
		return &slowly{Operator: &archive{parameters: p}, snapshot: p.Snapshot, slow: p.Slow}
	}, formatTotal)
}

// archive keeps all values of each key. It numbers them from 1.
type archive struct {
	parameters Parameters
	dataflow.Context
	count  state.Numbers
	values state.Map
}

func (a *archive) Open(c dataflow.Context) error {
	a.Context, a.count, a.values = c, c.State.Keyed.Numbers("count", 1), c.State.Keyed.Map("values")
	return nil
}

func (a *archive) Process(_ int, r dataflow.Record) error {
	r.Count = a.count.Get()[0] + 1
	a.count.Set(r.Count)
	kept := append(state.EncodeNumbers(r.Value), make([]byte, a.parameters.Payload)...)
	a.values.Put(r.Count, kept)
	probed := 1 + int64(a.parameters.hash(r.Split, r.Index)>>32)%r.Count
	r.Sum = state.DecodeNumbers(a.values.Get(probed), 1)[0]
	a.RegisterTime(endOfTime)
	a.Emit(r)
	return nil
}

// missing stands for a value that the archive lacks. No value is negative.
const missing = -1

// OnTime emits the key's state at the end of the input: the number of its values, and the sum of
// the values that the archive still has.
func (a *archive) OnTime(int64) error {
	end := dataflow.Record{Split: dataflow.AtEnd, Key: a.State.Keyed.Key(), Count: a.count.Get()[0]}
	for n := int64(1); n <= end.Count; n++ {
		value := int64(missing)
		if kept := a.values.Get(n); kept != nil {
			value = state.DecodeNumbers(kept, 1)[0]
		}
		end.Sum += value
	}
	a.Emit(end)
	return nil
}
