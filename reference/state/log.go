package state

import (
	"slices"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/metadata"
)

// log is the tracker of the backend [Changelog]. It writes the changes in the order in which they
// happened. A checkpoint consists of a complete, older copy of the state, which Flink calls the
// materialization, and of the changes since then.
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
		taken.whole.scope = checkpoints.Shared // later checkpoints refer to this materialization
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
		l.base, l.materialization = handle, handle.Materialization // no anchoring is needed, since the files of the handle have absolute names
	}
}

// logSnapshot writes the changes since the base, or a new materialization.
type logSnapshot struct {
	handle  metadata.Changelog // refers to the files of the base; write adds the new files
	whole   *wholeSnapshot     // if not nil, this is written as a new materialization, and entries is not used
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
