package audit

import (
	"cmp"
	"slices"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/metadata"
)

// object is a handle in the form in which [Auditor.Inspect] returns handles. Its fields depend on
// the type of the handle.
type object = map[string]any

func streamObject(s metadata.Stream) object {
	o := object{"bytes": storage.SizeOf(s), "inline": false, "file": nil}
	switch s := s.(type) {
	case nil:
		return nil
	case *metadata.ByteStream:
		o["type"], o["inline"], o["handleName"] = "byteStream", true, s.Name
	case *metadata.File:
		o["type"], o["file"] = "file", s.Path
	case *metadata.RelativeFile:
		o["type"], o["file"] = "relativeFile", s.Path
	case *metadata.Segment:
		o["type"], o["file"] = "segment", s.Path
		o["startPos"], o["scope"], o["logicalFileId"] = s.Start, s.Scope.String(), s.LogicalID
	case *metadata.EmptySegment:
		o["type"] = "emptySegment"
	case *metadata.KeyGroups:
		return keyedObject(s)
	}
	return o
}

// withStream adds the stream of a handle to the object. It also copies the stream's fields "inline"
// and "file" to the object.
func withStream(o object, s metadata.Stream) object {
	stream := streamObject(s)
	o["stream"], o["inline"], o["file"] = stream, stream["inline"], stream["file"]
	return o
}

func rangeOf(r metadata.KeyGroupRange) []int32 { return []int32{r.Start, r.Last()} }

func keyedHandles(h metadata.KeyedHandle) []object {
	if h == nil {
		return []object{}
	}
	return []object{keyedObject(h)}
}

func keyedObject(h metadata.KeyedHandle) object {
	o := object{"bytes": keyedSize(h)}
	switch h := h.(type) {
	case *metadata.KeyGroups:
		o["type"], o["keyGroups"], o["stateHandleId"] = "keyGroups", rangeOf(h.Range()), orNil(h.ID)
		if h.Kind == metadata.KeyGroupsSavepoint {
			o["type"] = "keyGroupsSavepoint"
		}
		o["checkpointedBytes"] = o["bytes"]
		return withStream(o, h.Stream)
	case *metadata.Incremental:
		o["type"], o["keyGroups"], o["stateHandleId"] = "incremental", rangeOf(h.Range), orNil(h.ID)
		o["checkpointId"], o["backendId"], o["checkpointedBytes"] = h.Checkpoint, h.Backend, h.CheckpointedSize
		if h.V1 || h.CheckpointedSize < 0 {
			o["checkpointedBytes"] = o["bytes"] // the checkpointed size is not recorded
		}
		o["meta"], o["shared"], o["private"] = streamObject(h.Meta), localFiles(h.Shared), localFiles(h.Private)
	case *metadata.Changelog:
		o["type"], o["keyGroups"], o["stateHandleId"] = "changelog", rangeOf(h.Range), orNil(h.ID)
		o["checkpointId"], o["materializationId"], o["checkpointedBytes"] = h.Checkpoint, h.Materialization, h.CheckpointedSize
		if h.V1 {
			o["checkpointId"] = h.Materialization
		}
		o["materialized"], o["nonMaterialized"] = keyedObjects(h.Materialized), keyedObjects(h.Changes)
	case *metadata.ChangelogBytes:
		o["type"], o["keyGroups"], o["stateHandleId"] = "changelogByte", rangeOf(h.Range), orNil(h.ID)
		o["from"], o["to"], o["changes"], o["inline"], o["file"] = h.From, h.To, len(h.Changes), true, nil
		o["checkpointedBytes"] = o["bytes"]
	case *metadata.ChangelogFiles:
		o["type"], o["keyGroups"], o["stateHandleId"] = "changelogFile", rangeOf(h.Range), orNil(h.ID)
		o["storageIdentifier"], o["checkpointedBytes"] = h.Storage, h.CheckpointedSize
		if h.V1 {
			o["storageIdentifier"] = "filesystem"
		}
		streams := []object{}
		for _, s := range h.Streams {
			stream := streamObject(s.Stream)
			stream["offset"] = s.Offset
			streams = append(streams, stream)
		}
		o["streams"] = streams
	}
	return o
}

func keyedObjects(handles []metadata.KeyedHandle) []object {
	all := []object{}
	for _, h := range handles {
		all = append(all, keyedObject(h))
	}
	return all
}

func localFiles(files []metadata.LocalFile) []object {
	all := []object{}
	for _, file := range files {
		o := streamObject(file.Stream)
		o["localPath"] = file.LocalPath
		all = append(all, o)
	}
	return all
}

func operatorHandles(h metadata.OperatorHandle) []object {
	o := object{"bytes": operatorHandleSize(h)}
	var list *metadata.OperatorList
	switch h := h.(type) {
	case nil:
		return []object{}
	case *metadata.OperatorList:
		o["type"], list = "operatorList", h
	case *metadata.FileMergingOperator:
		o["type"], list = "fileMergingOperator", &h.OperatorList
		if h.Empty {
			o["type"] = "emptyFileMergingOperator"
		}
		o["taskOwnedDir"], o["sharedDir"] = h.TaskOwnedDir, h.SharedDir
	}
	states := slices.Clone(list.States)
	slices.SortStableFunc(states, func(a, b metadata.NamedState) int { return cmp.Compare(a.Name, b.Name) })
	named := []object{}
	for _, s := range states {
		named = append(named, object{"name": s.Name, "mode": s.Mode.String(), "offsets": len(s.Offsets)})
	}
	o["states"] = named
	return []object{withStream(o, list.Stream)}
}

// channelNames are the words that describe channel handles of one direction, input or output.
type channelNames struct{ one, merged, gate, channel string }

var (
	inputNames  = channelNames{"inputChannel", "mergedInputChannel", "gate", "channel"}
	outputNames = channelNames{"resultSubpartition", "mergedResultSubpartition", "partition", "subpartition"}
)

func channels(all []metadata.Channel, names channelNames) []object {
	objects := []object{}
	for _, ch := range all {
		parts := []object{}
		for _, part := range ch.Channels {
			parts = append(parts, object{names.gate: part.Gate, names.channel: part.Channel, "offsets": len(part.Offsets), "bytes": part.Size})
		}
		o := object{"type": names.one, "bytes": ch.Size, "subtaskIndex": ch.Subtask, "channels": parts}
		if ch.Merged {
			o["type"] = names.merged
		}
		objects = append(objects, withStream(o, ch.Stream))
	}
	return objects
}
