// Package storage is where checkpoints live: in the JobManager's memory or in a file
// system, how a checkpoint becomes visible and durable, who owns which file, what is
// deleted and in which order, and how a retained checkpoint is found again.
//
//	{dir}/{job-id}/shared/          state shared between checkpoints
//	{dir}/{job-id}/taskowned/       state that no checkpoint may delete
//	{dir}/{job-id}/chk-7/_metadata  makes chk-7 a checkpoint
//	{dir}/{job-id}/chk-7/…          exclusive state of chk-7
//
// It follows Apache Flink's JobManagerCheckpointStorage and
// FileSystemCheckpointStorage. It is not the protocol that decides when a checkpoint
// is taken: that is the reference engine's coordinator.
//
// Start with [CheckpointStorage]. A checkpoint's life here is Begin, [Target.Create]
// for each piece of state, Complete, [CompletedCheckpoints.Add], and at last its
// discard.
package storage
