package exploration

import (
	"cmp"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
)

// next returns the name of the job that is submitted next.
func (d *drawing) next() string {
	return []string{"first", "second", "third", "fourth", "fifth"}[d.jobs]
}

func (d *drawing) submit(s scenarios.Submit) {
	s.Job = d.next()
	d.jobs++
	d.current = s.Job
	d.now.Parallelism = cmp.Or(s.Parallelism, d.now.Parallelism)
	d.add(scenarios.Step{Submit: &s})
}

// happen draws one event, and adds its steps. The last of these steps repair the damage. Some events
// are in the list several times: jobs that resume, and crashes during an operation, show most mistakes.
func (d *drawing) happen() {
	things := []string{
		"kill a TaskManager", "kill a TaskManager mid-checkpoint", "kill a TaskManager mid-checkpoint", "kill again", "pause a TaskManager",
		"kill a TaskManager before an operation", "kill a TaskManager before an operation", "kill a TaskManager after an operation",
		"checkpoint", "checkpoints", "savepoint", "stop and resume", "stop and resume", "stop and resume",
		"fail an operation", "lose an operation", "fail checkpoints in a row", "fail checkpoints in a row", "cut a TaskManager", "break the connections of a TaskManager",
		"delay connections", "put a clock forward", "let a clock drift",
	}
	if d.now.Retention == storage.RetainOnCancellation {
		things = append(things, "cancel and resume", "cancel and resume", "cancel and resume", "cancel and resume", "cancel and resume", "cancel and resume")
	}
	if len(d.sources) > 0 {
		things = append(things, "roll back", "roll back")
	}
	if d.scenario.Cluster.JobManagers > 0 {
		things = append(things, "kill the JobManager", "kill the JobManager mid-checkpoint", "kill the JobManager before an operation",
			"kill the JobManager before an operation", "kill the JobManager after an operation", "kill the JobManager after an operation",
			"pause the JobManager", "cut the JobManager", "kill the cluster", "suspend")
	}
	if d.outgrows() { // the next checkpoint may never complete
		things = []string{"kill a TaskManager", "kill again", "pause a TaskManager", "break the connections of a TaskManager"}
	}
	jobs := d.jobs
	d.happens(d.one("thing", things...))
	if d.jobs > jobs && !d.outgrows() {
		d.crashSoon()
	}
}

// happens adds the steps of an event.
func (d *drawing) happens(thing string) {
	d.need(eventNeeds)
	switch thing {
	case "kill a TaskManager", "kill a TaskManager mid-checkpoint":
		d.kill(faults.TaskManager, thing != "kill a TaskManager")
	case "kill again":
		d.kill(faults.TaskManager, false)
		d.kill(faults.TaskManager, false)
	case "kill the JobManager", "kill the JobManager mid-checkpoint":
		d.kill(faults.JobManager, thing != "kill the JobManager")
	case "kill the cluster":
		d.strike(faults.Fault{Action: faults.Kill{Process: faults.Cluster}, Moment: d.soon("kill after", 60)})
		d.add(scenarios.Step{Start: string(faults.JobManager)}, scenarios.Step{Start: string(faults.TaskManager)})
	case "suspend":
		d.suspend()
	case "pause a TaskManager":
		d.pause(faults.TaskManager)
	case "pause the JobManager":
		d.pause(faults.JobManager)
	case "checkpoint":
		d.checkpoint()
	case "checkpoints":
		d.complete(d.Int("many checkpoints", 8, 12))
	case "savepoint":
		d.savepoint()
	case "stop and resume":
		d.stopAndResume(d.another)
	case "cancel and resume":
		d.cancelAndResume(source{job: d.current})
	case "roll back":
		d.cancelAndResume(d.sources[d.Int("from", 0, len(d.sources)-1)])
	default:
		d.disturb(thing)
	}
}

// disturb adds the steps of a fault that kills no process, or that fires during an operation.
func (d *drawing) disturb(thing string) {
	switch thing {
	case "kill a TaskManager before an operation":
		d.killAtOperation(faults.TaskManager, faults.Before, faults.Publish, faults.State, faults.State)
	case "kill a TaskManager after an operation":
		d.killAtOperation(faults.TaskManager, faults.After, faults.Publish, faults.State, faults.State)
	case "kill the JobManager before an operation":
		d.killAtOperation(faults.JobManager, faults.Before, faults.Metadata, faults.Publish, faults.Discard, faults.Discard)
	case "kill the JobManager after an operation":
		d.killAtOperation(faults.JobManager, faults.After, faults.Metadata, faults.Publish, faults.Discard, faults.Discard)
	case "fail an operation":
		d.failOperation()
	case "fail checkpoints in a row":
		d.failInARow()
	case "lose an operation":
		d.strike(faults.Fault{Action: faults.Lose{}, Moment: d.ofCheckpoint()})
	case "cut a TaskManager":
		d.strike(faults.Fault{Action: faults.Cut{Of: faults.TaskManager}, Moment: d.soon("cut after", 60)})
		d.heal()
	case "cut the JobManager":
		d.strike(faults.Fault{Action: faults.Cut{Of: faults.JobManager}, Moment: d.soon("cut after", 60)})
		d.heal()
	case "delay connections":
		d.strike(faults.Fault{Action: faults.Lag{Of: faults.TaskManager, Delay: d.millis("lag", 1, 50)}, Moment: d.soon("lag after", 60)})
		d.heal()
	case "break the connections of a TaskManager":
		d.strike(faults.Fault{Action: faults.Break{Of: faults.TaskManager}, Moment: d.soon("break after", 60)})
	case "put a clock forward":
		d.strike(faults.Fault{Action: faults.Jump{Process: d.whose(), Forward: d.millis("jump by", 100, 20_000)}, Moment: d.soon("jump after", 60)})
	case "let a clock drift":
		d.strike(faults.Fault{Action: faults.Drift{Process: d.whose(), PacePercent: int64(d.Int("percent of its speed", 50, 200))}, Moment: d.soon("drift after", 60)})
	}
}

// whose draws the process whose clock goes wrong.
func (d *drawing) whose() faults.Process {
	return []faults.Process{faults.TaskManager, faults.JobManager}[d.Int("whose clock", 0, 1)]
}

// eventNeeds is the time for which an event needs input, at least.
const eventNeeds = 60 * time.Millisecond

// complete waits until the job has completed a number of checkpoints.
func (d *drawing) complete(checkpoints int) {
	d.need(2 * time.Duration(checkpoints) * (d.now.Interval + d.now.MinPause + d.scenario.Workload.Snapshot))
	d.add(scenarios.Step{Await: &scenarios.Await{Job: d.current, Completed: checkpoints}})
}

func after(d time.Duration) faults.Moment { return faults.Moment{When: faults.Later, Later: d} }

// soon draws a moment within the next milliseconds, for which the job needs input.
func (d *drawing) soon(label string, most int) faults.Moment {
	wait := d.millis(label, 1, most)
	d.need(wait)
	return after(wait)
}

// later draws the moment when a fault ends. Mostly it is soon. Otherwise it is so late that other
// processes take the process for lost.
func (d *drawing) later(label string) faults.Moment {
	if d.seldom("a long time", 3) {
		d.need(longEnough)
		return after(d.millis(label+", long", 1000, 3000))
	}
	return d.soon(label, 300)
}

// longEnough is the input for a fault that lasts long: the job may finish before the end of the fault.
const longEnough = 500 * time.Millisecond

// snapshotLeast is the least time for a snapshot that lets a fault come in the middle of a
// checkpoint.
const snapshotLeast = 5 * time.Millisecond

func (d *drawing) kill(kind faults.Process, midCheckpoint bool) {
	d.faulted = true
	fault := faults.Fault{Action: faults.Kill{Process: kind}}
	idle := kind == faults.TaskManager && d.now.Parallelism < d.scenario.Cluster.TaskManagers // then the checkpoint may complete without it
	if midCheckpoint && !idle && d.scenario.Workload.Snapshot >= snapshotLeast {
		fault.Moment.When = faults.DuringCheckpoint
		d.need(2 * d.now.Interval)
	} else {
		fault.Moment = d.soon("kill after", 60)
	}
	d.need(eventNeeds)
	d.add(scenarios.Step{Fault: &fault})
	if d.some("another dies, too") && kind == faults.TaskManager && d.scenario.Cluster.TaskManagers > 1 {
		again := faults.Fault{Action: faults.Kill{Process: kind}, Moment: d.soon("and another after", 30)}
		d.add(scenarios.Step{Fault: &again})
	}
	d.add(scenarios.Step{Start: string(kind)})
}

// strike adds a step with a fault, and notes whether the fault may interrupt later steps.
func (d *drawing) strike(fault faults.Fault) {
	d.faulted = true
	switch fault.Action.(type) {
	case faults.Jump, faults.Drift:
		d.late = true
	}
	d.late = d.late || fault.OfConnection()
	d.add(scenarios.Step{Fault: &fault})
}

// heal ends the effect of faults of connections.
func (d *drawing) heal() {
	d.strike(faults.Fault{Action: faults.Heal{}, Moment: d.later("heal after")})
}

// mostOperations is the greatest number of an operation on state. A checkpoint has about as many.
const mostOperations = 40

// operation draws a moment at one of the next changes of storage, or at one in one of these phases of
// a checkpoint. For the first kind, the path must match.
func (d *drawing) operation(when faults.When, path string, phases ...faults.Phase) faults.Moment {
	o := faults.Operation{Kind: faults.Change}
	names := []string{"any"}
	for _, phase := range phases {
		never := (phase == faults.State && !d.inFiles()) || (phase == faults.Discard && d.scenario.Cluster.Retained == retainedAll)
		if !never {
			names = append(names, string(phase))
		}
	}
	switch phase := d.one("phase", names...); phase {
	case "any":
		o.Path, o.Nth = path, d.Int("operation", 1, 3*mostOperations/2)
	case string(faults.State):
		o.Phase, o.Nth = faults.State, d.Int("operation on state", 1, mostOperations)
	default:
		o.Phase, o.Nth = faults.Phase(phase), d.Int("operation of the phase", 1, 5)
	}
	d.need(d.now.Interval + time.Duration(o.Nth)*d.now.Interval/8)
	return faults.Moment{When: when, Operation: o}
}

// ofCheckpoint draws an operation on a checkpoint that fails.
func (d *drawing) ofCheckpoint() faults.Moment {
	return d.operation(faults.On, "*/chk-*", faults.Metadata, faults.Publish, faults.Discard, faults.State)
}

// killAtOperation kills a process before or after an operation in one of these phases.
func (d *drawing) killAtOperation(kind faults.Process, when faults.When, phases ...faults.Phase) {
	d.strike(faults.Fault{Action: faults.Kill{Process: kind}, Moment: d.operation(when, "", phases...)})
	d.add(scenarios.Step{Start: string(kind)})
}

// failOperation makes an operation on a checkpoint fail, or delays it.
func (d *drawing) failOperation() {
	moment := d.ofCheckpoint()
	var action faults.Action
	switch d.one("how it fails", "EIO", "ENOSPC", "delayed") {
	case "EIO":
		action = faults.Fail{Errno: syscall.EIO}
	case "ENOSPC":
		action = faults.Fail{Errno: syscall.ENOSPC}
	case "delayed":
		action = faults.Delay{Wait: d.millis("delayed by", 1, 300)}
	}
	d.strike(faults.Fault{Action: action, Moment: moment})
}

// failInARow makes checkpoints fail one after the other. A kill between them must not end the row.
func (d *drawing) failInARow() {
	publish := faults.Moment{When: faults.On, Operation: faults.Operation{Kind: faults.Change, Phase: faults.Publish}}
	killed := d.Int("killed after", 0, 3) // 0: no kill
	for n := range d.Int("in a row", 3, 5) {
		d.strike(faults.Fault{Action: faults.Fail{Errno: syscall.EIO}, Moment: publish})
		d.need(2 * d.now.Interval)
		if n+1 == killed {
			d.kill(faults.TaskManager, true)
		}
	}
}

func (d *drawing) pause(kind faults.Process) {
	d.faulted = true
	d.add(
		scenarios.Step{Fault: &faults.Fault{Action: faults.Pause{Process: kind}, Moment: d.soon("pause after", 60)}},
		scenarios.Step{Fault: &faults.Fault{Action: faults.Resume{Process: kind}, Moment: d.later("resume after")}},
	)
}

// suspend suspends the job. Another JobManager continues it.
func (d *drawing) suspend() {
	d.complete(1)
	d.add(
		scenarios.Step{Suspend: d.current},
		scenarios.Step{Await: &scenarios.Await{Job: d.current, Status: storage.Suspended}},
	)
	d.strike(faults.Fault{Action: faults.Kill{Process: faults.JobManager}})
	d.add(scenarios.Step{Start: string(faults.JobManager)})
}

// expires says whether a checkpoint or a savepoint that is asked for now may expire, which violates
// no requirement.
func (d *drawing) expires() bool { return d.late || d.now.Timeout < time.Second }

// running waits until the job runs.
func (d *drawing) running() {
	d.add(scenarios.Step{Await: &scenarios.Await{Job: d.current, Status: storage.Running}})
}

func (d *drawing) checkpoint() {
	if d.expires() || d.faulted { // a fault may interrupt the checkpoint, which violates no requirement
		return
	}
	d.running()
	d.add(scenarios.Step{Checkpoint: d.current})
}

func (d *drawing) savepoint() {
	if d.expires() {
		return
	}
	d.running()
	d.add(scenarios.Step{Savepoint: &scenarios.TakeSavepoint{Job: d.current}})
}

// stopAndResume stops the job with a savepoint, and resumes from the savepoint, with the configuration
// that the function draws. The workload rules is not drained: a key that gets no record after the
// drain never puts out the rules that come later.
func (d *drawing) stopAndResume(with func() *scenarios.Job) {
	stop := scenarios.Suspend
	if d.some("drain") && d.scenario.Workload.Name != workload.Rules {
		stop = scenarios.Drain
	}
	if d.expires() {
		return
	}
	d.running()
	d.add(
		scenarios.Step{Savepoint: &scenarios.TakeSavepoint{Job: d.current, Stop: stop}},
		scenarios.Step{Await: &scenarios.Await{Job: d.current, Status: storage.Finished}},
	)
	d.submit(scenarios.Submit{
		Restore: d.current, From: scenarios.ToSavepoint, Parallelism: d.parallelism(), ClaimMode: d.claimMode(), With: with(),
	})
}

// cancelAndResume cancels the last job. The next job resumes from a checkpoint of the given job,
// which may be an earlier one.
func (d *drawing) cancelAndResume(from source) {
	completed := d.Int("completed", 1, 3)
	d.complete(completed)
	d.add(
		scenarios.Step{Cancel: d.current},
		scenarios.Step{Await: &scenarios.Await{Job: d.current, Status: storage.Canceled}},
		scenarios.Step{Record: fmt.Sprintf("before job %d", d.jobs+1)},
	)
	if d.now.Retention == storage.RetainOnCancellation {
		d.sources = append(d.sources, source{job: d.current, left: d.numbered(completed)})
	}
	if from.job == d.current {
		from = d.sources[len(d.sources)-1]
	}
	d.resume(from)
}

// numbered returns the number of checkpoints that the last job certainly has, if they have the
// numbers from 1.
func (d *drawing) numbered(completed int) int {
	if d.scenario.Cluster.Retained == retainedAll && !d.faulted && d.jobs == 1 {
		return completed
	}
	return 0
}

// resume submits a job that resumes from a checkpoint of another one.
func (d *drawing) resume(from source) {
	latest := from.job == d.current
	submit := scenarios.Submit{Restore: from.job, Parallelism: d.parallelism(), ClaimMode: d.claimMode()}
	if from.left > 1 && d.some("older checkpoint") {
		submit.From = scenarios.Pointer{Checkpoint: int64(d.Int("checkpoint", 1, from.left))}
	}
	if d.legacy && !latest {
		submit.ClaimMode = storage.NoClaim
	}
	d.legacy = d.legacy || submit.ClaimMode == storage.Legacy
	if submit.ClaimMode == storage.Claim { // the checkpoint belongs to the next job then
		d.sources = slices.DeleteFunc(d.sources, func(s source) bool { return s.job == from.job })
	}
	if d.seldom("damage", 8) {
		d.refused(submit)
	}
	submit.With = d.another()
	d.submit(submit)
}

// crashSoon kills a process during one of the first checkpoints of a job that was just resumed. What
// the job took over from the one before is most in danger then.
func (d *drawing) crashSoon() {
	crashes := []string{"no crash", "kill a TaskManager before an operation"}
	if d.scenario.Cluster.JobManagers > 0 {
		crashes = append(crashes, "kill the JobManager before an operation", "kill the JobManager before an operation", "kill the JobManager after an operation")
	}
	if crash := d.one("crash after a resume", crashes...); crash != "no crash" {
		d.disturb(crash)
	}
}

// refused damages metadata, so that a job cannot be submitted, and restores the metadata. The
// refusal must leave the checkpoint as it was, in each claim mode.
func (d *drawing) refused(submit scenarios.Submit) {
	how := scenarios.Truncated
	if submit.From.Checkpoint > 0 && d.some("delete") { // without metadata, only its number names a checkpoint
		how = scenarios.Deleted
	}
	file := "*/" + storage.MetadataName
	submit.Job = "refused-" + d.next()
	submit.Refused.Expected = true
	d.add(
		scenarios.Step{Damage: &scenarios.Damage{File: file, How: how}},
		scenarios.Step{Submit: &submit},
		scenarios.Step{Damage: &scenarios.Damage{File: file, How: scenarios.Restored}},
	)
}

func (d *drawing) parallelism() int {
	return d.Int("new parallelism", 1, d.scenario.Cluster.TaskManagers)
}

func (d *drawing) claimMode() storage.ClaimMode {
	return d.modes[d.Int("claim mode", 0, len(d.modes)-1)]
}
