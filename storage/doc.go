// Package storage names the parts of a checkpoint on storage, and reads completed checkpoints.
//
//	{dir}/{job-id}/shared/          state shared between checkpoints
//	{dir}/{job-id}/taskowned/       state that no checkpoint may delete
//	{dir}/{job-id}/chk-7/_metadata  makes chk-7 a checkpoint
//	{dir}/{job-id}/chk-7/…          exclusive state of chk-7
//
// The names and the layout are Apache Flink's. This package serves both the engine and the users'
// tools. It never writes: package checkpoints writes for the engine, and package audit deletes for
// users.
//
// Start with [Resolve], which reads the checkpoint that a user names, and [ReadState], which
// reads a piece of its state.
package storage
