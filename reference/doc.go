// Package reference is Snapback's reference engine: a small stream engine, written to be read. Its
// checkpoints follow Apache Flink's protocol.
//
// A JobManager accepts jobs and knows the TaskManagers. If there are several JobManagers, one
// leads. Each job has a master, which deploys the subtasks, restarts them after failures, and runs
// the checkpoint coordinator. All of this is straight-line code on package environment. It runs in
// a simulation or in real processes.
//
// The engine is neither fast nor general. It runs only the workloads of docs/workloads.md, and it
// keeps keyed state in memory.
//
// ARCHITECTURE.md leads through the engine, from the barrier to the restore. Start with
// [JobManager], then read execution.go. For a checkpoint, read package coordinator, task.Run and
// package state.
package reference
