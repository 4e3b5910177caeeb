// Package layout tells a tap, through which all operations on storage pass, in which directories
// Flink stores its checkpoints. The reference uses the same directories.
//
//	JOB-ID/chk-7/_metadata   describes checkpoint 7; its exclusive state lies beside this file
//	JOB-ID/shared/           holds the state that several checkpoints share
//
// Start with [Flink].
package layout

import (
	"path"
	"slices"
	"strings"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// Flink is the layout of Flink's checkpoints. It implements [tap.Layout].
type Flink struct{}

// Phase returns the phase of a checkpoint to which an operation belongs. It returns the empty phase
// if the operation belongs to no phase.
func (Flink) Phase(kind faults.Kind, name, newName string) faults.Phase {
	at := name
	if newName != "" {
		at = newName
	}
	dir, last := path.Split(at)
	parent := path.Base(dir)
	inside, shared := isCheckpoint(parent), parent == storage.SharedName
	switch {
	case isCheckpoint(last) && kind == faults.Mkdir:
		return faults.Begin
	case kind == faults.SyncDir && (isCheckpoint(last) || last == storage.SharedName || storage.ValidJobID(last)):
		return faults.Publish
	case (inside || shared || isCheckpoint(last)) && (kind == faults.Remove || kind == faults.Delete):
		return faults.Discard
	case inside && last == storage.MetadataName && (kind == faults.Rename || kind == faults.Put || kind == faults.Close):
		return faults.Publish
	case inside && (last == storage.MetadataName || strings.HasPrefix(last, storage.InProgressPrefix)):
		return faults.Metadata
	case inside || shared:
		return faults.State
	}
	return ""
}

// Checkpoint returns the job's directory and the number N. The name must be `JOB/chk-N` or a path
// below it.
func (Flink) Checkpoint(name string) (job string, number int64, ok bool) {
	for at := name; !filesystem.IsRoot(at); at = filesystem.Dir(at) {
		if number, ok := storage.ParseCheckpointName(path.Base(at)); ok {
			return filesystem.Dir(at), number, true
		}
	}
	return "", 0, false
}

// Directory says whether a directory on the storage of checkpoints can have this name. The parameter
// root is the name of the directory that holds all others.
func (Flink) Directory(root string) func(name string) bool {
	return func(name string) bool {
		known := []string{root, storage.SharedName, storage.TaskOwnedName}
		return slices.Contains(known, name) || isCheckpoint(name) || storage.ValidJobID(name)
	}
}

func isCheckpoint(name string) bool {
	_, ok := storage.ParseCheckpointName(name)
	return ok
}
