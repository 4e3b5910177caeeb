package task

import (
	"fmt"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/metadata"
)

// inFlight holds the records of one channel that the barrier overtook.
type inFlight struct {
	gate, channel int
	records       []dataflow.Record
}

// writeInFlight writes the records of all channels into one stream. The parameter `index` is the
// index of the subtask.
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

// replayed is a record that was in flight when the restored checkpoint was taken.
type replayed struct {
	edge   int
	record dataflow.Record
}

// readInFlight reads the restored records in flight, and skips the records that belong to other
// subtasks.
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
				continue // after a change of parallelism the record belongs to another subtask
			}
			s.replay = append(s.replay, replayed{part.Edge, record})
		}
	}
	return nil
}
