package checkpoints

import (
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/metadata"
)

// Storage holds the checkpoints of one job. There are two implementations:
// [JobManagerStorage] and [FileSystemStorage].
type Storage interface {
	// Prepare creates the directories that all checkpoints of the job share, and makes the names of
	// these directories durable. It fails if the storage cannot be reached or written.
	Prepare() error

	// Begin creates the directory of a new checkpoint. The target says where the checkpoint's state
	// goes. Begin fails if an earlier run of the job left a checkpoint directory with the same id.
	Begin(id int64) (Target, error)

	// BeginSavepoint creates the directory of a new savepoint below the directory dir. Each
	// savepoint needs a different name.
	BeginSavepoint(dir, name string) (Target, error)

	// Complete publishes the checkpoint whose state was written to the target. The parameter
	// attempt becomes part of the name of a temporary file. Each call needs an attempt of its own.
	Complete(target Target, attempt string, checkpoint metadata.Checkpoint) (storage.Completed, error)

	// Find returns the job's completed checkpoints on storage, newest first.
	Find() ([]storage.Completed, error)

	// DiscardOthers discards the job's completed checkpoints that are not in the list "kept". A
	// JobManager may publish a checkpoint and then die, or lose leadership, before it records the
	// checkpoint in the journal. DiscardOthers discards such a checkpoint.
	DiscardOthers(kept []storage.Completed) error

	// DeleteUnreferenced deletes the files in the job's directory to which no checkpoint in the
	// list "kept" refers. Killed processes leave such files. Call DeleteUnreferenced only when
	// nobody writes to the job's directory any more.
	DeleteUnreferenced(kept []storage.Completed) error
}
