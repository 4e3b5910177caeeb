package state

import (
	"fmt"
	"slices"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/metadata"
)

// segmentsMax is how many files a checkpoint's keyed state may be in before it is
// written anew as one.
const segmentsMax = 4

// tracker follows what changes in keyed state, and takes snapshots of that.
type tracker interface {
	changed(group int, key int32, name, member string, value []byte)
	snapshot(checkpoint int64) keyedSnapshot
	written(checkpoint int64, handle metadata.KeyedHandle)
	completed(checkpoint int64)
	restored(from Restore)
}

// untracked writes everything for each checkpoint.
type untracked struct{ keyed *Keyed }

func (untracked) changed(int, int32, string, string, []byte) {}
func (u untracked) snapshot(int64) keyedSnapshot             { return u.keyed.whole() }
func (untracked) written(int64, metadata.KeyedHandle)        {}
func (untracked) completed(int64)                            {}
func (untracked) restored(Restore)                           {}

// since holds the changes since the newest checkpoint that is known to be complete, by
// the checkpoint whose barrier came after them, and what that checkpoint's state is.
// Later checkpoints build upon it.
type since[change any] struct {
	base      metadata.KeyedHandle // nil: nothing to build upon; all is to be written
	fresh     bool                 // there was no state before the changes
	intervals []interval[change]   // oldest first; the last one is still open
	handles   map[int64]metadata.KeyedHandle
}

type interval[change any] struct {
	before  int64 // checkpoint; 0 while it is open
	changes change
}

func (s *since[change]) open(empty change) {
	s.intervals = append(s.intervals, interval[change]{changes: empty})
}

func (s *since[change]) last() *interval[change] { return &s.intervals[len(s.intervals)-1] }

func (s *since[change]) written(checkpoint int64, handle metadata.KeyedHandle) {
	s.handles[checkpoint] = handle
}

// completed makes a checkpoint the one to build upon, and forgets the changes that it
// holds. What was not written since it was taken is not known here, and nothing is
// built upon it.
func (s *since[change]) completed(checkpoint int64) {
	handle := s.handles[checkpoint]
	for id := range s.handles { // the order does not matter
		if id <= checkpoint {
			delete(s.handles, id)
		}
	}
	if handle == nil {
		return
	}
	s.base, s.fresh = handle, false
	s.intervals = slices.DeleteFunc(s.intervals, func(i interval[change]) bool { return i.before != 0 && i.before <= checkpoint })
}

// sorted writes what changed as one sorted file, beside the files of the checkpoint
// that it builds upon.
type sorted struct {
	since[map[string]bool] // keys of entries
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

// changes returns the entries that changed, as they are now.
func (s *sorted) changes() []entry {
	var keys []string
	for _, i := range s.intervals {
		for key := range i.changes { // sorted below
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

// restored goes on with the files of the checkpoint, if they are this subtask's own.
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

type sortedSnapshot struct {
	handle  metadata.Incremental // with the files that it builds upon
	name    string               // of the new file
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
		return nil, nil // no state at all
	}
	return &s.handle, nil
}

func writeEntries(out *checkpoints.StateStream, entries []entry) error {
	for _, e := range entries {
		if _, err := e.writeTo(out); err != nil {
			return err
		}
	}
	return nil
}

// log writes what changed in the order in which it did, on top of all state at some
// time: its materialization.
type log struct {
	since[[]entry]
	keyed           *Keyed
	materialization int64
}

func newLog(k *Keyed) *log {
	l := &log{keyed: k}
	l.fresh, l.handles = true, map[int64]metadata.KeyedHandle{}
	l.open(nil)
	return l
}

func (l *log) changed(group int, key int32, name, member string, value []byte) {
	last := l.last()
	last.changes = append(last.changes, entry{entryKey(group, key, name, member), value})
}

func (l *log) snapshot(checkpoint int64) keyedSnapshot {
	l.last().before = checkpoint
	taken := &logSnapshot{handle: metadata.Changelog{
		Range:      metadata.KeyGroupRange{Start: int32(l.keyed.first), Count: int32(l.keyed.last - l.keyed.first + 1)},
		Checkpoint: checkpoint, Materialization: l.materialization,
	}}
	base, _ := l.base.(*metadata.Changelog)
	switch {
	case (base == nil && !l.fresh) || (base != nil && len(base.Changes) >= segmentsMax):
		l.materialization++
		taken.handle.Materialization = l.materialization
		taken.whole = l.keyed.whole()
		taken.whole.scope = checkpoints.Shared // checkpoints to come refer to it
	default:
		if base != nil {
			taken.handle.Materialization = base.Materialization
			taken.handle.Materialized, taken.handle.Changes = base.Materialized, slices.Clone(base.Changes)
		}
		for _, i := range l.intervals {
			taken.entries = append(taken.entries, i.changes...)
		}
	}
	l.open(nil)
	return taken
}

func (l *log) restored(from Restore) {
	l.fresh = false
	if !from.Exact || len(from.Keyed) != 1 {
		return
	}
	if handle, ok := from.Keyed[0].(*metadata.Changelog); ok {
		l.base, l.materialization = handle, handle.Materialization // its files have absolute names
	}
}

type logSnapshot struct {
	handle  metadata.Changelog // with what it builds upon
	whole   *wholeSnapshot     // a new materialization, in place of entries
	entries []entry
}

func (s *logSnapshot) write(w writer) (metadata.KeyedHandle, error) {
	s.handle.ID = w.newID()
	if s.whole != nil {
		written, err := s.whole.writeGroups(w)
		if err != nil || written == nil {
			return nil, err
		}
		s.handle.Materialized = []metadata.KeyedHandle{written}
		s.handle.CheckpointedSize = storage.SizeOf(written)
		return &s.handle, nil
	}
	stream, err := w.stream(checkpoints.Shared, func(out *checkpoints.StateStream) error { return writeEntries(out, s.entries) })
	if err != nil {
		return nil, err
	}
	if stream != nil {
		size := storage.SizeOf(stream)
		s.handle.CheckpointedSize = size
		s.handle.Changes = append(s.handle.Changes, &metadata.ChangelogFiles{
			Range: s.handle.Range, Streams: []metadata.OffsetStream{{Stream: stream}}, Size: size, CheckpointedSize: size,
			ID: w.newID(), Storage: "filesystem",
		})
	}
	if len(s.handle.Materialized)+len(s.handle.Changes) == 0 {
		return nil, nil
	}
	return &s.handle, nil
}
