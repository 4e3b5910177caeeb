// Package exploration draws scenarios at random. A scenario is the result of many small choices: of
// its configuration, workload, steps and faults. If a scenario fails, a caller can make the choices
// smaller.
//
// Each scenario leaves some features out completely, because a feature may hide the bugs of another
// feature.
//
// This package runs nothing. Start with [Draw], or with [Space] for a real engine.
package exploration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
)

// Choices makes the choices of a scenario. The lowest value of a choice is the simplest.
type Choices interface {
	// Int returns a number from low to high. The label names the choice.
	Int(label string, low, high int) int
}

// Seeded makes choices at random. The same seed makes the same choices.
func Seeded(seed uint64) Choices { return seeded{rand.New(rand.NewPCG(seed, 0xd1ce))} }

type seeded struct{ rand *rand.Rand }

func (s seeded) Int(_ string, low, high int) int { return low + s.rand.IntN(high-low+1) }

// stepsMax limits the number of events, such as faults and savepoints, in one scenario.
const stepsMax = 4

// Draw draws a scenario with the given name. The scenario is always valid.
func Draw(name string, c Choices) scenarios.Scenario {
	d := newDrawing(c)
	d.begin(name)
	d.steps()
	return d.end()
}

// begin draws the configuration and the workload, but no steps.
func (d *drawing) begin(name string) {
	d.scenario = scenarios.Scenario{
		Name: name, Title: "A job lives through what chance does to it, and nothing is lost or doubled",
		Requirements: []string{"REC-02", "LIV-01"}, Bound: time.Minute,
		Cluster: scenarios.Cluster{TaskManagers: d.Int("taskManagers", 1, 3), Retained: d.Int("retained", 1, 3)},
	}
	if d.some("high availability") {
		d.scenario.Cluster.JobManagers = 2
	}
	d.workload()
	d.job()
}

// end adds the last steps.
func (d *drawing) end() scenarios.Scenario {
	d.add(
		scenarios.Step{Await: &scenarios.Await{Job: d.current, Status: storage.Finished}},
		scenarios.Step{Record: "after"},
	)
	d.scenario.Features = d.scenario.Needed()
	return d.scenario
}

// Kills draws a scenario as [Draw] does, but its steps only kill processes at random times. Other
// test tools do only this. Package power compares their strategy with Draw.
func Kills(name string, c Choices) scenarios.Scenario {
	d := newDrawing(c)
	d.begin(name)
	d.submit(scenarios.Submit{})
	for range d.Int("kills", 1, stepsMax) {
		kind := faults.TaskManager
		if d.scenario.Cluster.JobManagers > 0 && d.some("kill the JobManager") {
			kind = faults.JobManager
		}
		d.add(
			scenarios.Step{Fault: &faults.Fault{Action: faults.Kill{Process: kind}, Moment: after(d.millis("kill after", 1, 200))}},
			scenarios.Step{Start: string(kind)},
		)
	}
	return d.end()
}

type drawing struct {
	Choices
	scenario scenarios.Scenario
	jobs     int    // the number of submitted jobs
	current  string // the name of the job that was submitted last
	faulted  bool   // whether one of the steps so far is a fault
	late     bool   // whether a fault may take effect later, and interrupt a later step
	only     Only
	modes    []storage.ClaimMode               // the claim modes to choose from
	saw      func(label string, text []string) // receives the texts of each choice between texts; may be nil
}

func newDrawing(c Choices) *drawing { return &drawing{Choices: c, modes: storage.ClaimModes()} }

// some makes a choice between true and false. Both are equally likely.
func (d *drawing) some(label string) bool { return d.Int(label, 0, 1) == 1 }

// one chooses a text. It leaves out the texts that d.only excludes.
func (d *drawing) one(label string, of ...string) string {
	if d.saw != nil {
		d.saw(label, of)
	}
	if of = d.only.among(label, of); len(of) == 0 {
		return ""
	}
	return of[d.Int(label, 0, len(of)-1)]
}

func (d *drawing) millis(label string, low, high int) time.Duration {
	return time.Duration(d.Int(label+", ms", low, high)) * time.Millisecond
}

func (d *drawing) workload() {
	w := &d.scenario.Workload
	w.Name = d.one("workload", workload.Names()...)
	w.Splits, w.Records, w.Keys = d.Int("splits", 1, 4), d.Int("records", 20, 80), d.Int("keys", 1, 8)
	w.Pause = d.millis("pause", 1, 4)
	w.Snapshot = d.millis("snapshot", 0, 10)
	if w.Name == workload.Backpressure || (w.Name != workload.Counts && d.some("slow")) {
		w.Slow = d.millis("slow", 1, 4)
	}
	if w.Name == workload.Growing {
		w.Payload = d.Int("payload", 0, 100)
	}
}

func (d *drawing) job() {
	j := &d.scenario.Job
	j.Parallelism = d.Int("parallelism", 1, d.scenario.Cluster.TaskManagers)
	if d.some("few key groups") {
		j.ParallelismMax = d.Int("maximum parallelism", d.scenario.Cluster.TaskManagers, 6)
	}
	j.Interval = d.millis("interval", 10, 60)
	j.Timeout = 10 * time.Second
	j.Restarts, j.Tolerable = 50, 50
	j.Retention = storage.Retentions()[d.Int("retention", 0, len(storage.Retentions())-1)]
	j.Backend = d.one("backend", "full", "incremental", "changelog")
	d.barriers()
	if d.some("short timeout") {
		j.Timeout = d.millis("timeout", 200, 400)
	}
}

// barriers draws how checkpoints pass through the job, and how close together they begin.
func (d *drawing) barriers() {
	j := &d.scenario.Job
	switch d.one("barriers", "aligned", "unaligned", "aligned with a timeout", "at least once", "concurrent") {
	case "unaligned":
		j.Unaligned = true
	case "aligned with a timeout":
		j.Unaligned, j.AlignmentTimeout = true, d.millis("alignment timeout", 1, 10)
	case "at least once":
		j.AtLeastOnce = true
		d.scenario.Requirements[0] = "REC-08"
	case "concurrent":
		j.MaxConcurrent = 2
	}
	if d.some("minimum pause") {
		j.MinPause = d.millis("minimum pause", 1, 40)
	}
}

func (d *drawing) add(steps ...scenarios.Step) {
	d.scenario.Steps = append(d.scenario.Steps, steps...)
}

func (d *drawing) steps() {
	d.submit(scenarios.Submit{})
	for range d.Int("things that happen", 1, stepsMax) {
		d.happen()
	}
}

// next returns the name of the job that is submitted next.
func (d *drawing) next() string {
	return []string{"first", "second", "third", "fourth", "fifth"}[d.jobs]
}

func (d *drawing) submit(s scenarios.Submit) {
	s.Job = d.next()
	d.jobs++
	d.current = s.Job
	d.add(scenarios.Step{Submit: &s})
}

// happen draws one event, and adds its steps. The last of these steps repair the damage.
func (d *drawing) happen() {
	highlyAvailable := d.scenario.Cluster.JobManagers > 0
	things := []string{
		"kill a TaskManager", "kill a TaskManager mid-checkpoint", "pause a TaskManager", "checkpoint", "savepoint", "stop and resume", "cancel and resume",
		"kill at an operation", "fail an operation", "cut a TaskManager", "break the connections of a TaskManager", "put a clock forward",
	}
	if highlyAvailable {
		things = append(things, "kill the JobManager", "kill the JobManager mid-checkpoint", "pause the JobManager")
	}
	d.happens(d.one("thing", things...))
}

// happens adds the steps of an event.
func (d *drawing) happens(thing string) {
	switch thing {
	case "kill a TaskManager", "kill a TaskManager mid-checkpoint":
		d.kill(faults.TaskManager, thing != "kill a TaskManager")
	case "kill the JobManager", "kill the JobManager mid-checkpoint":
		d.kill(faults.JobManager, thing != "kill the JobManager")
	case "pause a TaskManager":
		d.pause(faults.TaskManager)
	case "pause the JobManager":
		d.pause(faults.JobManager)
	case "checkpoint":
		if d.scenario.Job.Timeout > time.Second && !d.faulted { // otherwise the checkpoint may expire or be interrupted, which violates no requirement
			d.add(scenarios.Step{Await: &scenarios.Await{Job: d.current, Status: storage.Running}}, scenarios.Step{Checkpoint: d.current})
		}
	case "savepoint":
		if d.late || d.scenario.Job.Timeout < time.Second {
			return // the savepoint may expire, which violates no requirement
		}
		d.add(scenarios.Step{Await: &scenarios.Await{Job: d.current, Status: storage.Running}},
			scenarios.Step{Savepoint: &scenarios.TakeSavepoint{Job: d.current}})
	case "stop and resume":
		d.stopAndResume()
	case "cancel and resume":
		d.cancelAndResume()
	case "kill at an operation":
		d.killAtOperation()
	case "fail an operation":
		d.failOperation()
	case "cut a TaskManager":
		d.cut()
	case "break the connections of a TaskManager":
		d.strike(faults.Fault{Action: faults.Break{Of: faults.TaskManager}, Moment: after(d.millis("break after", 1, 60))})
	case "put a clock forward":
		kind := []faults.Process{faults.TaskManager, faults.JobManager}[d.Int("whose clock", 0, 1)]
		d.strike(faults.Fault{Action: faults.Jump{Process: kind, Forward: d.millis("jump by", 100, 20_000)}, Moment: after(d.millis("jump after", 1, 60))})
	}
}

func after(d time.Duration) faults.Moment { return faults.Moment{When: faults.Later, Later: d} }

func (d *drawing) kill(kind faults.Process, midCheckpoint bool) {
	d.faulted = true
	fault := faults.Fault{Action: faults.Kill{Process: kind}}
	if midCheckpoint {
		fault.Moment.When = faults.DuringCheckpoint
	} else {
		fault.Moment = after(d.millis("kill after", 1, 60))
	}
	d.add(scenarios.Step{Fault: &fault})
	if d.some("another dies, too") && kind == faults.TaskManager && d.scenario.Cluster.TaskManagers > 1 {
		again := faults.Fault{Action: faults.Kill{Process: kind}, Moment: after(d.millis("and another after", 1, 30))}
		d.add(scenarios.Step{Fault: &again})
	}
	d.add(scenarios.Step{Start: string(kind)})
}

// strike adds a step with a fault, and notes whether the fault may interrupt later steps.
func (d *drawing) strike(fault faults.Fault) {
	d.faulted = true
	_, jumps := fault.Action.(faults.Jump)
	d.late = d.late || jumps || fault.OfConnection()
	d.add(scenarios.Step{Fault: &fault})
}

// operation draws a moment at one of the next changes of storage.
func (d *drawing) operation(when faults.When) faults.Moment {
	return faults.Moment{When: when, Operation: faults.Operation{Kind: faults.Change, Nth: d.Int("operation", 1, 60)}}
}

func (d *drawing) killAtOperation() {
	kind := faults.TaskManager
	if d.scenario.Cluster.JobManagers > 0 && d.some("kill the JobManager") {
		kind = faults.JobManager
	}
	d.strike(faults.Fault{Action: faults.Kill{Process: kind}, Moment: d.operation([]faults.When{faults.Before, faults.After}[d.Int("before or after", 0, 1)])})
	d.add(scenarios.Step{Start: string(kind)})
}

// failOperation makes an operation on a checkpoint fail, or loses its answer.
func (d *drawing) failOperation() {
	moment := d.operation(faults.On)
	moment.Operation.Path = "*/chk-*"
	if d.some("lose the answer") {
		d.strike(faults.Fault{Action: faults.Lose{}, Moment: moment})
		return
	}
	errno := []syscall.Errno{syscall.EIO, syscall.ENOSPC}[d.Int("error", 0, 1)]
	d.strike(faults.Fault{Action: faults.Fail{Errno: errno}, Moment: moment})
}

func (d *drawing) cut() {
	d.strike(faults.Fault{Action: faults.Cut{Of: faults.TaskManager}, Moment: after(d.millis("cut after", 1, 60))})
	d.strike(faults.Fault{Action: faults.Heal{}, Moment: after(d.millis("heal after", 1, 3000))})
}

func (d *drawing) pause(kind faults.Process) {
	d.faulted = true
	d.add(
		scenarios.Step{Fault: &faults.Fault{Action: faults.Pause{Process: kind}, Moment: after(d.millis("pause after", 1, 60))}},
		scenarios.Step{Fault: &faults.Fault{Action: faults.Resume{Process: kind}, Moment: after(d.millis("resume after", 1, 3000))}},
	)
}

// undrained are the workloads that are not drained. In windows, a drain closes windows too early,
// which changes the output. In rules, a key that gets no record after the drain never puts out the
// rules that come later.
var undrained = []string{workload.Windows, workload.Rules}

// stopAndResume stops the job with a savepoint, and resumes from the savepoint.
func (d *drawing) stopAndResume() {
	stop := scenarios.Suspend
	if d.some("drain") && !slices.Contains(undrained, d.scenario.Workload.Name) {
		stop = scenarios.Drain
	}
	if d.scenario.Job.Timeout < time.Second || d.late {
		return // the savepoint may expire, which violates no requirement
	}
	d.add(
		scenarios.Step{Await: &scenarios.Await{Job: d.current, Status: storage.Running}},
		scenarios.Step{Savepoint: &scenarios.TakeSavepoint{Job: d.current, Stop: stop}},
		scenarios.Step{Await: &scenarios.Await{Job: d.current, Status: storage.Finished}},
	)
	d.submit(scenarios.Submit{Restore: d.current, From: scenarios.ToSavepoint, Parallelism: d.parallelism(), ClaimMode: d.claimMode()})
}

func (d *drawing) cancelAndResume() {
	if d.scenario.Job.Retention != storage.RetainOnCancellation {
		return // no checkpoint is left from which a job could resume
	}
	d.add(
		scenarios.Step{Await: &scenarios.Await{Job: d.current, Completed: d.Int("completed", 1, 3)}},
		scenarios.Step{Cancel: d.current},
		scenarios.Step{Await: &scenarios.Await{Job: d.current, Status: storage.Canceled}},
		scenarios.Step{Record: fmt.Sprintf("before job %d", d.jobs+1)},
	)
	d.submit(scenarios.Submit{Restore: d.current, Parallelism: d.parallelism(), ClaimMode: d.claimMode()})
}

func (d *drawing) parallelism() int {
	return d.Int("new parallelism", 1, d.scenario.Cluster.TaskManagers)
}

func (d *drawing) claimMode() storage.ClaimMode {
	return d.modes[d.Int("claim mode", 0, len(d.modes)-1)]
}
