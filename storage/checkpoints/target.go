package checkpoints

import (
	"fmt"

	"github.com/snapback/snapback/storage/filesystem"
)

// Target says where the state of one checkpoint goes. The JobManager sends the target to the tasks.
type Target struct {
	Location string // directory of the checkpoint; empty if the checkpoint has no directory
	// The directories of the three scopes. They are empty if all state stays in memory.
	Exclusive string
	Shared    string
	TaskOwned string
	Savepoint bool // true for a savepoint: all scopes have the same directory, which a user may move

	// The largest size, in bytes, of a piece of state that stays in memory. A larger piece goes to
	// a file. If the scope has no directory, a larger piece is an error.
	InlineMax   int64
	WriteBuffer int    // size of the write buffer in bytes
	MessageMax  int64  // largest message to the JobManager, in bytes
	Budget      int64  // largest total of the state that stays in memory, in bytes; 0 means no limit
	EntropyKey  string // part of a directory's name that is replaced by EntropySize random characters
	EntropySize int
}

// Abort deletes the directory of a checkpoint that was never completed. The directory may contain
// `_metadata`, if publishing failed at its end. If a crash interrupts Abort, a caller may call
// Abort again.
func (t Target) Abort(files filesystem.FileSystem) error {
	if t.Location == "" {
		return nil
	}
	if err := DeleteDirectory(files, t.Location); err != nil {
		return fmt.Errorf("abort %s: %w", filesystem.URL(t.Location), err)
	}
	return nil
}

// DeleteDirectory deletes the directory of a checkpoint. It first deletes `_metadata` durably, so
// that a crash leaves no checkpoint without its files.
func DeleteDirectory(files filesystem.FileSystem, location string) error {
	if err := unpublish(files, location); err != nil {
		return err
	}
	return filesystem.RemoveAll(files, location)
}
