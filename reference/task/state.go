package task

import (
	"fmt"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// stateName is what the one list of an operator's state is called in `_metadata`.
const stateName = "state"

// messageOverhead is what an acknowledgement takes besides the state in it, at most,
// in bytes.
const messageOverhead = 1 << 10

// writeState writes a subtask's state, all parts into one stream, and returns the
// handles that say where it is.
func (s *subtask) writeState(target storage.Target, state job.State) (metadata.Subtask, error) {
	handle := metadata.Subtask{Index: int32(s.deploy.Subtask.Index)}
	newID := func() string { return environment.NewID(s.env) }
	stream := target.Create(s.env.Files(), storage.Exclusive, newID)
	defer stream.Abort()
	var offsets []int64
	var written int64
	for _, part := range state {
		offsets = append(offsets, written)
		n, err := stream.Write(part)
		if err != nil {
			return handle, err
		}
		written += int64(n)
	}
	closed, err := stream.Close()
	if err != nil || closed == nil {
		return handle, err
	}
	if inline, ok := closed.(*metadata.ByteStream); ok {
		// Flink drops a message that is too large, and lets the checkpoint expire.
		if size := int64(len(inline.Data)) + messageOverhead; size > target.MessageMax {
			return handle, &storage.LimitError{Of: "the acknowledgement with the state", Size: size, Limit: target.MessageMax, Name: "the frame size of messages"}
		}
	}
	if job.IsKeyed(s.deploy.Subtask.UID) {
		first, _ := job.KeyGroups(s.deploy.Subtask.Index, s.deploy.Job.Parallelism)
		handle.ManagedKeyed = &metadata.KeyGroups{
			Kind: metadata.KeyGroupsV2, Start: int32(first), Offsets: offsets, Stream: closed, ID: newID(),
		}
		return handle, nil
	}
	handle.ManagedOperator = &metadata.OperatorList{
		States: []metadata.NamedState{{Name: stateName, Mode: metadata.SplitDistribute, Offsets: offsets}}, Stream: closed,
	}
	return handle, nil
}

// readState is the inverse of writeState.
func readState(files filesystem.FileSystem, restore protocol.Restore) (job.State, error) {
	var offsets []int64
	var stream metadata.Stream
	switch handle := restore.State.ManagedOperator.(type) {
	case nil:
	case *metadata.OperatorList:
		if len(handle.States) != 1 || handle.States[0].Name != stateName {
			return nil, fmt.Errorf("want one list of state, %q, got %d others", stateName, len(handle.States))
		}
		offsets, stream = handle.States[0].Offsets, handle.Stream
	default:
		return nil, fmt.Errorf("operator state as %T is not this engine's", handle)
	}
	switch handle := restore.State.ManagedKeyed.(type) {
	case nil:
	case *metadata.KeyGroups:
		offsets, stream = handle.Offsets, handle.Stream
	default:
		return nil, fmt.Errorf("keyed state as %T is not this engine's", handle)
	}
	data, err := storage.ReadState(files, restore.Location, stream)
	if err != nil {
		return nil, err
	}
	return split(data, offsets)
}

// split takes apart what begins at the offsets.
func split(data []byte, offsets []int64) (job.State, error) {
	state := make(job.State, len(offsets))
	end := int64(len(data))
	for i := len(offsets) - 1; i >= 0; i-- {
		if offsets[i] < 0 || offsets[i] > end {
			return nil, fmt.Errorf("part %d of the state: want an offset of 0 to %d, got %d", i, end, offsets[i])
		}
		state[i], end = data[offsets[i]:end], offsets[i]
	}
	return state, nil
}
