package state

import (
	"slices"

	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/metadata"
)

// segmentsMax is the largest number of files that the keyed state of one subtask may have in a
// checkpoint. The materialization of a changelog is one file more. A checkpoint that would need
// more files writes all state again, as one file.
const segmentsMax = 4

// tracker follows the changes of keyed state, and takes the snapshots of keyed state.
type tracker interface {
	changed(group int, key int32, name, member string, value []byte)
	snapshot(checkpoint int64) keyedSnapshot
	written(checkpoint int64, handle metadata.KeyedHandle)
	completed(checkpoint int64)
	restored(from Restore)
}

// untracked is the tracker of the backend [Full]. It follows no changes. It writes all keyed state
// for each checkpoint.
type untracked struct{ keyed *Keyed }

func (untracked) changed(int, int32, string, string, []byte) {}

func (u untracked) snapshot(int64) keyedSnapshot { return u.keyed.whole() }

func (untracked) written(int64, metadata.KeyedHandle) {}

func (untracked) completed(int64) {}

func (untracked) restored(Restore) {}

// since holds the changes since the base. The base is the newest checkpoint that is known to be
// complete. Later checkpoints refer to the files of the base and add the changes. The changes are
// divided into intervals: an interval ends when the snapshot of a checkpoint is taken.
type since[change any] struct {
	base      metadata.KeyedHandle           // nil if there is no base; then a checkpoint writes all state
	fresh     bool                           // whether the state was empty before the changes, so that the changes are all state
	intervals []interval[change]             // oldest first; the last interval is still open
	handles   map[int64]metadata.KeyedHandle // handles of written snapshots; the key is the id of the checkpoint
}

// interval holds the changes between two snapshots.
type interval[change any] struct {
	before  int64 // the checkpoint whose snapshot ended the interval; 0 while it is open
	changes change
}

func (s *since[change]) open(empty change) {
	s.intervals = append(s.intervals, interval[change]{changes: empty})
}

func (s *since[change]) last() *interval[change] { return &s.intervals[len(s.intervals)-1] }

func (s *since[change]) written(checkpoint int64, handle metadata.KeyedHandle) {
	s.handles[checkpoint] = handle
}

// completed makes a checkpoint the base, and drops the changes that the checkpoint contains. If
// this subtask has no handle of the checkpoint, the base stays as it is.
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

func writeEntries(out *checkpoints.StateStream, entries []entry) error {
	for _, e := range entries {
		if _, err := e.writeTo(out); err != nil {
			return err
		}
	}
	return nil
}
