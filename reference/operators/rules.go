package operators

import (
	"fmt"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage/metadata"
)

// rules applies rules that change while records flow. A rule is a factor for the records' values.
// Each rule goes to every subtask and is part of its broadcast state.
func rules(p Parameters) dataflow.Graph {
	control := p
	control.Splits, control.Records = 1, max(1, p.Records/recordsPerRule)
	control.Uneven, control.Idle = false, 0
	control.Pause = p.Pause * recordsPerRule
	return dataflow.Graph{
		{UID: SourceUID, New: func() dataflow.Operator { return &source{parameters: p, records: p.record} }},
		{UID: "control", New: func() dataflow.Operator { return &source{parameters: control, records: control.rule, untraced: true} }},
		{UID: "apply", Keyed: true, New: func() dataflow.Operator {
			return &slowly{Operator: &apply{}, snapshot: p.Snapshot, slow: p.Slow}
		}, Inputs: []dataflow.Edge{{From: SourceUID, Partitioning: dataflow.ByKey}, {From: "control", Partitioning: dataflow.Broadcast}}},
		{UID: SinkUID, New: sinkOf(p, formatRule), Inputs: []dataflow.Edge{{From: "apply", Partitioning: dataflow.Forward}}},
	}
}

func formatRule(r dataflow.Record) string {
	if r.Split == dataflow.AtEnd {
		return fmt.Sprintf("state %d %d %d %d", r.Key, r.Count, r.Kind, r.Sum)
	}
	return fmt.Sprintf("%d %d %d %d %d %d %d %d", r.Split, r.Index, r.Key, r.Value, r.Count, r.Time, r.Kind, r.Sum)
}

// recordsPerRule is the number of records in a split for each rule. If a split has 100 records,
// there are 5 rules.
const recordsPerRule = 20

// controlSplit is the number of the split that holds the rules. No other split has this number.
const controlSplit = 1 << 20

// rule computes a rule: its version is Index+1, its factor is Value.
func (p Parameters) rule(_, index int64) dataflow.Record {
	return dataflow.Record{Split: controlSplit, Index: index, Value: 1 + int64(p.hash(controlSplit, index)>>40%9)}
}

// apply multiplies each record's value with the factor of the newest rule.
type apply struct {
	dataflow.Context
	held  *state.List   // the rules, oldest first
	count state.Numbers // the number of records of each key
}

func (a *apply) Open(c dataflow.Context) error {
	a.Context, a.held, a.count = c, c.State.List("rules", metadata.Broadcast), c.State.Keyed.Numbers("count", 1)
	return nil
}

func (a *apply) Process(input int, r dataflow.Record) error {
	if input == 1 {
		held := append([][]byte{}, a.held.Elements()...)
		a.held.Set(append(held, state.EncodeNumbers(r.Index+1, r.Value)))
		return nil
	}
	version, factor := int64(0), int64(1)
	held := a.held.Elements()
	if len(held) > 0 {
		newest := state.DecodeNumbers(held[len(held)-1], 2)
		version, factor = newest[0], newest[1]
	}
	r.Count = a.count.Get()[0] + 1
	a.count.Set(r.Count)
	r.Time, r.Kind, r.Sum = version, int64(len(held)), r.Value*factor
	a.RegisterTime(endOfTime)
	a.Emit(r)
	return nil
}

// OnTime emits the key's state at the end of the input, and what the subtask has of the rules: their
// number, and the sum of all versions times factors.
func (a *apply) OnTime(int64) error {
	end := dataflow.Record{Split: dataflow.AtEnd, Key: a.State.Keyed.Key(), Count: a.count.Get()[0]}
	for _, element := range a.held.Elements() {
		rule := state.DecodeNumbers(element, 2)
		end.Kind++
		end.Sum += rule[0] * rule[1]
	}
	a.Emit(end)
	return nil
}
