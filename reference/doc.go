// Package reference is Snapback's reference engine: a small stream engine whose
// checkpoints follow Apache Flink's protocol, written to be read.
//
// A JobManager accepts jobs and knows the TaskManagers; each job has a master, which
// deploys its subtasks, restarts those that fail, and drives the checkpoint coordinator.
// Of several JobManagers one leads. All of it is straight-line code on package
// environment, and runs simulated or as processes.
//
// It is not fast or general: it runs the workloads of docs/workloads.md, and keyed state
// lies in memory.
//
// ARCHITECTURE.md has a walk through it, from the barrier to the restore. Start here with
// [JobManager], then execution.go; a checkpoint with coordinator.Coordinator, task.Run
// and package state.
package reference
