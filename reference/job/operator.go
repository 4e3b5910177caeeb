package job

import (
	"encoding/json"
	"fmt"

	"github.com/snapback/snapback/reference/environment"
)

// Operator is the user's code in one subtask. Its methods are called by that
// subtask alone.
type Operator interface {
	// Open prepares the operator; state is nil at a fresh start, else what
	// Snapshot returned for the checkpoint that is restored.
	Open(state []byte) error

	// Process handles one record of the input.
	Process(record Record, emit func(Record) error) error

	// Snapshot returns the state as of now, for a checkpoint.
	Snapshot(checkpoint int64) ([]byte, error)

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
		return &counter{env: env, snapshot: j.Counts.Snapshot}, nil
	case SinkUID:
		return &sink{env: env, dir: j.Counts.Dir, index: index}, nil
	default:
		return nil, fmt.Errorf("workload %s has no operator %q", WorkloadName, uid)
	}
}

func decodeState(state []byte, into any) error {
	if state == nil {
		return nil
	}
	return json.Unmarshal(state, into)
}
