package task

import (
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/metadata"
)

// messageOverhead is the largest size of an acknowledgement without its state, in bytes.
const messageOverhead = 1 << 10

// snapshot is a subtask's part in a checkpoint, from the barrier to the answer.
type snapshot struct {
	barrier  protocol.Barrier
	state    *state.Snapshot
	inputs   []inFlight // the records in flight at the inputs; complete when the barrier has arrived on every channel
	outputs  []inFlight
	end      bool // the subtask emits nothing any more
	writing  bool
	canceled bool // whether the checkpoint was aborted
}

// write writes the snapshot. It runs in a task of its own while the subtask continues.
func (s *snapshot) write(env environment.Environment, index int) (metadata.Subtask, error) {
	target := s.barrier.Target
	newID := func() string { return environment.NewID(env) }
	handles, err := s.state.Write(env.Files(), target, newID)
	handles.Index = int32(index)
	if err == nil {
		handles.Inputs, err = writeInFlight(env, target, index, s.inputs)
	}
	if err == nil {
		handles.Outputs, err = writeInFlight(env, target, index, s.outputs)
	}
	if err == nil && target.MessageMax > 0 {
		err = fits(handles, target.MessageMax)
	}
	return handles, err
}

// fits checks that the inline state, which is the state in the acknowledgement itself, fits into a
// message. The parameter `limit` is the size of the largest message, in bytes. (Flink drops a
// message that is too large, and the checkpoint expires.)
func fits(handles metadata.Subtask, limit int64) error {
	alone := metadata.Checkpoint{Operators: []metadata.Operator{{Subtasks: []metadata.Subtask{handles}}}}
	size := alone.InlineSize()
	if size == 0 || size+messageOverhead <= limit {
		return nil
	}
	return &checkpoints.LimitError{Of: "the acknowledgement with the state", Size: size + messageOverhead, Limit: limit, Name: "the frame size of messages"}
}
