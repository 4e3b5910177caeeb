// Package state holds the state of one subtask: keyed state in key groups, timers, and lists of
// operator state. It takes snapshots of the state for checkpoints, and restores it.
//
// A snapshot has two parts. [Subtask.Snapshot] is the synchronous part. It runs between two records
// and notes what the state is. [Snapshot.Write] is the asynchronous part. It writes this state
// while the subtask processes more records. Keyed state is written as a whole, or only the changes
// since the newest checkpoint that is known to be complete. The changes go to sorted files that
// checkpoints share, or to a log.
//
// This package knows nothing of barriers, and does not decide when a checkpoint is complete.
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
	Full        Backend = "full"        // each checkpoint contains all keyed state
	Incremental Backend = "incremental" // changes go to sorted files that checkpoints share
	Changelog   Backend = "changelog"   // changes go to a log on top of an older, complete copy of the state
)

// Backends lists the backends. The first is the default.
func Backends() []Backend { return []Backend{Full, Incremental, Changelog} }

// Kind is the purpose of a snapshot.
type Kind int

// The kinds.
const (
	Checkpoint Kind = iota // the snapshot may refer to files of earlier checkpoints
	Savepoint              // the snapshot refers only to its own files, and no checkpoint refers to these files
)

// Restore holds the parts of a checkpoint's state from which a subtask is restored.
type Restore struct {
	Restored bool   // whether there is a checkpoint from which the subtask is restored
	Location string // the location of the checkpoint
	Operator []metadata.OperatorHandle
	Keyed    []metadata.KeyedHandle
	Exact    bool // whether the keyed state belonged to exactly this subtask, and new checkpoints may refer to its files
	InFlight []InFlight
}

// InFlight holds records that were on their way to a subtask when the checkpoint was taken.
type InFlight struct {
	Edge   int // number of the input edge
	Stream metadata.Stream
	Offset int64 // offset in the stream, in bytes
	Size   int64 // size in the stream, in bytes
}

// Subtask is the state of one subtask. Only this subtask uses it.
type Subtask struct {
	Keyed *Keyed // nil if the operator has no keyed state
	lists []*List
	saved map[string]savedList // the restored lists for which the operator has not asked yet; the key is the name
}

// New returns the empty state of a subtask. If the operator has no keyed state, `keyed` is nil.
func New(keyed *Keyed) *Subtask { return &Subtask{Keyed: keyed, saved: map[string]savedList{}} }

// Restore restores the state from a checkpoint. Call it before the operator is opened.
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

// Unclaimed returns the name of a restored list for which the operator has not asked.
func (s *Subtask) Unclaimed() (name string, found bool) {
	for name := range s.saved {
		return name, true
	}
	return "", false
}

// Snapshot is the state of a subtask at a barrier. It is not written yet.
type Snapshot struct {
	lists []savedList
	keyed keyedSnapshot // nil if there is no keyed state
}

// keyedSnapshot writes keyed state. It does not run in the task that changes the state.
type keyedSnapshot interface {
	write(w writer) (metadata.KeyedHandle, error)
}

// Snapshot takes a snapshot of the state. It is fast, since it copies only references.
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

// writer writes the pieces of a snapshot to a target.
type writer struct {
	files  filesystem.FileSystem
	target checkpoints.Target
	newID  func() string
}

// stream writes one piece of state. The function `body` produces the data.
func (w writer) stream(scope checkpoints.Scope, body func(*checkpoints.StateStream) error) (metadata.Stream, error) {
	stream := w.target.Create(w.files, scope, w.newID)
	defer stream.Abort()
	if err := body(stream); err != nil {
		return nil, err
	}
	return stream.Close()
}

// Write writes the state to the target and returns its handles. When Write returns without an
// error, the state is durable.
//
// A crash during Write leaves files to which nothing refers. They are deleted when the checkpoint
// is aborted.
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

// Written notes the handles of a written snapshot. Later snapshots may refer to its files if its
// checkpoint becomes complete.
func (s *Subtask) Written(checkpoint int64, handles metadata.Subtask) {
	if s.Keyed != nil && handles.ManagedKeyed != nil {
		s.Keyed.changes.written(checkpoint, handles.ManagedKeyed)
	}
}

// Completed notes that a checkpoint is complete. Later checkpoints need not write the changes of
// this checkpoint again.
//
// FLINK-25395: while it is unknown whether a checkpoint is complete, later checkpoints must write
// its changes again. The checkpoint may be aborted, and then its files are deleted.
func (s *Subtask) Completed(checkpoint int64) {
	if s.Keyed != nil {
		s.Keyed.changes.completed(checkpoint)
	}
}
