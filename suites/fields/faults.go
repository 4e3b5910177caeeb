package fields

import (
	"time"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/targets/reference"
)

// These scenarios are the bases of the rows of faults. A row replaces the step that waits for 1ms.
const (
	// struck runs a job on which a fault falls.
	struck = `
workload: {splits: 4, records: 100000, keys: 16, pause: 2ms, snapshot: 1ms}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 150ms, timeout: 10m, retention: RETAIN_ON_CANCELLATION, restarts: 5}
steps:
  - submit: {job: first}
  - await: {job: first, completed: 2}
  - wait: 1ms
  - wait: 1500ms
`
	nothing = "- wait: 1ms"

	// occupied runs a job with a checkpoint that needs long.
	occupied = `
workload: {splits: 4, records: 100000, keys: 16, pause: 2ms, snapshot: 700ms}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 150ms, timeout: 10m, retention: RETAIN_ON_CANCELLATION, restarts: 5}
steps:
  - submit: {job: first}
  - fault: (Jump jobmanager 1s (Given (Triggered 1)))
  - wait: 2s
`
	// powerless loses its power before the removal of a checkpoint is durable.
	powerless = `
workload: {splits: 4, records: 1000, keys: 16, pause: 2ms, snapshot: 1ms}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 150ms, retention: RETAIN_ON_CANCELLATION, restarts: 5}
steps:
  - arm: (PowerLoss posix 1 (After (Write "*/chk-*" (Given (Completed 2)))))
  - submit: {job: first}
  - await: {job: first, status: FINISHED}
  - recover: first
`
	// reading resumes a job while a reader does not get what is in the file.
	reading = `
workload: {splits: 4, records: 100000, keys: 16, pause: 2ms, snapshot: 1ms}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 150ms, retention: RETAIN_ON_CANCELLATION, restarts: 5}
steps:
  - submit: {job: first}
  - await: {job: first, completed: 2}
  - cancel: first
  - await: {job: first, status: CANCELED}
  - arm: (Flip 0 (On (Read "*/_metadata")))
  - submit: {job: second, restore: first, refused: true}
`
	// left kills every process before it can delete a file that was not written to its end.
	left = `
workload: {splits: 4, records: 100000, keys: 16, pause: 2ms, snapshot: 1ms}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 150ms, retention: RETAIN_ON_CANCELLATION, restarts: 5}
steps:
  - submit: {job: first}
  - await: {job: first, completed: 2}
  - arm: (Kill cluster (Before (Remove "*/chk-*" (Given (Fired 1)))))
  - fault: (Short 5 (On (Write "*/chk-*")))
  - wait: 1s
`
)

// on returns a row whose fault falls on a job that runs, on which no fault falls without the field.
func on(field, steps, shows string, seen func(Run) bool) Row {
	return Row{Field: field, Base: struck, Old: nothing, New: steps, Shows: shows, Seen: seen}
}

// other returns a row in which the value of a fault's field differs from another value.
func other(field, steps, old, replacement, shows string, seen func(Run) bool) Row {
	return Row{Field: field, Base: with(struck, nothing, steps), Old: old, New: replacement, Shows: shows, Seen: seen}
}

// onReference returns a row whose effect only a run of the reference shows.
func onReference(row Row) Row {
	row.Only = reference.Name
	return row
}

var (
	noneCompletes = later(history.Completed, 0, 0)
	someComplete  = later(history.Completed, 1, many)
)

var ofProcesses = []Row{
	other("Kill.Process", "- fault: (Kill taskmanager)\n  - start: taskmanager\n  - wait: 2s", "taskmanager", "jobmanager",
		"the job is gone with the JobManager", noneCompletes),
	other("Kill.Process", "- fault: (Kill taskmanager)\n  - start: jobmanager\n  - start: taskmanager\n  - wait: 2s", "(Kill taskmanager)", "(Kill cluster)",
		"the job is gone with all processes", noneCompletes),
	on("Pause.Process", "- fault: (Pause taskmanager)", "no checkpoint completes", noneCompletes),
	// On Flink, the scenarios faults/cut-jobmanager and ha/pause-jobmanager show this and (Cut jobmanager).
	onReference(other("Pause.Process", "- fault: (Pause taskmanager)\n  - wait: 600ms\n  - fault: (Resume taskmanager)", "taskmanager", "jobmanager",
		"no checkpoint begins", meanwhile(history.Triggered, 0, 0))),
	other("Resume.Process", "- fault: (Pause taskmanager)\n  - wait: 300ms\n  - fault: (Resume jobmanager)", "Resume jobmanager", "Resume taskmanager",
		"a checkpoint completes", someComplete),
	other("Slow.Process", "- fault: (Slow jobmanager 10%)\n  - wait: 1500ms", "jobmanager", "taskmanager", "one subtask reads less than half of what the other reads", uneven),
	other("Slow.SharePercent", "- fault: (Slow taskmanager 90%)\n  - wait: 1500ms", "90%", "10%", "one subtask reads less than half of what the other reads", uneven),
	{
		Field: "Jump.Process", Base: with(occupied, "Jump jobmanager 1s", "Jump taskmanager 1h"), Old: "taskmanager 1h", New: "jobmanager 1h",
		Shows: "the checkpoint in progress expires", Seen: failedWith("expired"),
	},
	{
		Field: "Jump.Forward", Base: occupied, Old: "jobmanager 1s", New: "jobmanager 1h",
		Shows: "the checkpoint in progress expires", Seen: failedWith("expired"),
	},
	other("Drift.Process", "- fault: (Drift taskmanager 400%)", "taskmanager", "jobmanager", "more than 20 checkpoints begin in 1500ms", later(history.Triggered, 20, many)),
	other("Drift.PacePercent", "- fault: (Drift jobmanager 100%)", "100%", "400%", "more than 20 checkpoints begin in 1500ms", later(history.Triggered, 20, many)),
	{
		Field: "PowerLoss.Level", Base: with(powerless, "posix 1", "ordered 0"), Old: "ordered", New: "posix", Only: reference.Name,
		Shows: "files of checkpoint 1 are there after the power loss, because their removal was not durable", Seen: survives("/chk-1/"),
	},
	{
		Field: "PowerLoss.State", Base: powerless, Old: "posix 1", New: "posix 0", Only: reference.Name,
		Shows: "files of checkpoint 1 are there after the power loss, because their removal was not durable", Seen: survives("/chk-1/"),
	},
}

var ofConnections = []Row{
	on("Cut.Of", "- fault: (Cut taskmanager)", "no checkpoint completes", noneCompletes),
	onReference(on("Cut.Of", "- fault: (Cut jobmanager)", "no checkpoint completes", noneCompletes)),
	on("Cut.Of", "- fault: (Cut storage)", "no checkpoint completes", noneCompletes),
	on("Break.Of", "- fault: (Break taskmanager)\n  - wait: 1500ms", "the job is restarted", later(history.Restored, 1, many)),
	on("Break.Of", "- fault: (Break storage (Given (Triggered 3)))\n  - fault: (Break storage (After 1ms))\n  - fault: (Break storage (After 1ms))", "an operation on storage fails", failedWith("connection reset")),
	on("Lag.Of", "- fault: (Lag taskmanager 400ms)\n  - wait: 1s", "a checkpoint needs 400ms", took(400*time.Millisecond)),
	on("Lag.Of", "- fault: (Lag jobmanager 400ms)\n  - wait: 1s", "a checkpoint needs 400ms", took(400*time.Millisecond)),
	on("Lag.Of", "- fault: (Lag storage 400ms)\n  - wait: 1s", "at most two checkpoints complete", later(history.Completed, 0, 2)),
	other("Lag.Delay", "- fault: (Lag taskmanager 1ms)\n  - wait: 1s", "1ms)", "400ms)", "a checkpoint needs 400ms", took(400*time.Millisecond)),
	on("Limit.Of", "- fault: (Limit taskmanager 1)", "at most one checkpoint completes", later(history.Completed, 0, 1)),
	on("Limit.Of", "- fault: (Limit jobmanager 1)", "at most one checkpoint completes", later(history.Completed, 0, 1)),
	other("Limit.KilobytesPerSecond", "- fault: (Limit taskmanager 99999)", "99999", "1", "at most one checkpoint completes", later(history.Completed, 0, 1)),
	other("Heal", "- fault: (Cut taskmanager)\n  - wait: 300ms\n  - wait: 1ms", nothing, "- fault: (Heal)", "a checkpoint completes", someComplete),
}

var ofOperations = []Row{
	// Flink does not say the number of the error, and its writer tries a file again.
	onReference(other("Fail.Errno", `- fault: (Fail EIO (On (Store "*/chk-*")))`, "EIO", "ENOSPC", "the reason of an abort is a full disk", failedWith("no space", "No space"))),
	on("Drop", `- fault: (Drop (On (Sync "*/chk-*")))`, "a checkpoint is aborted", later(history.Aborted, 1, many)),
	{
		Field: "Short.KeptBytes", Only: reference.Name, Base: left, Old: "Short 5", New: "Short 3",
		Shows: "a file of three bytes is left", Seen: sized(3),
	},
	{
		Field: "Flip.OffsetBytes", Only: reference.Name, Base: reading, Old: "Flip 0", New: "Flip 3",
		Shows: "the reader got the first three bytes of the magic number", Seen: failedWith("got 0x4960672", "number 4960672"),
	},
	{
		Field: "Truncate.KeptBytes", Base: with(reading, "Flip 0", "Truncate 1000000"), Old: "Truncate 1000000", New: "Truncate 20",
		Shows: "the job is refused", Seen: happened(history.Refused),
	},
	other("Delay.Wait", `- fault: (Delay 1ms (On (Store "*/chk-*")))`, "1ms (On", "900ms (On", "a checkpoint needs 900ms", took(900*time.Millisecond)),
	on("Lose", `- fault: (Lose (On (Store "*/chk-*")))`, "a checkpoint is aborted", later(history.Aborted, 1, many)),
	other("Throttle.Times", `- fault: (Throttle 1 (On (Put "*/chk-*")))`, "Throttle 1 ", "Throttle 1000 ", "checkpoints are aborted one after the other", later(history.Aborted, 3, many)),
	on("Refuse", `- fault: (Refuse (On (Put "*/_metadata")))`, "a checkpoint is aborted", later(history.Aborted, 1, many)),
	// That a name is missing in the listing is seen in the tests of package tap: the reference lists a
	// directory only to see whether it is empty.
	on("Stale", `- fault: (Stale (On (List "*/chk-*")))`, "the fault fires at a listing", later(history.Triggered, 1, many)),
	on("Leave", `- fault: (Leave (On (Put "*/chk-*")))`, "a checkpoint is aborted", later(history.Aborted, 1, many)),
}

var ofMoments = []Row{
	// On Flink in one JVM, the JVM is gone before the row can be checked.
	onReference(other("Moment.When", `- fault: (Kill cluster (Before (Change "*/_metadata" (Phase publish) (Nth 3))))`, "Before", "After",
		"the newest checkpoint on storage is one that did not complete", unacknowledged)),
	other("Moment.Later", "- fault: (Kill taskmanager (After 1ms))", "1ms))", "1200ms))", "a checkpoint completes before the fault", completedBefore(6)),
	other("Moment.Condition", "- fault: (Kill taskmanager (Given (Completed 1)))", "Completed 1", "Completed 6", "six checkpoints complete before the fault", completedBefore(6)),
	other("Moment.Operation", `- fault: (Kill taskmanager (After (Change "*/chk-*")))`, `Change "*/chk-*"`, `Change "*/chk-6/*"`, "checkpoint 6 begins before the fault", completedBefore(5)),
	other("Operation.Kind", `- fault: (Delay 900ms (On (Remove "*/chk-*")))`, "Remove", "Store", "a checkpoint needs 900ms", took(900*time.Millisecond)),
	other("Operation.Path", `- fault: (Kill taskmanager (After (Change "*/chk-*")))`, `"*/chk-*"`, `"*/chk-6/*"`, "five checkpoints complete before the fault", completedBefore(5)),
	other("Operation.Nth", `- fault: (Kill taskmanager (After (Change "*/_metadata" (Phase publish) (Nth 1))))`, "Nth 1", "Nth 6", "six checkpoints complete before the fault", completedBefore(6)),
	other("Operation.Step", `- fault: (Kill taskmanager (After (Change "*/chk-*" (Step 1))))`, "Step 1", "Step 5", "the fifth change of a checkpoint is not its first", phase("state", "metadata", "publish")),
	// The other files of Flink's checkpoints may also have 1000 bytes.
	onReference(other("Operation.Byte", `- fault: (Kill taskmanager (After (Write "*/chk-*" (Byte 1))))`, "Byte 1)", "Byte 1000)",
		"the fault is at the metadata, because no other file has 1000 bytes", phase("metadata", "publish"))),
	other("Operation.Phase", `- fault: (Kill taskmanager (After (Change "*/chk-*" (Phase begin))))`, "Phase begin", "Phase discard", "the fault is at a deletion", phase("discard")),
	other("Operation.Given", `- fault: (Kill taskmanager (After (Change "*/chk-*" (Given (Completed 1)))))`, "Completed 1", "Completed 6", "six checkpoints complete before the fault", completedBefore(6)),
}
