// Package faults describes what goes wrong in a run, and when. Each fault has a text form: String
// writes the text, and Parse reads it. So a fault has the same name in a scenario, in a report and
// in a replay.
//
//	(Kill taskmanager)                                   at once
//	(Kill jobmanager (After 130ms))                      130ms after the step before
//	(Kill taskmanager (During checkpoint))               while a checkpoint is in progress
//	(Kill taskmanager (Before (Rename "*/_metadata")))   before an operation on storage
//	(Fail ENOSPC (On (Write "*/chk-*" (Byte 4096))))     in place of an operation on storage
//	(PowerLoss posix 17 (After (Sync "*" (Nth 3))))      leaves storage in possible state number 17
//	(Kill cluster (Given (And (Completed 2) (Not (Restored 1)))))
//	                                                     once the history meets a condition
//
// This package only describes faults. The runner of a cluster makes them happen, and package tap
// applies faults to operations on storage. This package does not judge whether a fault happened. If
// the history of the run does not prove that the fault happened, the run is void: it proves
// nothing.
//
// There is one type for each action. The types are in processes.go, powerloss.go,
// operations.go and connections.go.
//
// Start with [Parse]; [Catalogue] has every fault.
package faults

import (
	"errors"
	"fmt"
	"slices"
)

// Fault is one thing that goes wrong, and the moment at which it goes wrong. Faults can be compared
// with ==.
type Fault struct {
	Action Action
	Moment Moment
}

// Action is what a fault does. All types that implement Action are in this package.
type Action interface {
	fmt.Stringer // the action as a fault prints it, such as "Slow taskmanager 10%"

	describe() string // describes the action in words
	whom() Process    // the affected process, or the owner of the affected connections; empty for all other actions
	needs() string    // the feature that a target must have for this action; empty: none
}

// Process is a kind of process. If a cluster has several processes of the kind, the runner chooses
// one of them at random. If the fault fires at an operation on storage, and a process of the kind
// does this operation, the runner chooses that process.
type Process string

// The kinds of processes, and storage.
const (
	TaskManager Process = "taskmanager" // a process that runs subtasks
	JobManager  Process = "jobmanager"  // the JobManager; if there are several, the one that leads
	Cluster     Process = "cluster"     // all processes of the engine at once
	Broker      Process = "broker"      // the Kafka broker from which the jobs read, and to which they write
	Storage     Process = "storage"     // for faults of connections only: the connections to storage
	Same        Process = "same"        // the process that the fault before affected
)

var (
	killable    = []Process{TaskManager, JobManager, Cluster, Broker, Same}
	allOfAKind  = []Process{TaskManager, JobManager}
	oneProcess  = []Process{TaskManager, JobManager, Same}
	connectable = []Process{TaskManager, JobManager, Storage, Same}
)

// words returns the name of a process for use in a sentence.
func (p Process) words() string {
	switch p {
	case TaskManager:
		return "a TaskManager"
	case JobManager:
		return "the leading JobManager"
	case Cluster:
		return "every process"
	case Same:
		return "the process of the fault before"
	case Broker:
		return "the Kafka broker"
	}
	return string(p)
}

// Whom returns the process that the fault affects or, for a fault of connections, the process whose
// connections it affects. It is empty for all other faults.
func (f Fault) Whom() Process {
	if f.Action == nil {
		return ""
	}
	return f.Action.whom()
}

// Needs names the feature that a target must have for the fault's action. It is empty for Heal,
// which only ends the effect of another fault.
func (f Fault) Needs() string {
	if f.Action == nil {
		return ""
	}
	return f.Action.needs()
}

// At returns the fault with the given process in place of [Same]. It does not change a fault that
// names its process itself.
func (f Fault) At(process Process) Fault {
	if f.Whom() == Same {
		f.Action = f.Action.(toOneProcess).at(process)
	}
	return f
}

// toOneProcess is an action that can affect the process of the fault before.
type toOneProcess interface{ at(Process) Action }

// OfConnection says whether the fault affects connections.
func (f Fault) OfConnection() bool {
	_, ok := f.Action.(toConnections)
	return ok
}

// OfOperation says whether the fault changes an operation on storage.
func (f Fault) OfOperation() bool {
	_, ok := f.Action.(toOperations)
	return ok
}

// String returns the text that [Parse] reads. For a fault without an action it returns "()", which
// Parse refuses.
func (f Fault) String() string {
	text := ""
	if f.Action != nil {
		text = f.Action.String()
	}
	if f.Moment.When != AtOnce {
		text += " " + f.Moment.String()
	}
	return "(" + text + ")"
}

// Describe says in words what the fault does.
func (f Fault) Describe() string {
	text := "does nothing"
	if f.Action != nil {
		text = f.Action.describe()
	}
	if when := f.Moment.describe(); when != "" {
		text += ", " + when
	}
	return text
}

// MarshalText implements [encoding.TextMarshaler].
func (f Fault) MarshalText() ([]byte, error) {
	if f.Action == nil {
		return nil, errors.New("write a fault: it has no action")
	}
	return []byte(f.String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (f *Fault) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	*f = parsed
	return err
}

// rule says how an action is parsed, and at which moments it may happen.
type rule struct {
	name     string
	read     func(*parser) Action // parses the text after the name
	moments  []When
	on       []Kind // the kinds of operations at which the action may happen; empty: all kinds
	examples []Fault
}

var rules = slices.Concat(ofProcesses, ofPower, ofOperations, ofConnections)

// Lists of moments. Several rules use the same list.
var (
	anyTime    = []When{AtOnce, Later, DuringCheckpoint, Before, After, Given}
	byTheClock = []When{AtOnce, Later, Given}
	inItsPlace = []When{On}
)

// Catalogue returns an example of every action, for each kind of process that the action can
// affect. Each example has one moment. Only Kill has examples for several moments.
func Catalogue() []Fault {
	var all []Fault
	for _, r := range rules {
		all = append(all, r.examples...)
	}
	return all
}

// each returns one example of an action for each of the given kinds of processes.
func each(whom []Process, action func(Process) Action) []Fault {
	var all []Fault
	for _, process := range whom {
		all = append(all, Fault{Action: action(process)})
	}
	return all
}

// at returns an example of a fault that fires at an operation on storage.
func at(action Action, when When, kind Kind, path string) Fault {
	return Fault{action, Moment{When: when, Operation: Operation{Kind: kind, Path: path}}}
}
