// Package storage is where checkpoints live: the layout of a checkpoint
// directory, the order in which a checkpoint becomes visible and durable, what is
// kept and what is deleted when a job ends, and how a retained checkpoint is found
// again.
//
//	{dir}/{job-id}/shared/          state shared between checkpoints
//	{dir}/{job-id}/taskowned/       state that no checkpoint may delete
//	{dir}/{job-id}/chk-7/_metadata  makes chk-7 a checkpoint
//	{dir}/{job-id}/chk-7/…          exclusive state of chk-7
//
// It follows Apache Flink's FileSystemCheckpointStorage. It is not the protocol
// that decides when a checkpoint is taken: that is the reference engine's
// coordinator.
//
// Start with [FileSystemCheckpointStorage], then [Publish].
package storage
