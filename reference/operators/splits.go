package operators

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage/metadata"
)

// splits sends each record to the subtask with the same index. The operators have no keyed state.
// So the subtasks with the same index form a region, and a change of parallelism moves only splits
// between subtasks.
func splits(p Parameters) dataflow.Graph {
	return dataflow.Graph{
		{UID: SourceUID, New: func() dataflow.Operator { return &source{parameters: p, records: p.record} }},
		{UID: "marks", New: func() dataflow.Operator {
			return &slowly{Operator: &marks{}, snapshot: p.Snapshot, slow: p.Slow}
		}, Inputs: []dataflow.Edge{{From: SourceUID, Partitioning: dataflow.Forward}}},
		{UID: SinkUID, New: sinkOf(p, formatMark), Inputs: []dataflow.Edge{{From: "marks", Partitioning: dataflow.Forward}}},
	}
}

func formatMark(r dataflow.Record) string {
	if r.Split == dataflow.AtEnd {
		return fmt.Sprintf("state %d %d", r.Index, r.Count)
	}
	return fmt.Sprintf("%d %d %d %d", r.Split, r.Index, r.Value, r.Count)
}

// marks counts the records of each split. The counts are union list state: after a restore each
// subtask has the marks of all splits, also of splits whose records it does not receive.
type marks struct {
	dataflow.Context
	list *state.List
	last map[int64]mark
}

type mark struct {
	Split int64 `json:"split"`
	Count int64 `json:"count"` // number of records of the split so far
}

func (m *marks) Open(c dataflow.Context) error {
	m.Context, m.list, m.last = c, c.State.List("marks", metadata.Union), map[int64]mark{}
	for _, element := range m.list.Elements() {
		var restored mark
		if err := json.Unmarshal(element, &restored); err != nil {
			return fmt.Errorf("a mark: %w", err)
		}
		if restored.Count > m.last[restored.Split].Count { // if a split moved to another subtask, the earlier subtask kept an older mark
			m.last[restored.Split] = restored
		}
	}
	return nil
}

func (m *marks) Process(_ int, r dataflow.Record) error {
	of := m.last[r.Split]
	of.Split, of.Count = r.Split, of.Count+1
	m.last[r.Split] = of
	r.Count = of.Count
	m.Emit(r)
	return nil
}

// End emits every mark. The split of a mark is in the field Index.
func (m *marks) End() error {
	for _, split := range slices.Sorted(maps.Keys(m.last)) {
		m.Emit(dataflow.Record{Split: dataflow.AtEnd, Index: split, Count: m.last[split].Count})
	}
	return nil
}

func (m *marks) Snapshot(int64) error {
	var elements [][]byte
	for _, split := range slices.Sorted(maps.Keys(m.last)) {
		element, err := json.Marshal(m.last[split])
		if err != nil {
			return err
		}
		elements = append(elements, element)
	}
	m.list.Set(elements)
	return nil
}
