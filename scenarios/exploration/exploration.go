// Package exploration draws scenarios at random. A scenario is the result of many small choices: of
// its configuration, workload, steps and faults. If a scenario fails, a caller can make the choices
// smaller.
//
// Each scenario leaves some features out completely, because a feature may hide the bugs of another
// feature. The scenarios of a block of seeds complete each other: see [Blocks].
//
// This package runs nothing. Start with [Draw], or with [Space] for a real engine. What is drawn is
// in configuration.go and events.go.
package exploration

import (
	"math/rand/v2"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/scenarios"
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
	jobs     int           // the number of submitted jobs
	current  string        // the name of the job that was submitted last
	now      scenarios.Job // the configuration of that job
	faulted  bool          // whether one of the steps so far is a fault
	late     bool          // whether a fault may take effect later, and interrupt a later step
	needed   time.Duration // the time for which the steps so far need input
	sources  []source      // canceled jobs that certainly still have a retained checkpoint
	legacy   bool          // whether a job was resumed in claim mode LEGACY; then nobody may claim what it was resumed from
	only     Only
	modes    []storage.ClaimMode               // the claim modes to choose from
	saw      func(label string, text []string) // receives the texts of each choice between texts; may be nil
}

// source is a job from whose checkpoints another job can be resumed.
type source struct {
	job  string
	left int // if it is not 0: the job still has the checkpoints 1 to left
}

func newDrawing(c Choices) *drawing { return &drawing{Choices: c, modes: storage.ClaimModes()} }

// some makes a choice between true and false. Both are equally likely.
func (d *drawing) some(label string) bool { return d.Int(label, 0, 1) == 1 }

// seldom makes a choice between true and false. In one of so many scenarios it is true.
func (d *drawing) seldom(label string, of int) bool { return d.Int(label, 1, of) == of }

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

func (d *drawing) add(steps ...scenarios.Step) {
	d.scenario.Steps = append(d.scenario.Steps, steps...)
}

// need notes that a step needs input for some time.
func (d *drawing) need(time time.Duration) { d.needed += time }

func (d *drawing) steps() {
	d.submit(scenarios.Submit{})
	if d.outgrows() {
		d.complete(1)
	}
	for range d.Int("things that happen", 2, stepsMax) {
		d.happen()
	}
}

// pauseMax is the longest pause of a source after a record. A longer pause would only make a
// workload wait.
const pauseMax = 20 * time.Millisecond

// end adds the last steps, and makes the input last as long as the steps need it.
func (d *drawing) end() scenarios.Scenario {
	w := &d.scenario.Workload
	w.Pause = d.needed/time.Duration(w.Records) + time.Millisecond
	if w.Payload < largePayload {
		w.Pause = min(pauseMax, w.Pause)
		w.Records = max(w.Records, int(d.needed/w.Pause))
	}
	d.last()
	d.add(scenarios.Step{Record: "after"})
	d.scenario.Features = d.scenario.Needed()
	return d.scenario
}

// last adds the steps that end the last job. Mostly it reads its whole input, because only then all
// of its output can be judged. A job whose state comes to a limit must fail.
func (d *drawing) last() {
	status := storage.Finished
	switch {
	case d.outgrows():
		status = storage.Failed
	case d.one("last", "finished", "finished", "finished", "finished", "finished", "canceled") == "canceled":
		status = storage.Canceled
		d.complete(1)
		d.add(scenarios.Step{Cancel: d.current})
	}
	if status != storage.Finished {
		d.scenario.Requirements = []string{"LIV-01"}
	}
	d.add(scenarios.Step{Await: &scenarios.Await{Job: d.current, Status: status}})
}
