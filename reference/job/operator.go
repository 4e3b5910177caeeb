package job

import (
	"encoding/json"
	"fmt"

	"github.com/snapback/snapback/reference/environment"
)

// State is that of one subtask, in parts: for keyed state one for each key group of
// the subtask, in their order; else one for each element of a list.
type State [][]byte

// Operator is the user's code in one subtask. Its methods are called by that
// subtask alone.
type Operator interface {
	// Open prepares the operator; state is nil at a fresh start, else what
	// Snapshot returned for the checkpoint that is restored.
	Open(state State) error

	// Process handles one record of the input.
	Process(record Record, emit func(Record) error) error

	// Snapshot returns the state as of now, for a checkpoint.
	Snapshot(checkpoint int64) (State, error)

	// Commit is told that a checkpoint is complete. It may never be told of one
	// that is, and then is told of a later one, or opened with its state.
	Commit(checkpoint int64) error
}

// Input is an operator that brings records into the job.
type Input interface {
	Operator

	// Next returns the next record, or false at the end of the input.
	Next() (Record, bool, error)
}

// NewOperator returns the operator of one subtask.
func NewOperator(env environment.Environment, j Job, uid string, index int) (Operator, error) {
	switch uid {
	case SourceUID:
		return &source{env: env, counts: j.Counts, index: index, parallelism: j.Parallelism}, nil
	case CounterUID:
		first, last := KeyGroups(index, j.Parallelism)
		return &counter{env: env, snapshot: j.Counts.Snapshot, first: first, last: last}, nil
	case SinkUID:
		return &sink{env: env, dir: j.Counts.Dir, index: index}, nil
	default:
		return nil, fmt.Errorf("workload %s has no operator %q", WorkloadName, uid)
	}
}

// encodeList makes a part of each item.
func encodeList[T any](items []T) (State, error) {
	state := State{}
	for _, item := range items {
		part, err := json.Marshal(item)
		if err != nil {
			return nil, err
		}
		state = append(state, part)
	}
	return state, nil
}

// decodeList is the inverse of [encodeList].
func decodeList[T any](state State) ([]T, error) {
	items := make([]T, len(state))
	for i, part := range state {
		if err := json.Unmarshal(part, &items[i]); err != nil {
			return nil, fmt.Errorf("element %d of the state: %w", i, err)
		}
	}
	return items, nil
}
