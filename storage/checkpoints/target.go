package checkpoints

import (
	"fmt"

	"github.com/snapback/snapback/storage/filesystem"
)

// Target says where the state of one checkpoint goes. The JobManager sends it to the tasks.
type Target struct {
	Location  string // directory of the checkpoint; empty if it has none
	Exclusive string // directory of each scope; empty if all state stays in memory
	Shared    string
	TaskOwned string
	Savepoint bool // all scopes have one directory, which a user may move

	InlineMax   int64  // bytes of one piece of state that stay in memory; if it is larger, it goes to a file, or fails if there is no directory
	WriteBuffer int    // bytes collected before they are written
	MessageMax  int64  // bytes of a message to the JobManager
	Budget      int64  // bytes of all state that stays in memory; 0 means no limit
	EntropyKey  string // part of a directory's name that EntropySize random characters replace
	EntropySize int
}

// Abort deletes the directory of a checkpoint that was never completed. Its publish may have
// failed after `_metadata` was in place. A caller may repeat Abort after a crash at any point.
func (t Target) Abort(files filesystem.FileSystem) error {
	if t.Location == "" {
		return nil
	}
	if err := DeleteDirectory(files, t.Location); err != nil {
		return fmt.Errorf("abort %s: %w", filesystem.URL(t.Location), err)
	}
	return nil
}

// DeleteDirectory deletes the directory of a checkpoint. `_metadata` goes first, and durably, so
// that a crash leaves no checkpoint without its files.
func DeleteDirectory(files filesystem.FileSystem, location string) error {
	if err := unpublish(files, location); err != nil {
		return err
	}
	return filesystem.RemoveAll(files, location)
}
