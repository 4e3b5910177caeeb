// Package reference is Snapback's reference engine: a small stream engine whose
// checkpoints follow Apache Flink's protocol, written to be read.
//
// A JobManager accepts jobs and knows the TaskManagers; each job has a master,
// which deploys its subtasks, restarts them when one fails, and drives the
// checkpoint coordinator. All of it is straight-line code on package environment,
// and runs simulated or as processes.
//
// It is not fast, general or highly available: it runs the workloads of
// docs/workloads.md, and a job dies with its JobManager.
//
// To follow a checkpoint, read coordinator.Coordinator.Trigger, task.Run,
// storage.Publish, in that order. Start here with [JobManager].
package reference
