package fields

import (
	"time"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/metadata"
)

// head begins each scenario of the table. A row reads the features that it needs from its steps.
const head = `
name: fields/row
title: A scenario that sets one field
requirements: [LIV-01]
features: [restart, resume, trigger, retention, kill, jobmanager, pause, ha, savepoint, native, suspend, rescale, claim, modes, workloads, tap, powerloss, partition, bandwidth, network, remote, clock, processor, upgrade, kafka, filesink]
bound: 20s
`

// These scenarios are the bases of the rows.
const (
	// plain runs a job, and cancels it.
	plain = `
workload: {splits: 4, records: 100000, keys: 16, pause: 2ms, snapshot: 1ms}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 150ms, retention: RETAIN_ON_CANCELLATION, restarts: 5}
steps:
  - submit: {job: first}
  - await: {job: first, completed: 4}
  - cancel: first
  - await: {job: first, status: CANCELED}
  - record: after
`
	// struggling runs a job whose checkpoints need long.
	struggling = `
workload: {splits: 4, records: 100000, keys: 16, pause: 2ms, snapshot: 700ms}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 150ms, timeout: 10m, retention: RETAIN_ON_CANCELLATION, restarts: 0}
steps:
  - submit: {job: first}
  - await: {job: first, status: RUNNING}
  - wait: 3s
  - cancel: first
`
	// behind runs a job whose records wait on their way, because an operator is slow.
	behind = `
workload: {name: backpressure, splits: 4, records: 100000, keys: 16, pause: 1ms, slow: 2ms, snapshot: 0s}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 300ms, retention: RETAIN_ON_CANCELLATION, restarts: 5}
steps:
  - submit: {job: first}
  - await: {job: first, completed: 3}
  - cancel: first
  - await: {job: first, status: CANCELED}
`
	// failing runs a job whose code fails.
	failing = `
workload: {splits: 4, records: 100000, keys: 16, pause: 2ms, snapshot: 1ms}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 150ms, retention: RETAIN_ON_CANCELLATION, restarts: 0}
steps:
  - submit: {job: first}
  - await: {job: first, completed: 1}
  - fail: first
  - await: {job: first, status: FAILED}
`
	// whole runs a job to the end of its input.
	whole = `
workload: {splits: 4, records: 40, keys: 16, pause: 2ms, snapshot: 1ms}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 150ms, retention: RETAIN_ON_CANCELLATION, restarts: 5}
steps:
  - submit: {job: first}
  - await: {job: first, status: FINISHED}
`
	// doubling kills a TaskManager while some barriers are on their way for long, and others are not.
	doubling = `
workload: {splits: 4, records: 1000, keys: 16, pause: 1ms, snapshot: 0s}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 200ms, retention: RETAIN_ON_CANCELLATION, restarts: 5}
steps:
  - submit: {job: first}
  - await: {job: first, completed: 1}
  - fault: (Lag taskmanager 50ms)
  - await: {job: first, more: 3}
  - fault: (Kill taskmanager)
  - fault: (Heal)
  - start: taskmanager
  - await: {job: first, status: FINISHED}
`
	// shrunk kills a TaskManager, and starts none in its place.
	shrunk = `
workload: {splits: 4, records: 100000, keys: 16, pause: 2ms, snapshot: 1ms}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 150ms, retention: RETAIN_ON_CANCELLATION, restarts: 5}
steps:
  - submit: {job: first}
  - await: {job: first, completed: 2}
  - fault: (Kill taskmanager)
  - wait: 4s
`
	// leaderless kills the JobManager, and starts none in its place.
	leaderless = `
workload: {splits: 4, records: 100000, keys: 16, pause: 2ms, snapshot: 1ms}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 150ms, retention: RETAIN_ON_CANCELLATION, restarts: 5}
steps:
  - submit: {job: first}
  - await: {job: first, completed: 2}
  - fault: (Kill jobmanager)
  - wait: 12s
`
	// resumed runs a job, cancels it, and resumes it as job second.
	resumed = `
workload: {splits: 4, records: 100000, keys: 16, pause: 2ms, snapshot: 1ms}
cluster: {taskManagers: 2, retained: 50}
job: {parallelism: 2, interval: 150ms, retention: RETAIN_ON_CANCELLATION, restarts: 5}
steps:
  - submit: {job: first}
  - await: {job: first, completed: 3}
  - savepoint: {job: first}
  - await: {job: first, more: 1}
  - cancel: first
  - await: {job: first, status: CANCELED}
  - submit: {job: second, restore: first}
  - await: {job: second, completed: 2}
  - cancel: second
  - await: {job: second, status: CANCELED}
  - record: after
`
	second = "submit: {job: second, restore: first}"
)

var ofCluster = []Row{
	{
		Field: "cluster.taskManagers", Base: shrunk, Old: "taskManagers: 2", New: "taskManagers: 3",
		Shows: "the job comes back with the TaskManagers that are left", Seen: later(history.Completed, 1, many),
	},
	{
		Field: "cluster.jobManagers", Base: leaderless, Old: "retained: 1", New: "retained: 1, jobManagers: 2",
		Shows: "another JobManager leads the job on", Seen: later(history.Completed, 1, many),
	},
	{
		Field: "cluster.retained", Base: plain, Old: "retained: 1", New: "retained: 3",
		Shows: "three checkpoints are on storage", Seen: retains("first", 3),
	},
	{
		Field: "cluster.settings", Base: plain, Old: "retained: 1", New: "retained: 1, settings: {execution.checkpointing.data-inline-threshold: 1mb}",
		Shows: "all state is in _metadata", Seen: inline,
	},
}

var ofJob = []Row{
	{
		Field: "job.parallelism", Base: plain, Old: "parallelism: 2", New: "parallelism: 1",
		Shows: "each operator has one subtask", Seen: operators("first", func(o metadata.Operator) bool { return o.Parallelism == 1 }),
	},
	{
		Field: "job.maxParallelism", Base: plain, Old: "parallelism: 2", New: "parallelism: 2, maxParallelism: 7",
		Shows: "each operator has seven key groups", Seen: operators("first", func(o metadata.Operator) bool { return o.MaxParallelism == 7 }),
	},
	{
		Field: "job.interval", Base: plain, Old: "interval: 150ms", New: "interval: 700ms",
		Shows: "checkpoints begin 700ms apart", Seen: apart(history.Triggered, history.Triggered, 600*time.Millisecond),
	},
	{
		Field: "job.minPause", Base: plain, Old: "interval: 150ms", New: "interval: 150ms, minPause: 600ms",
		Shows: "a checkpoint begins 600ms after the end of the one before", Seen: apart(history.Completed, history.Triggered, 500*time.Millisecond),
	},
	{
		Field: "job.timeout", Base: struggling, Old: "timeout: 10m", New: "timeout: 300ms",
		Shows: "a checkpoint expires", Seen: failedWith("expired"),
	},
	{
		Field: "job.maxConcurrent", Base: struggling, Old: "timeout: 10m", New: "timeout: 10m, maxConcurrent: 3",
		Shows: "two checkpoints are in progress at the same time", Seen: atOnce,
	},
	{
		Field: "job.tolerable", Base: intolerant, Old: "timeout: 300ms", New: "timeout: 300ms, tolerable: 100",
		Shows: "the job does not fail", Seen: func(r Run) bool { return r.statuses("first", storage.Failed) == 0 },
	},
	{
		Field: "job.retention", Base: plain, Old: "RETAIN_ON_CANCELLATION", New: "DELETE_ON_CANCELLATION",
		Shows: "no checkpoint is left of a canceled job", Seen: retains("first", 0),
	},
	{
		Field: "job.restarts", Base: failing, Old: "restarts: 0", New: "restarts: 3",
		Shows: "the job is restarted three times", Seen: func(r Run) bool { return r.statuses("first", storage.Restarting) == 3 },
	},
	{
		Field: "job.atLeastOnce", Base: doubling, Old: "restarts: 5", New: "restarts: 5, atLeastOnce: true",
		Shows: "a record is there twice", Seen: doubled, Only: reference.Name,
	},
	{
		Field: "job.atLeastOnce", Base: plain, Old: "restarts: 5", New: "restarts: 5, atLeastOnce: true",
		Shows: "Flink answers so", Seen: configured(`"mode":"at_least_once"`), Only: flink.Name,
	},
	{
		Field: "job.unaligned", Base: behind, Old: "restarts: 5", New: "restarts: 5, unaligned: true",
		Shows: "a checkpoint holds records that barriers overtook", Seen: inFlight,
	},
	{
		Field: "job.alignmentTimeout", Base: behindUnaligned, Old: "unaligned: true", New: "unaligned: true, alignmentTimeout: 10m",
		Shows: "no checkpoint holds records that barriers overtook", Seen: not(inFlight),
	},
	{
		Field: "job.backend", Base: plain, Old: "restarts: 5", New: "restarts: 5, backend: incremental",
		Shows: "keyed state is in files that checkpoints share", Seen: keyed[*metadata.Incremental],
	},
	{
		Field: "job.backend", Base: plain, Old: "restarts: 5", New: "restarts: 5, backend: changelog",
		Shows: "keyed state is a log of changes", Seen: keyed[*metadata.Changelog],
	},
	{
		Field: "job.backend", Base: incremental, Old: "backend: incremental", New: "backend: full",
		Shows: "keyed state is in one file", Seen: keyed[*metadata.KeyGroups],
	},
	{
		Field: "job.backend", Base: plain, Old: "restarts: 5", New: "restarts: 5, backend: rocksdb",
		Shows: "Flink answers so", Seen: configured(`"state_backend":"EmbeddedRocksDBStateBackend"`), Only: flink.Name,
	},
	{
		Field: "job.backend", Base: plain, Old: "restarts: 5", New: "restarts: 5, backend: forst",
		Shows: "Flink answers so", Seen: configured(`"state_backend":"ForStStateBackend"`), Only: flink.Name,
	},
	{
		Field: "job.settings", Base: plain, Old: "restarts: 5", New: "restarts: 5, settings: {execution.checkpointing.data-inline-threshold: 1mb}",
		Shows: "all state is in _metadata", Seen: inline,
	},
}

var (
	intolerant      = with(struggling, "timeout: 10m", "timeout: 300ms")
	behindUnaligned = with(behind, "restarts: 5", "restarts: 5, unaligned: true")
	incremental     = with(plain, "restarts: 5", "restarts: 5, backend: incremental")
	growing         = with(plain, "{splits: 4", "{name: growing, splits: 4")
)

var ofWorkload = []Row{
	{
		Field: "workload.name", Base: whole, Old: "{splits: 4", New: "{name: splits, splits: 4",
		Shows: "each line has four numbers", Seen: func(r Run) bool { return len(r.lines()) > 0 && len(r.lines()[0]) == 4 },
	},
	{
		Field: "workload.splits", Base: whole, Old: "splits: 4", New: "splits: 3",
		Shows: "three splits are put out", Seen: func(r Run) bool { return r.distinct(0) == 3 },
	},
	{
		Field: "workload.records", Base: whole, Old: "records: 40", New: "records: 25",
		Shows: "25 records of each split are put out", Seen: func(r Run) bool { return len(r.lines()) == 4*25 },
	},
	{
		Field: "workload.keys", Base: whole, Old: "keys: 16", New: "keys: 3",
		Shows: "three keys are put out", Seen: func(r Run) bool { return r.distinct(2) == 3 },
	},
	{
		Field: "workload.pause", Base: whole, Old: "pause: 2ms", New: "pause: 50ms",
		Shows: "80 records of a subtask need 4s", Seen: ran(3500 * time.Millisecond),
	},
	{
		Field: "workload.snapshot", Base: plain, Old: "snapshot: 1ms", New: "snapshot: 500ms",
		Shows: "each checkpoint needs 500ms", Seen: apart(history.Triggered, history.Completed, 450*time.Millisecond),
	},
	{
		Field: "workload.slow", Base: whole, Old: "snapshot: 1ms", New: "snapshot: 1ms, slow: 50ms",
		Shows: "80 records of a subtask need 4s", Seen: ran(3500 * time.Millisecond),
	},
	{
		Field: "workload.payload", Base: growing, Old: "snapshot: 1ms", New: "snapshot: 1ms, payload: 2000",
		Shows: "a checkpoint has more than 100 kB", Seen: func(r Run) bool { return r.bytes("first") > 100_000 },
	},
	{
		Field: "workload.uneven", Base: whole, Old: "snapshot: 1ms", New: "snapshot: 1ms, uneven: true",
		Shows: "the splits have 0, 13, 26 and 40 records", Seen: func(r Run) bool { return len(r.lines()) == 13+26+40 },
	},
	{
		Field: "workload.idle", Base: plain, Old: "snapshot: 1ms", New: "snapshot: 1ms, idle: 1",
		Shows: "nothing is read from split 0", Seen: not(reads("split-0-*")),
	},
	{
		Field: "workload.connectors", Base: whole, Old: "snapshot: 1ms", New: "snapshot: 1ms, connectors: filesink",
		Shows: "the files have the names that Flink's sink gives", Seen: named("part-*-*-*-*-*-*"),
	},
	{
		Field: "workload.connectors", Base: whole, Old: "snapshot: 1ms", New: "snapshot: 1ms, connectors: kafka",
		Shows: "Kafka's client logs its transactions", Seen: logged("transaction.timeout.ms = 60000"),
	},
	{
		Field: "workload.transactionTimeout", Base: with(whole, "snapshot: 1ms", "snapshot: 1ms, connectors: kafka"), Old: "connectors: kafka", New: "connectors: kafka, transactionTimeout: 77s",
		Shows: "Kafka's client logs the time", Seen: logged("transaction.timeout.ms = 77000"),
	},
}

var ofSubmission = []Row{
	{
		Field: "submit.job", Base: plain, Old: "first", New: "other",
		Shows: "a job of this name takes checkpoints", Seen: func(r Run) bool { _, ids := r.dir("other"); return len(ids) > 0 },
	},
	{
		Field: "submit.restore", Base: with(resumed, second, "submit: {job: second}"), Old: "submit: {job: second}", New: second,
		Shows: "the job is restored", Seen: func(r Run) bool { return r.restored() > 0 },
	},
	{
		Field: "submit.from", Base: resumed, Old: second, New: "submit: {job: second, restore: first, from: {checkpoint: 2}}",
		Shows: "the job is restored from checkpoint 2", Seen: resumedFrom(2),
	},
	{
		Field: "submit.from", Base: resumed, Old: second, New: "submit: {job: second, restore: first, from: savepoint}",
		Shows: "the job is restored from the savepoint", Seen: func(r Run) bool {
			saved := r.events(history.Savepointed)
			return len(saved) == 1 && r.restored() == saved[0].Checkpoint
		},
	},
	{
		Field: "submit.from", Base: resumed, Old: second, New: "submit: {job: second, restore: first, from: nothing}",
		Shows: "the job is not restored", Seen: func(r Run) bool { return r.restored() == 0 },
	},
	{
		Field: "submit.from", Base: resumed, Old: second, New: "submit: {job: second, restore: first, from: {path: /no/such/chk-7}, refused: true}",
		Shows: "the job is refused", Seen: happened(history.Refused),
	},
	{
		Field: "submit.claimMode", Base: with(resumed, "retained: 50", "retained: 1"), Old: second, New: "submit: {job: second, restore: first, claimMode: CLAIM}",
		Shows: "the checkpoint that was claimed is deleted", Seen: retains("first", 0),
	},
	{
		Field: "submit.parallelism", Base: resumed, Old: second, New: "submit: {job: second, restore: first, parallelism: 1}",
		Shows: "each operator has one subtask", Seen: operators("second", func(o metadata.Operator) bool { return o.Parallelism == 1 }),
	},
	{
		Field: "submit.refused", Base: resumed, Old: second, New: "submit: {job: second, restore: first, refused: true}",
		Shows: "the run fails, because the job is accepted", Seen: func(r Run) bool { return oracle.Judge(r.History).Verdict == oracle.Fail },
	},
	{
		Field: "submit.with", Base: resumed, Old: second, New: "submit: {job: second, restore: first, with: {retention: DELETE_ON_CANCELLATION}}",
		Shows: "no checkpoint is left of the job", Seen: retains("second", 0),
	},
	{
		Field: "submit.allowNonRestored", Base: resumed, Old: second, New: "submit: {job: second, restore: first, allowNonRestored: true}",
		Shows: "Flink logs it", Seen: func(r Run) bool { return containsText(r.Log, "allowing non restored state") }, Only: flink.Name,
	},
}
