// Package state is the state of one subtask: keyed state in key groups, with timers,
// and lists of operator state; how it is taken for a checkpoint and brought back.
//
// A snapshot has two parts. [Subtask.Snapshot] is the synchronous one: it notes what
// the state is, between two records. [Snapshot.Write] is the asynchronous one: it
// writes that down while records go on. Keyed state is written whole, or as what
// changed since the last checkpoint that is known to be complete: in sorted files that
// checkpoints share, or as a log.
//
// It does not know what a barrier is, nor who decides that a checkpoint is complete.
//
// Start with [Subtask].
package state

import (
	"fmt"

	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// Backend says how keyed state is written.
type Backend string

// The backends.
const (
	Full        Backend = "full"        // all of it, for each checkpoint
	Incremental Backend = "incremental" // what changed, in sorted files that checkpoints share
	Changelog   Backend = "changelog"   // what changed, as a log on top of all of it at some time
)

// Backends lists them; the first is the default.
func Backends() []Backend { return []Backend{Full, Incremental, Changelog} }

// Kind says what a snapshot is for.
type Kind int

// The kinds.
const (
	Checkpoint Kind = iota // may refer to files of earlier checkpoints
	Savepoint              // refers to no file but its own, and nobody else does
)

// Restore is what a subtask is restored from: the parts of a checkpoint's state that
// are now its own.
type Restore struct {
	Restored bool   // else it is a fresh start
	Location string // of the checkpoint
	Operator []metadata.OperatorHandle
	Keyed    []metadata.KeyedHandle
	Exact    bool // the keyed state is this very subtask's, and its files may be referred to
	InFlight []InFlight
}

// InFlight is what was on its way to a subtask when the checkpoint was taken.
type InFlight struct {
	Edge   int // the input it came on
	Stream metadata.Stream
	Offset int64 // in the stream, bytes
	Size   int64 // bytes
}

// Subtask is the state of one subtask. It belongs to that subtask alone.
type Subtask struct {
	Keyed *Keyed // nil if the operator has none
	lists []*List
	saved map[string]savedList // restored, and not asked for yet
}

// New returns the empty state of a subtask; keyed may be nil.
func New(keyed *Keyed) *Subtask { return &Subtask{Keyed: keyed, saved: map[string]savedList{}} }

// Restore brings back what a checkpoint holds. It comes before the operator is opened.
func (s *Subtask) Restore(files filesystem.FileSystem, from Restore) error {
	for _, handle := range from.Operator {
		if err := s.restoreLists(files, from.Location, handle); err != nil {
			return err
		}
	}
	switch {
	case s.Keyed != nil:
		return s.Keyed.restore(files, from)
	case len(from.Keyed) > 0:
		return fmt.Errorf("the checkpoint has keyed state, the operator has none")
	}
	return nil
}

// Unclaimed names a list that was restored and that the operator did not ask for.
func (s *Subtask) Unclaimed() (name string, found bool) {
	for name := range s.saved {
		return name, true
	}
	return "", false
}

// Snapshot is the state at a barrier, to be written.
type Snapshot struct {
	lists []savedList
	keyed keyedSnapshot // nil if there is no keyed state
}

// keyedSnapshot writes keyed state. It is used by another task than the state itself.
type keyedSnapshot interface {
	write(w writer) (metadata.KeyedHandle, error)
}

// Snapshot notes the state as of now. It is quick: nothing is written or copied but
// references.
func (s *Subtask) Snapshot(checkpoint int64, kind Kind) *Snapshot {
	taken := &Snapshot{}
	for _, list := range s.lists {
		taken.lists = append(taken.lists, savedList{name: list.name, mode: list.mode, elements: list.elements})
	}
	if s.Keyed != nil {
		taken.keyed = s.Keyed.snapshot(checkpoint, kind)
	}
	return taken
}

// writer is where a snapshot goes.
type writer struct {
	files  filesystem.FileSystem
	target checkpoints.Target
	newID  func() string
}

// stream begins a piece of state, and ends it with what body wrote.
func (w writer) stream(scope checkpoints.Scope, body func(*checkpoints.StateStream) error) (metadata.Stream, error) {
	stream := w.target.Create(w.files, scope, w.newID)
	defer stream.Abort()
	if err := body(stream); err != nil {
		return nil, err
	}
	return stream.Close()
}

// Write writes the state to the target and returns the handles that say where it is.
// When it returns without an error the bytes are durable.
//
// A crash on the way leaves files, or parts of them, that nothing refers to; they go
// when the checkpoint is abandoned.
func (s *Snapshot) Write(files filesystem.FileSystem, target checkpoints.Target, newID func() string) (metadata.Subtask, error) {
	w := writer{files, target, newID}
	var handles metadata.Subtask
	lists, err := writeLists(w, s.lists)
	if err != nil {
		return handles, err
	}
	if lists != nil {
		handles.ManagedOperator = lists
	}
	if s.keyed != nil {
		if handles.ManagedKeyed, err = s.keyed.write(w); err != nil {
			return handles, err
		}
	}
	return handles, nil
}

// Written notes what became of a snapshot. Only what is written can be gone on with.
func (s *Subtask) Written(checkpoint int64, handles metadata.Subtask) {
	if s.Keyed != nil && handles.ManagedKeyed != nil {
		s.Keyed.changes.written(checkpoint, handles.ManagedKeyed)
	}
}

// Completed notes that a checkpoint is complete: what it holds, later ones need not
// write again.
//
// FLINK-25395: until then they do. A checkpoint that was given up takes its files away.
func (s *Subtask) Completed(checkpoint int64) {
	if s.Keyed != nil {
		s.Keyed.changes.completed(checkpoint)
	}
}
