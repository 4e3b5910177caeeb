package task

import (
	"fmt"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/metadata"
)

// messageOverhead is what an acknowledgement takes besides the state in it, at most,
// in bytes.
const messageOverhead = 1 << 10

// snapshot is a subtask's part in a checkpoint, from its barrier to the answer.
type snapshot struct {
	barrier  protocol.Barrier
	state    *state.Snapshot
	inputs   []inFlight // complete once the barrier has come on every channel
	outputs  []inFlight
	end      bool // nothing comes out of the subtask any more
	writing  bool
	canceled bool // the checkpoint was given up
}

// inFlight is the records of one channel that the barrier overtook.
type inFlight struct {
	gate, channel int
	records       []dataflow.Record
}

// write writes all there is, in a task of its own: the subtask goes on meanwhile.
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

// fits says whether the state that lies inline has room in a message: Flink drops one
// that is too large, and lets the checkpoint expire.
func fits(handles metadata.Subtask, limit int64) error {
	alone := metadata.Checkpoint{Operators: []metadata.Operator{{Subtasks: []metadata.Subtask{handles}}}}
	size := alone.InlineSize()
	if size == 0 || size+messageOverhead <= limit {
		return nil
	}
	return &checkpoints.LimitError{Of: "the acknowledgement with the state", Size: size + messageOverhead, Limit: limit, Name: "the frame size of messages"}
}

// writeInFlight writes the records of all channels into one stream.
func writeInFlight(env environment.Environment, target checkpoints.Target, index int, all []inFlight) ([]metadata.Channel, error) {
	stream := target.Create(env.Files(), checkpoints.Exclusive, func() string { return environment.NewID(env) })
	defer stream.Abort()
	var handles []metadata.Channel
	var written int64
	for _, channel := range all {
		var data []byte
		for _, record := range channel.records {
			data = record.Append(data)
		}
		if len(data) == 0 {
			continue
		}
		if _, err := stream.Write(data); err != nil {
			return nil, err
		}
		size := int64(len(data))
		handles = append(handles, metadata.Channel{Subtask: int32(index), Size: size, Channels: []metadata.ChannelPart{{
			Gate: int32(channel.gate), Channel: int32(channel.channel), Size: size, Offsets: []int64{written},
		}}})
		written += size
	}
	closed, err := stream.Close()
	for i := range handles {
		handles[i].Stream = closed
	}
	return handles, err
}

// readInFlight reads the records that are restored, as far as they are this subtask's.
func (s *subtask) readInFlight() error {
	for _, part := range s.deploy.Restore.InFlight {
		data, err := storage.ReadState(s.env.Files(), s.deploy.Restore.Location, part.Stream)
		if err != nil {
			return err
		}
		if part.Offset < 0 || part.Size < 0 || part.Offset+part.Size > int64(len(data)) {
			return fmt.Errorf("records in flight: want %d bytes at offset %d, got %d in all", part.Size, part.Offset, len(data))
		}
		records, err := dataflow.DecodeRecords(data[part.Offset : part.Offset+part.Size])
		if err != nil {
			return err
		}
		byKey := s.vertex.Inputs[part.Edge].Partitioning == dataflow.ByKey
		for _, record := range records {
			if byKey && dataflow.SubtaskOf(record.Key, s.deploy.Job.Parallelism, s.deploy.Groups) != s.deploy.Subtask.Index {
				continue // after a change of parallelism it is another's
			}
			s.replay = append(s.replay, replayed{part.Edge, record})
		}
	}
	return nil
}

// replayed is a record that was in flight when the restored checkpoint was taken.
type replayed struct {
	edge   int
	record dataflow.Record
}
