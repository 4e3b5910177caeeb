// Package faults is what goes wrong, and when: faults are values that print
// themselves and parse back, so that a scenario, a report and a replay name them
// alike.
//
//	(Kill taskmanager)                       at once
//	(Kill jobmanager (After 130ms))          that long after the step before
//	(Kill taskmanager (During checkpoint))   while a checkpoint is in progress
//	(Pause taskmanager)                      it stands still, as by SIGSTOP
//	(Resume taskmanager)                     what stood still goes on
//
// It says what is to happen; whoever runs a cluster makes it happen. Whether a
// fault did what it says is not for this package either: the history of the run
// proves it, or the run is void.
//
// Start with [Parse].
package faults

import (
	"fmt"
	"strings"
	"time"
)

// Fault is one thing that goes wrong.
type Fault struct {
	Action  Action
	Process Process
	When    When
	After   time.Duration // with [AtOnce]: how long after the step before
}

// Action is what is done.
type Action string

// The actions.
const (
	Kill   Action = "Kill"   // ends a process at once, as SIGKILL does
	Pause  Action = "Pause"  // makes it stand still, as SIGSTOP does
	Resume Action = "Resume" // makes all of its kind that stand still go on
)

// Process is a kind of process. Of several, chance says which.
type Process string

// The processes.
const (
	TaskManager Process = "taskmanager" // runs subtasks
	JobManager  Process = "jobmanager"  // of several, the one that leads
)

// When is the moment at which a fault fires.
type When string

// The moments.
const (
	AtOnce           When = ""
	DuringCheckpoint When = "During checkpoint" // begun, and never completed
)

// Catalogue lists every fault; each may also be some time after the step before.
func Catalogue() []Fault {
	return []Fault{
		{Action: Kill, Process: TaskManager},
		{Action: Kill, Process: TaskManager, When: DuringCheckpoint},
		{Action: Kill, Process: JobManager},
		{Action: Kill, Process: JobManager, When: DuringCheckpoint},
		{Action: Pause, Process: TaskManager},
		{Action: Pause, Process: JobManager},
		{Action: Resume, Process: TaskManager},
		{Action: Resume, Process: JobManager},
	}
}

func (f Fault) String() string {
	switch {
	case f.After > 0:
		return fmt.Sprintf("(%s %s (After %s))", f.Action, f.Process, f.After)
	case f.When == AtOnce:
		return fmt.Sprintf("(%s %s)", f.Action, f.Process)
	}
	return fmt.Sprintf("(%s %s (%s))", f.Action, f.Process, f.When)
}

// Parse reads a fault as [Fault.String] writes it; spaces may differ.
func Parse(text string) (Fault, error) {
	want := normal(text)
	var known []string
	for _, fault := range Catalogue() {
		if fault.String() == want {
			return fault, nil
		}
		known = append(known, fault.String())
		if later, ok := strings.CutPrefix(want, fmt.Sprintf("(%s %s (After ", fault.Action, fault.Process)); ok && fault.When == AtOnce {
			after, err := time.ParseDuration(strings.TrimSuffix(later, "))"))
			if err != nil || after <= 0 {
				return Fault{}, fmt.Errorf("fault: After: want a time such as 130ms, got %q", text)
			}
			fault.After = after
			return fault, nil
		}
	}
	return Fault{}, fmt.Errorf("fault: want one of %s, got %q", strings.Join(known, ", "), text)
}

func normal(text string) string {
	text = strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text)
	text = strings.Join(strings.Fields(text), " ")
	return strings.NewReplacer("( ", "(", " )", ")").Replace(text)
}

// MarshalText implements [encoding.TextMarshaler].
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (f *Fault) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	*f = parsed
	return err
}

// Describe says in words what the fault does.
func (f Fault) Describe() string {
	of := "one of the TaskManagers"
	if f.Process == JobManager {
		of = "the JobManager that leads"
	}
	switch {
	case f.Action == Pause:
		return "makes " + of + " stand still, as SIGSTOP does"
	case f.Action == Resume:
		return "makes every " + string(f.Process) + " that stands still go on"
	case f.When == DuringCheckpoint:
		return "ends " + of + ", as SIGKILL does, while a checkpoint is in progress that then never completes"
	}
	return "ends " + of + ", as SIGKILL does"
}
