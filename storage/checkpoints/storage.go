package checkpoints

import (
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/metadata"
)

// Storage holds the checkpoints of one job. There are two implementations:
// [JobManagerStorage] and [FileSystemStorage].
type Storage interface {
	// Prepare creates the directories that all checkpoints of the job use, and makes their
	// names durable. It fails if the storage cannot be reached or written.
	Prepare() error

	// Begin creates the directory of a new checkpoint and returns where its state goes. It
	// fails if an earlier run of the job left a directory with the same id.
	Begin(id int64) (Target, error)

	// BeginSavepoint creates the directory of a new savepoint below dir. The name must be
	// unique.
	BeginSavepoint(dir, name string) (Target, error)

	// Complete publishes the checkpoint whose state was written to the target. The attempt is
	// part of the name of a temporary file; no other attempt may use it.
	Complete(target Target, attempt string, checkpoint metadata.Checkpoint) (storage.Completed, error)

	// Find returns the job's completed checkpoints on storage, newest first.
	Find() ([]storage.Completed, error)

	// DiscardOthers discards the job's completed checkpoints that are not in kept. A JobManager
	// leaves such a checkpoint if it dies, or loses leadership, when the checkpoint is published
	// but not yet recorded in the journal.
	DiscardOthers(kept []storage.Completed) error

	// DeleteUnreferenced deletes the files among the job's checkpoints to which no kept
	// checkpoint refers. Killed processes leave such files. Nobody may write to the job's
	// directory any more.
	DeleteUnreferenced(kept []storage.Completed) error
}
