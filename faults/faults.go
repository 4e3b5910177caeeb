// Package faults is what goes wrong, and when: faults are values that print
// themselves and parse back, so that a scenario, a report and a replay name them
// alike.
//
//	(Kill taskmanager)                       at once
//	(Kill taskmanager (During checkpoint))   while a checkpoint is in progress
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
)

// Fault is one thing that goes wrong.
type Fault struct {
	Action  Action
	Process Process
	When    When
}

// Action is what is done.
type Action string

// Kill ends a process at once, as SIGKILL does.
const Kill Action = "Kill"

// Process is a kind of process.
type Process string

// TaskManager is one of the processes that run subtasks; chance says which.
const TaskManager Process = "taskmanager"

// When is the moment at which a fault fires.
type When string

// The moments.
const (
	AtOnce           When = ""
	DuringCheckpoint When = "During checkpoint" // begun, and never completed
)

// Catalogue lists every fault.
func Catalogue() []Fault {
	return []Fault{
		{Kill, TaskManager, AtOnce},
		{Kill, TaskManager, DuringCheckpoint},
	}
}

func (f Fault) String() string {
	if f.When == AtOnce {
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
	text := "ends one of the TaskManagers, as SIGKILL does"
	if f.When == DuringCheckpoint {
		text += ", while a checkpoint is in progress that then never completes"
	}
	return text
}
