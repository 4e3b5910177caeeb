package faults

import (
	"fmt"
	"slices"
	"time"
)

// Kill kills a process as SIGKILL does.
type Kill struct{ Process Process }

func (k Kill) String() string   { return "Kill " + string(k.Process) }
func (k Kill) describe() string { return "kills " + k.Process.words() + " as SIGKILL does" }
func (k Kill) whom() Process    { return k.Process }
func (k Kill) at(process Process) Action {
	k.Process = process
	return k
}

func (k Kill) needs() string {
	switch k.Process {
	case JobManager, Cluster:
		return "jobmanager"
	case Broker:
		return "kafka"
	}
	return "kill"
}

// Pause stops a process as SIGSTOP does, until [Resume].
type Pause struct{ Process Process }

func (p Pause) String() string { return "Pause " + string(p.Process) }
func (p Pause) describe() string {
	return "pauses " + p.Process.words() + " as SIGSTOP does"
}
func (p Pause) whom() Process { return p.Process }
func (p Pause) at(process Process) Action {
	p.Process = process
	return p
}
func (p Pause) needs() string { return "pause" }

// Resume lets all paused processes of a kind continue.
type Resume struct{ Process Process }

func (r Resume) String() string { return "Resume " + string(r.Process) }
func (r Resume) describe() string {
	return "lets every paused " + string(r.Process) + " continue"
}
func (r Resume) whom() Process { return r.Process }
func (r Resume) needs() string { return "pause" }

// Slow takes processor time from a process, and leaves it only a share.
type Slow struct {
	Process      Process
	SharePercent int64
}

func (s Slow) String() string { return fmt.Sprintf("Slow %s %d%%", s.Process, s.SharePercent) }
func (s Slow) describe() string {
	return fmt.Sprintf("leaves %s only %d%% of its processor time", s.Process.words(), s.SharePercent)
}
func (s Slow) whom() Process { return s.Process }
func (s Slow) at(process Process) Action {
	s.Process = process
	return s
}
func (s Slow) needs() string { return "processor" }

// Jump moves the clock of a process forward.
type Jump struct {
	Process Process
	Forward time.Duration
}

func (j Jump) String() string { return fmt.Sprintf("Jump %s %s", j.Process, j.Forward) }
func (j Jump) describe() string {
	return fmt.Sprintf("moves the clock of %s forward by %s", j.Process.words(), j.Forward)
}
func (j Jump) whom() Process { return j.Process }
func (j Jump) at(process Process) Action {
	j.Process = process
	return j
}
func (j Jump) needs() string { return "clock" }

// Drift makes the clock of a process too fast or too slow. At 100 percent the clock is right.
type Drift struct {
	Process     Process
	PacePercent int64
}

func (d Drift) String() string { return fmt.Sprintf("Drift %s %d%%", d.Process, d.PacePercent) }
func (d Drift) describe() string {
	return fmt.Sprintf("makes the clock of %s run at %d%% of its normal speed", d.Process.words(), d.PacePercent)
}
func (d Drift) whom() Process { return d.Process }
func (d Drift) at(process Process) Action {
	d.Process = process
	return d
}
func (d Drift) needs() string { return "clock" }

var ofProcesses = []rule{
	{
		name: "Kill", moments: anyTime,
		read: func(p *parser) Action { return Kill{p.process(killable)} },
		examples: slices.Concat(
			each(killable, func(p Process) Action { return Kill{p} }),
			[]Fault{
				{Kill{TaskManager}, Moment{When: DuringCheckpoint}},
				{Kill{JobManager}, Moment{When: DuringCheckpoint}},
				at(Kill{TaskManager}, Before, Rename, "*/_metadata"),
			},
		),
	},
	{
		name: "Pause", moments: anyTime,
		read:     func(p *parser) Action { return Pause{p.process(oneProcess)} },
		examples: each(oneProcess, func(p Process) Action { return Pause{p} }),
	},
	{
		name: "Resume", moments: byTheClock,
		read:     func(p *parser) Action { return Resume{p.process(allOfAKind)} },
		examples: each(allOfAKind, func(p Process) Action { return Resume{p} }),
	},
	{
		name: "Slow", moments: byTheClock,
		read:     func(p *parser) Action { return Slow{p.process(oneProcess), p.percent()} },
		examples: each(oneProcess, func(p Process) Action { return Slow{p, 10} }),
	},
	{
		name: "Jump", moments: byTheClock,
		read:     func(p *parser) Action { return Jump{p.process(oneProcess), p.duration()} },
		examples: each(oneProcess, func(p Process) Action { return Jump{p, time.Hour} }),
	},
	{
		name: "Drift", moments: byTheClock,
		read:     func(p *parser) Action { return Drift{p.process(oneProcess), p.percent()} },
		examples: each(oneProcess, func(p Process) Action { return Drift{p, 150} }),
	},
}
