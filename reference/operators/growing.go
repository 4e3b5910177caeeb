package operators

import (
	"fmt"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/state"
)

// growing keeps every record for ever and reads an old record for each new record. Its state
// becomes so large that only incremental checkpoints can be taken often.
func growing(p Parameters) dataflow.Graph {
	return pipeline(p, "archive", func() dataflow.Operator {
		return &slowly{Operator: &archive{parameters: p}, snapshot: p.Snapshot, slow: p.Slow}
	}, func(r dataflow.Record) string {
		return fmt.Sprintf("%d %d %d %d %d %d", r.Split, r.Index, r.Key, r.Value, r.Count, r.Sum)
	})
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
	a.Emit(r)
	return nil
}
