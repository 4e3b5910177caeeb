package metadata_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/snapback/snapback/storage/metadata"
	"github.com/snapback/snapback/storage/metadata/specimen"
)

// smallThings is the number of items in each test list. Decode computes the smallest size of such a
// list and refuses a shorter rest of the file. If Decode computes the size of an item one byte too
// large, a list with smallThings items is refused, and the test fails.
const smallThings = 1000

// smallest returns one checkpoint for each list; the key is the name of the list. In this
// checkpoint the list has smallThings items of the smallest size, and everything else is as short
// as possible.
func smallest(version int32) map[string]metadata.Checkpoint {
	empty := &metadata.EmptySegment{}
	files := many(metadata.LocalFile{Stream: empty})
	all := map[string]metadata.Checkpoint{
		"master state":       {Version: version, MasterStates: many(metadata.MasterState{})},
		"operator":           {Version: version, Operators: many(oneOperator())},
		"subtask":            withSubtasks(version, many(metadata.Subtask{Finished: version >= metadata.Version3})),
		"named state":        withSubtask(version, metadata.Subtask{RawOperator: &metadata.OperatorList{States: many(metadata.NamedState{}), Stream: empty}}),
		"offset":             withKeyed(version, &metadata.KeyGroups{Kind: metadata.KeyGroupsSavepoint, Offsets: many(int64(0)), Stream: empty}),
		"shared file":        withKeyed(version, &metadata.Incremental{V1: true, Shared: files}),
		"private file":       withKeyed(version, &metadata.Incremental{V1: true, Private: files}),
		"materialized state": withKeyed(version, &metadata.Changelog{V1: true, Materialized: make([]metadata.KeyedHandle, smallThings)}),
		"change handle": withKeyed(version, &metadata.Changelog{V1: true, Changes: many[metadata.KeyedHandle](
			&metadata.KeyGroups{Kind: metadata.KeyGroupsSavepoint, Stream: empty},
		)}),
		"change": withKeyed(version, &metadata.ChangelogBytes{Changes: many(metadata.Change{})}),
		"stream": withKeyed(version, &metadata.ChangelogFiles{V1: true, Streams: many(metadata.OffsetStream{})}),
	}
	channel := metadata.Channel{Channels: make([]metadata.ChannelPart, 1), Stream: empty}
	if version >= metadata.Version {
		channel = metadata.Channel{Merged: true}
		parts := metadata.Channel{Merged: true, Channels: make([]metadata.ChannelPart, smallThings)}
		all["channel"] = withSubtask(version, metadata.Subtask{Outputs: []metadata.Channel{parts}})
	}
	if version >= metadata.Version3 {
		all["input channel"] = withSubtask(version, metadata.Subtask{Inputs: many(channel)})
		all["output channel"] = withSubtask(version, metadata.Subtask{Outputs: many(channel)})
	}
	return all
}

func many[T any](thing T) []T { return slices.Repeat([]T{thing}, smallThings) }

func oneOperator() metadata.Operator { return metadata.Operator{Parallelism: 1, MaxParallelism: 1} }

func withSubtasks(version int32, subtasks []metadata.Subtask) metadata.Checkpoint {
	operator := oneOperator()
	operator.Subtasks = subtasks
	return metadata.Checkpoint{Version: version, Operators: []metadata.Operator{operator}}
}

func withSubtask(version int32, s metadata.Subtask) metadata.Checkpoint {
	return withSubtasks(version, []metadata.Subtask{s})
}

func withKeyed(version int32, h metadata.KeyedHandle) metadata.Checkpoint {
	return withSubtask(version, metadata.Subtask{RawKeyed: h})
}

func TestAFileThatEndsWithTheSmallestThingsIsRead(t *testing.T) {
	for version := int32(metadata.VersionMin); version <= metadata.Version; version++ {
		for list, checkpoint := range smallest(version) {
			data, err := metadata.Encode(checkpoint)
			must(t, err)
			seen := 0
			err = metadata.WatchLists(data, func(of string, fewest, size int) {
				if of != list {
					return
				}
				if seen++; size != fewest {
					t.Fatalf("version %d, %s: want the smallest item to have %d bytes, got %d", version, list, fewest, size)
				}
			})
			if err != nil || seen != smallThings {
				t.Errorf("version %d, %s: want %d items, got %d, %v", version, list, smallThings, seen, err)
			}
		}
	}
}

func TestTheSmallestThingsOfEveryListAreTried(t *testing.T) {
	for version := int32(metadata.VersionMin); version <= metadata.Version; version++ {
		data, err := metadata.Encode(specimen.Everything(version))
		must(t, err)
		lists := map[string]bool{}
		must(t, metadata.WatchLists(data, func(list string, _, _ int) { lists[list] = true }))
		want, got := slices.Sorted(maps.Keys(lists)), slices.Sorted(maps.Keys(smallest(version)))
		if !slices.Equal(want, got) {
			t.Errorf("version %d has the lists %q, but the test has %q", version, want, got)
		}
	}
}

func TestNoThingInARealFileIsSmallerThanTheFewestBytes(t *testing.T) {
	things := 0
	watch := func(name string, data []byte) {
		must(t, metadata.WatchLists(data, func(list string, fewest, size int) {
			if things++; size < fewest {
				t.Errorf("%s: a %s has %d bytes, but the minimum is %d", name, list, size, fewest)
			}
		}))
	}
	for name, data := range sampleFiles(t) {
		watch(name, data)
	}
	for _, file := range publicFiles(t) {
		if !file.refused() {
			watch(file.Number, file.Data)
		}
	}
	if things < 10_000 {
		t.Errorf("only %d items were seen", things)
	}
	t.Logf("%d things", things)
}
