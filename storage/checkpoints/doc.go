// Package checkpoints writes checkpoints for the engine. It writes state to files, or keeps it in
// the JobManager's memory. It publishes `_metadata` durably. It knows which checkpoint uses which
// file, and deletes a file when nothing refers to the file any more.
//
// It follows Apache Flink's JobManagerCheckpointStorage and FileSystemCheckpointStorage. It does
// not decide when a checkpoint is taken: the reference engine's coordinator does. It does not read
// the checkpoint that a user names: package storage does.
//
// Start with [Storage]. A checkpoint passes through these calls, in this order: [Storage].Begin,
// [Target.Create] for each piece of state, [Storage].Complete, [Registry.Add] and, at last,
// [Registry.Discard].
package checkpoints
