package storage

import "github.com/snapback/snapback/storage/metadata"

// Completed is a checkpoint from which a job can be restored.
type Completed struct {
	Location   string // directory that holds `_metadata`; empty if the checkpoint exists only in the JobManager's memory
	Checkpoint metadata.Checkpoint
}

// NotAddressable is Flink's name for the location of a checkpoint that exists only in the
// JobManager's memory.
const NotAddressable = "<checkpoint-not-externally-addressable>"

// Pointer returns the text that a user gives to resume from the checkpoint.
func (c Completed) Pointer() string {
	if c.Location == "" {
		return NotAddressable
	}
	return c.Location
}
