// Package specimen returns a checkpoint with every kind of handle, for tests. No sample from real
// Flink contains all kinds.
//
// Start with [Everything].
package specimen

import "github.com/snapback/snapback/storage/metadata"

// Everything returns a checkpoint in the given version. It contains every kind of handle, and every
// field that this version records.
func Everything(version int32) metadata.Checkpoint {
	file := &metadata.File{Path: "file:/c/shared/a", Size: 7}
	groups := &metadata.KeyGroups{Kind: metadata.KeyGroupsV2, Start: 1, Offsets: []int64{0, 5}, Stream: &metadata.RelativeFile{Path: "b", Size: 9}, ID: "id"}
	reach := metadata.KeyGroupRange{Start: 1, Count: 2}
	incremental := func(v1 bool) *metadata.Incremental {
		i := &metadata.Incremental{
			Checkpoint: 6, Backend: "backend", Range: reach, Meta: file, V1: v1,
			Shared: []metadata.LocalFile{{LocalPath: "1.sst", Stream: file}}, Private: []metadata.LocalFile{{LocalPath: "CURRENT", Stream: file}},
		}
		if !v1 {
			i.CheckpointedSize, i.ID = 3, "id"
		}
		return i
	}
	states := []metadata.NamedState{{Name: "s", Mode: metadata.Broadcast, Offsets: []int64{1}}}
	changes := &metadata.ChangelogFiles{Range: reach, Streams: []metadata.OffsetStream{{Offset: 1, Stream: file}}, Size: 2, CheckpointedSize: 1, ID: "f", Storage: "filesystem"}
	keyed := []metadata.KeyedHandle{
		groups, incremental(true), incremental(false),
		&metadata.KeyGroups{Kind: metadata.KeyGroupsSavepoint, Offsets: []int64{4}, Stream: file},
		&metadata.KeyGroups{Kind: metadata.KeyGroupsV1, Offsets: []int64{4}, Stream: &metadata.KeyGroups{Kind: metadata.KeyGroupsV1, Stream: file}},
		&metadata.Changelog{Range: reach, CheckpointedSize: 1, Materialized: []metadata.KeyedHandle{groups}, Changes: []metadata.KeyedHandle{changes}, Checkpoint: 5, ID: "c"},
		&metadata.Changelog{Range: reach, V1: true, Materialized: []metadata.KeyedHandle{groups}, ID: "c"},
		&metadata.ChangelogBytes{Range: reach, From: 1, To: 2, Changes: []metadata.Change{{KeyGroup: -1, Data: []byte("x")}}, ID: "b"},
		&metadata.ChangelogFiles{Range: reach, V1: true, ID: "f"},
	}
	c := metadata.Checkpoint{Version: version, ID: 7, MasterStates: []metadata.MasterState{{Version: 1, Name: "hook", Data: []byte{1, 2}}}}
	operator := metadata.Operator{ID: metadata.OperatorID{1, 2}, Parallelism: 9, MaxParallelism: 128}
	for i, handle := range keyed {
		operator.Subtasks = append(operator.Subtasks, metadata.Subtask{
			Index: int32(i), ManagedKeyed: handle, RawOperator: &metadata.OperatorList{States: states, Stream: &metadata.ByteStream{Name: "n\x00\U0001F600", Data: []byte("data")}},
			ManagedOperator: &metadata.FileMergingOperator{
				OperatorList: metadata.OperatorList{States: states, Stream: &metadata.Segment{Start: 1, Size: 2, Scope: metadata.Shared, Path: "p", LogicalID: "l"}}, TaskOwnedDir: "t", SharedDir: "s",
			},
		})
	}
	if version == metadata.VersionMin {
		operator.ChainLength = 1
		for i := range operator.Subtasks {
			operator.Subtasks[i].Duration = -1
		}
	}
	if version >= metadata.Version3 {
		operator.Coordinator = &metadata.ByteStream{Name: "coord", Data: []byte{9}}
		one := metadata.Channel{Subtask: 1, Size: 3, Stream: file, Channels: []metadata.ChannelPart{{Gate: 1, Channel: 2, Size: 3, Offsets: []int64{4}}}}
		operator.Subtasks[0].Inputs, operator.Subtasks[0].Outputs = []metadata.Channel{one}, []metadata.Channel{one}
		operator.Subtasks[1] = metadata.Subtask{Index: 1, Finished: true}
		c.Operators = append(c.Operators, metadata.Operator{Parallelism: 1, MaxParallelism: 1, FullyFinished: true})
	}
	if version >= metadata.Version4 {
		c.Properties = &metadata.Properties{Name: "Checkpoint", Sharing: "FORWARD_BACKWARD", DiscardSubsumed: true}
	}
	if version >= metadata.Version5 {
		operator.Name, operator.UID = "name", "uid"
	}
	if version >= metadata.Version {
		merged := metadata.Channel{Merged: true, Size: 3, Stream: &metadata.EmptySegment{}, Channels: []metadata.ChannelPart{{Size: 1}, {Gate: 1, Size: 2}}}
		operator.Subtasks[2].Inputs, operator.Subtasks[2].Outputs = []metadata.Channel{merged}, []metadata.Channel{merged}
	}
	c.Operators = append(c.Operators, operator)
	return c
}
