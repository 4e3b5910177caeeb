package operators

import (
	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/state"
)

// transfers moves money between accounts. Each record takes an amount from one account and gives it
// to another, so the sum of all balances never changes.
func transfers(p Parameters) dataflow.Graph {
	return dataflow.Graph{
		{UID: SourceUID, New: func() dataflow.Operator { return &source{parameters: p, records: p.transfer} }},
		{UID: "legs", New: func() dataflow.Operator { return &legs{} }, Inputs: []dataflow.Edge{{From: SourceUID, Partitioning: dataflow.Forward}}},
		{UID: "accounts", Keyed: true, New: func() dataflow.Operator {
			return &slowly{Operator: &accounts{}, snapshot: p.Snapshot, slow: p.Slow}
		}, Inputs: []dataflow.Edge{{From: "legs", Partitioning: dataflow.ByKey}}},
		{UID: SinkUID, New: sinkOf(p, formatTotal), Inputs: []dataflow.Edge{{From: "accounts", Partitioning: dataflow.Forward}}},
	}
}

// transfer computes an input record: the amount Value moves from account Key to account Sum.
func (p Parameters) transfer(split, index int64) dataflow.Record {
	r := p.record(split, index)
	r.Value++ // never 0, so that the two movements differ
	r.Sum = int64((p.hash(split, index) >> 20) % uint64(p.Keys))
	return r
}

// legs turns each transfer into two movements: the first takes the amount from one account, the
// second gives it to the other account.
type legs struct{ dataflow.Context }

func (l *legs) Open(c dataflow.Context) error {
	l.Context = c
	return nil
}

func (l *legs) Process(_ int, r dataflow.Record) error {
	taken, given := r, r
	taken.Value, taken.Sum = -r.Value, 0
	given.Key, given.Sum = int32(r.Sum), 0
	l.Emit(taken)
	l.Emit(given)
	return nil
}

// accounts keeps the balance and the number of movements of each account.
type accounts struct {
	dataflow.Context
	balance   state.Reducing
	movements state.Reducing
}

func (a *accounts) Open(c dataflow.Context) error {
	add := func(a, b int64) int64 { return a + b }
	a.Context, a.balance, a.movements = c, c.State.Keyed.Reducing("balance", add), c.State.Keyed.Reducing("movements", add)
	return nil
}

func (a *accounts) Process(_ int, r dataflow.Record) error {
	r.Count, r.Sum = a.movements.Add(1), a.balance.Add(r.Value)
	a.RegisterTime(endOfTime)
	a.Emit(r)
	return nil
}

// OnTime emits the account's state at the end of the input.
func (a *accounts) OnTime(int64) error {
	a.Emit(dataflow.Record{Split: dataflow.AtEnd, Key: a.State.Keyed.Key(), Count: a.movements.Get(), Sum: a.balance.Get()})
	return nil
}
