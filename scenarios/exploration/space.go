package exploration

import (
	"cmp"
	"slices"
	"time"

	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
)

// Space says which scenarios are drawn for a real engine, such as Flink. Their jobs run for a second
// or so, and use only what the engine can do. Other than with [Draw], one scenario in two has no
// faults, and jobs are often resumed from the checkpoints of earlier jobs, at another parallelism.
type Space struct {
	Features []scenarios.Feature // the features that the target has
	Backends []string            // the state backends that the target has; the first is the plainest
	Groups   bool                // whether the target honours the maximum parallelism of a job
	Settings []Setting           // settings that the target has
	Only     Only
}

// Draw draws a scenario with the given name. The scenario is always valid.
func (s Space) Draw(name string, c Choices) scenarios.Scenario { return s.draw(name, newDrawing(c)) }

func (s Space) draw(name string, d *drawing) scenarios.Scenario {
	d.only, d.modes = s.Only, []storage.ClaimMode{storage.NoClaim, storage.Claim}
	e := &engine{drawing: d, space: s}
	e.begin(name)
	if e.scenario.Job.Backend == "changelog" {
		d.modes = []storage.ClaimMode{storage.Claim}
	}
	e.steps()
	return e.end()
}

// engine draws a scenario for a real engine.
type engine struct {
	*drawing
	space   Space
	links   []link // the jobs so far
	records int    // number of records that the jobs so far need
}

// link is a job in a chain of jobs. Each job but the first resumes from a checkpoint of an earlier
// job.
type link struct {
	name        string
	parallelism int
	left        int // the number of retained checkpoints that are certainly left, after the job was canceled
}

func (e *engine) has(features ...scenarios.Feature) bool {
	return !slices.ContainsFunc(features, func(f scenarios.Feature) bool { return !slices.Contains(e.space.Features, f) })
}

// begin draws the configuration and the workload. It leaves the number of records open, because
// more steps need more records.
func (e *engine) begin(name string) {
	e.scenario = scenarios.Scenario{
		Name: name, Title: "A job lives through what chance does to it, and nothing is lost or doubled",
		Requirements: []string{"REC-02", "REC-03", "LIV-01"}, Bound: time.Minute,
		Cluster: scenarios.Cluster{TaskManagers: 1 + (e.Int("taskManagers", 0, 4)+1)/2, Retained: e.Int("retained", 1, 3)},
	}
	if e.seldom("retain all", 4) {
		e.scenario.Cluster.Retained = retainedAll
	}
	if e.has(scenarios.HA) && e.some("high availability") {
		e.scenario.Cluster.JobManagers = 2
	}
	w := &e.scenario.Workload
	w.Name = workload.Counts
	if e.has(scenarios.Workloads) {
		w.Name = e.one("workload", workload.Names()...)
	}
	w.Splits, w.Keys = e.Int("splits", 1, 4), e.Int("keys", 1, 8)
	if e.one("number of keys", "few", "many") == "many" {
		w.Keys = e.Int("many keys", 100, 1500)
	}
	w.Pause, w.Snapshot = e.millis("pause", 1, 2), e.millis("snapshot", 0, 20)
	if w.Name == workload.Backpressure {
		w.Slow = e.millis("slow", 1, 4)
	}
	if w.Name == workload.Growing {
		w.Payload = e.Int("payload", 0, 100)
	}
	e.job()
}

func (e *engine) job() {
	retain, deletes, none := string(storage.RetainOnCancellation), string(storage.DeleteOnCancellation), string(storage.NoExternalizedCheckpoint)
	j := &e.scenario.Job
	j.Parallelism = e.Int("parallelism", 1, e.scenario.Cluster.TaskManagers)
	if e.space.Groups && e.some("few key groups") {
		j.ParallelismMax = e.Int("maximum parallelism", e.scenario.Cluster.TaskManagers, 6)
	}
	j.Interval, j.Timeout = e.millis("interval", 30, 150), timeoutNone
	j.Restarts, j.Tolerable = 50, 50
	j.Retention = storage.Retention(e.one("retention", retain, retain, retain, retain, deletes, none))
	j.Backend = e.one("backend", e.space.Backends...)
	if e.has(scenarios.Modes) {
		e.barriers()
	}
	if j.AtLeastOnce {
		e.scenario.Requirements = []string{"REC-08", "LIV-01"}
	}
	e.setting()
	e.now = *j
}

// timeoutNone is the time-out of checkpoints. It is Flink's default, and so long that no checkpoint
// expires, even on a machine that is very busy.
const timeoutNone = 10 * time.Minute

const (
	startTime = 300 * time.Millisecond // the longest time until a job has started, on a machine that is not busy
	faultTime = time.Second            // how long a job lives on after a fault
	lastLeast = 100 * time.Millisecond // how long the last job lives on after its last step, at least
	lastMost  = 300 * time.Millisecond // and at most
	spare     = 2                      // jobs get this many times the records that they need, because the machine may be busy
)

func (e *engine) steps() {
	e.submit(scenarios.Submit{})
	e.links = []link{{name: e.current, parallelism: e.scenario.Job.Parallelism}}
	faulty := e.one("faults", "none", "some") == "some"
	if !faulty {
		e.scenario.Job.Restarts = quietRestarts
	}
	e.live(startTime)
	for range e.Int("things that happen", 1, stepsMax) {
		e.happen(faulty)
	}
	e.live(e.millis("last", int(lastLeast.Milliseconds()), int(lastMost.Milliseconds())))
	w := &e.scenario.Workload
	w.Records = 1 + e.records/w.Splits
}

// quietRestarts is the number of restarts of a job without faults. A job that cannot be restored
// fails for good after them, so it must be small.
const quietRestarts = 2

// live adds the records that the last job reads in the given time. Each subtask reads one split at
// a time.
func (e *engine) live(d time.Duration) {
	w := e.scenario.Workload
	readers := min(w.Splits, e.links[len(e.links)-1].parallelism)
	e.records += spare * readers * int(d/max(w.Pause, w.Slow))
}

// checkpoints returns the time in which a job completes a number of checkpoints.
func (e *engine) checkpoints(n int) time.Duration {
	j := e.scenario.Job
	return time.Duration(n) * (max(j.Interval, j.MinPause) + e.scenario.Workload.Snapshot)
}

// happen draws one event, and adds its steps.
func (e *engine) happen(faulty bool) {
	var things []string
	offer := func(offered bool, names ...string) {
		if offered {
			things = append(things, names...)
		}
	}
	resume := e.has(scenarios.Resume, scenarios.Retention) && e.scenario.Job.Retention == storage.RetainOnCancellation
	offer(resume, "cancel and resume", "cancel and resume", "cancel and resume")
	offer(resume && e.source() != nil, "roll back")
	offer(true, "wait")
	offer(e.has(scenarios.Trigger), "checkpoint")
	offer(e.has(scenarios.Savepoint) && e.scenario.Job.Backend != "forst", "savepoint", "stop and resume") // ForSt refuses the canonical format
	offer(faulty && e.has(scenarios.Kill), "kill a TaskManager", "kill a TaskManager mid-checkpoint")
	offer(faulty && e.has(scenarios.Pause), "pause a TaskManager")
	offer(faulty && e.has(scenarios.Kill, scenarios.Tap), "kill a TaskManager before an operation", "kill a TaskManager after an operation")
	offer(faulty && e.has(scenarios.Tap), "fail an operation", "lose an operation")
	offer(faulty && e.has(scenarios.Partition), "cut a TaskManager")
	offer(faulty && e.has(scenarios.Network), "break the connections of a TaskManager")
	offer(faulty && e.has(scenarios.HA, scenarios.JobManager) && e.scenario.Cluster.JobManagers > 0, "kill the JobManager", "kill the JobManager mid-checkpoint")
	if len(things) == 0 {
		return
	}
	switch thing := e.one("thing", things...); thing {
	case "cancel and resume":
		e.cancelAndResume(&e.links[len(e.links)-1])
	case "roll back":
		e.cancelAndResume(e.source())
	case "wait":
		e.wait()
	case "checkpoint":
		if !e.faulted { // otherwise a fault may interrupt the checkpoint, which violates no requirement
			e.snapshot(thing)
		}
	case "savepoint", "stop and resume":
		e.snapshot(thing)
	default:
		e.happens(thing)
		e.live(faultTime)
	}
	if e.current != e.links[len(e.links)-1].name {
		submitted := e.scenario.Steps[len(e.scenario.Steps)-1].Submit
		e.links = append(e.links, link{name: e.current, parallelism: cmp.Or(submitted.Parallelism, e.scenario.Job.Parallelism)})
		e.live(startTime)
	}
}

// snapshot adds the steps of a checkpoint or a savepoint that the scenario asks for. A subtask without
// a split finishes at once, and an engine may refuse what is asked for then. So each subtask has a
// split.
func (e *engine) snapshot(thing string) {
	w := &e.scenario.Workload
	w.Splits = max(w.Splits, e.scenario.Cluster.TaskManagers)
	if thing == "stop and resume" {
		e.stopAndResume(func() *scenarios.Job { return nil })
	} else {
		e.happens(thing)
	}
	e.live(e.checkpoints(1))
}

// source returns an earlier job than the last, of which a retained checkpoint is certainly left. It
// returns nil if there is none.
func (e *engine) source() *link {
	for i := range e.links[:len(e.links)-1] {
		if e.links[i].left > 0 {
			return &e.links[i]
		}
	}
	return nil
}

// cancelAndResume cancels the last job. The next job resumes from a checkpoint of the given job,
// which may be an earlier one.
func (e *engine) cancelAndResume(from *link) {
	last := &e.links[len(e.links)-1]
	completed := e.Int("completed", 1, 4)
	e.live(e.checkpoints(completed))
	last.left = min(completed, e.scenario.Cluster.Retained)
	name := from.name
	e.add(
		scenarios.Step{Await: &scenarios.Await{Job: last.name, Completed: completed}},
		scenarios.Step{Cancel: last.name},
		scenarios.Step{Await: &scenarios.Await{Job: last.name, Status: storage.Canceled}},
	)
	submit := e.resumed(scenarios.Submit{Restore: name, Parallelism: e.parallelism()}, from)
	if submit.ClaimMode = storage.NoClaim; submit.From == scenarios.ToCheckpoint {
		submit.ClaimMode = e.claimMode()
	}
	if submit.ClaimMode == storage.Claim {
		from.left--
	}
	if e.seldom("damage", 8) {
		e.refused(submit)
	}
	e.submit(submit)
}

// claimMode draws a claim mode. The changelog backend of Flink can only restore in mode CLAIM: after
// a restore in mode NO_CLAIM, each checkpoint fails.
func (e *engine) claimMode() storage.ClaimMode {
	switch {
	case !e.has(scenarios.Claim):
		return ""
	case e.scenario.Job.Backend == "changelog":
		return storage.Claim
	}
	return storage.ClaimMode(e.one("claim mode", string(storage.NoClaim), string(storage.Claim)))
}

// parallelism draws the parallelism of a job that resumes. Mostly the job is rescaled, because a
// resume at the same parallelism is easier for the engine.
func (e *engine) parallelism() int {
	if !e.has(scenarios.Rescale) {
		return 0
	}
	before := e.links[len(e.links)-1].parallelism
	if e.scenario.Cluster.TaskManagers == 1 || e.Int("rescale", 0, 3) == 0 {
		return before
	}
	other := e.Int("other parallelism", 1, e.scenario.Cluster.TaskManagers-1)
	if other >= before {
		other++
	}
	return other
}
