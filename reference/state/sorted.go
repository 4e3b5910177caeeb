package state

import (
	"fmt"
	"slices"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/metadata"
)

// sorted is the tracker of the backend [Incremental]. For each checkpoint it writes the changes to
// one sorted file. The checkpoint also refers to the files of its base.
type sorted struct {
	since[map[string]bool] // the changes: the keys of the changed entries
	keyed                  *Keyed
	id                     string
	next                   int // number of the next file
}

func newSorted(k *Keyed, id string) *sorted {
	s := &sorted{keyed: k, id: id, next: 1}
	s.fresh, s.handles = true, map[int64]metadata.KeyedHandle{}
	s.open(map[string]bool{})
	return s
}

func (s *sorted) changed(group int, key int32, name, member string, _ []byte) {
	s.last().changes[entryKey(group, key, name, member)] = true
}

func (s *sorted) snapshot(checkpoint int64) keyedSnapshot {
	s.last().before = checkpoint
	taken := &sortedSnapshot{
		handle: metadata.Incremental{
			Checkpoint: checkpoint, Backend: s.id,
			Range: metadata.KeyGroupRange{Start: int32(s.keyed.first), Count: int32(s.keyed.last - s.keyed.first + 1)},
		},
		name: fmt.Sprintf("%06d.sorted", s.next),
	}
	s.next++
	base, _ := s.base.(*metadata.Incremental)
	switch {
	case (base == nil && !s.fresh) || (base != nil && len(base.Shared) >= segmentsMax):
		for group := s.keyed.first; group <= s.keyed.last; group++ {
			taken.entries = append(taken.entries, s.keyed.all(group)...)
		}
	default:
		if base != nil {
			taken.handle.Shared = slices.Clone(base.Shared)
		}
		taken.entries = s.changes()
	}
	s.open(map[string]bool{})
	return taken
}

// changes returns the changed entries with their current values.
func (s *sorted) changes() []entry {
	var keys []string
	for _, i := range s.intervals {
		for key := range i.changes { // the order does not matter, because keys is sorted below
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var entries []entry
	for _, key := range slices.Compact(keys) {
		entries = append(entries, entry{key, s.keyed.value(key)})
	}
	return entries
}

// restored makes the restored checkpoint the base, if its keyed state belonged to exactly this
// subtask.
func (s *sorted) restored(from Restore) {
	s.fresh = false
	if !from.Exact || len(from.Keyed) != 1 {
		return
	}
	handle, ok := from.Keyed[0].(*metadata.Incremental)
	if !ok {
		return
	}
	anchored := *handle
	anchored.Shared = nil
	for _, file := range handle.Shared {
		anchored.Shared = append(anchored.Shared, metadata.LocalFile{LocalPath: file.LocalPath, Stream: storage.Anchor(from.Location, file.Stream)})
	}
	s.base = &anchored
	for _, file := range handle.Shared {
		var number int
		if _, err := fmt.Sscanf(file.LocalPath, "%d.sorted", &number); err == nil {
			s.next = max(s.next, number+1)
		}
	}
}

// sortedSnapshot writes one sorted file.
type sortedSnapshot struct {
	handle  metadata.Incremental // refers to the files of the base; write adds the new file
	name    string               // the name of the new file
	entries []entry
}

func (s *sortedSnapshot) write(w writer) (metadata.KeyedHandle, error) {
	stream, err := w.stream(checkpoints.Shared, func(out *checkpoints.StateStream) error { return writeEntries(out, s.entries) })
	if err != nil {
		return nil, err
	}
	s.handle.ID = w.newID()
	if stream != nil {
		s.handle.Shared = append(s.handle.Shared, metadata.LocalFile{LocalPath: s.name, Stream: stream})
		s.handle.CheckpointedSize = storage.SizeOf(stream)
	}
	if len(s.handle.Shared) == 0 {
		return nil, nil // there is no state, so there is no handle
	}
	return &s.handle, nil
}
