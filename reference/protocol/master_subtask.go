package protocol

import (
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/metadata"
)

// Messages of the master of a job to a subtask.
type (
	// Start lets a source emit records. All subtasks run now.
	Start struct{}

	// Trigger begins a checkpoint at a subtask. Only subtasks without a running subtask upstream
	// receive it. All others receive the [Barrier] from upstream.
	Trigger struct{ Barrier Barrier }

	// Complete says that a checkpoint is published.
	Complete struct{ Checkpoint int64 }

	// Aborted says that a checkpoint was aborted. If a subtask has not answered for this checkpoint
	// yet, it declines the checkpoint now.
	Aborted struct{ Checkpoint int64 }

	// Finish ends a subtask. A complete checkpoint holds its last state.
	Finish struct{}

	// Cancel ends a subtask at once.
	Cancel struct{}
)

// Messages of a subtask to the master of its job.
type (
	// TaskRunning says that a subtask is restored and ready for records.
	TaskRunning struct {
		Subtask Subtask
		Attempt string
	}

	// Acknowledge says that a subtask's state for a checkpoint is durable.
	Acknowledge struct {
		Subtask    Subtask
		Attempt    string
		Checkpoint int64
		State      metadata.Subtask
		EndOfInput bool // the subtask emits nothing any more
	}

	// Decline says that a subtask cannot take part in a checkpoint. The subtask continues. Nothing
	// needs the files that it has written for the checkpoint.
	Decline struct {
		Subtask    Subtask
		Attempt    string
		Checkpoint int64
		Reason     string
		Written    metadata.Subtask
	}

	// EndOfInput says that a subtask emits nothing any more.
	EndOfInput struct {
		Subtask Subtask
		Attempt string
	}

	// TaskEnded is the last message of a subtask. Its status is Finished, Canceled or Failed.
	TaskEnded struct {
		Subtask Subtask
		Attempt string
		Status  storage.JobStatus
		Error   string
	}
)
