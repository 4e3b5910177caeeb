// Package faults is what goes wrong, and when: faults are values that print
// themselves and parse back, so that a scenario, a report and a replay name them
// alike.
//
//	(Kill taskmanager)                                   at once
//	(Kill jobmanager (After 130ms))                      that long after the step before
//	(Kill taskmanager (During checkpoint))               while a checkpoint is in progress
//	(Kill taskmanager (Before (Rename "*/_metadata")))   at an operation on storage
//	(Fail ENOSPC (On (Write "*/chk-*" (Byte 4096))))     in place of one
//	(PowerLoss posix 17 (After (Sync "*" (Nth 3))))      the 17th of the states that it may leave
//
// It says what is to happen; whoever runs a cluster makes it happen, and package tap is
// where operations on storage meet their faults. Whether a fault did what it says is not
// for this package either: the history of the run proves it, or the run is void.
//
// Start with [Parse]; [Catalogue] has every fault.
package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is one thing that goes wrong. What of it means something depends on the action.
type Fault struct {
	Action  Action
	Process Process // to whom it is done
	Detail  string  // an error's name; the level of a power loss
	Amount  int64   // bytes, times, percent, nanoseconds, kilobytes a second; which of the states a power loss may leave
	Moment  Moment
}

// Action is what is done.
type Action string

// What is done to processes.
const (
	Kill   Action = "Kill"
	Pause  Action = "Pause"
	Resume Action = "Resume"
	Slow   Action = "Slow"
	Jump   Action = "Jump"
	Drift  Action = "Drift"
)

// What is done to storage.
const (
	PowerLoss Action = "PowerLoss"
	Fail      Action = "Fail"
	Drop      Action = "Drop"
	Short     Action = "Short"
	Flip      Action = "Flip"
	Truncate  Action = "Truncate"
	Delay     Action = "Delay"
	Lose      Action = "Lose"
	Throttle  Action = "Throttle"
	Stale     Action = "Stale"
	Refuse    Action = "Refuse"
	Leave     Action = "Leave"
)

// What is done to connections.
const (
	Cut   Action = "Cut"
	Break Action = "Break"
	Lag   Action = "Lag"
	Limit Action = "Limit"
	Heal  Action = "Heal"
)

// Process is a kind of process. Of several, chance says which; at an operation on
// storage it is the one that does it, if that is of the kind.
type Process string

// The processes, and what they are connected to.
const (
	TaskManager Process = "taskmanager" // runs subtasks
	JobManager  Process = "jobmanager"  // of several, the one that leads
	Cluster     Process = "cluster"     // all of them at once
	Storage     Process = "storage"     // of connections: those to it
)

// OfConnection says whether the fault is done to connections.
func (f Fault) OfConnection() bool { return f.rule().family == connections }

// OfOperation says whether the fault is done to an operation on storage itself.
func (f Fault) OfOperation() bool { return f.rule().family == operations }

func (f Fault) rule() rule {
	return rules[slices.IndexFunc(rules, func(r rule) bool { return r.action == f.Action })]
}

func (f Fault) String() string {
	parts := []string{string(f.Action)}
	for _, takes := range f.rule().takes {
		parts = append(parts, f.argument(takes))
	}
	if f.Moment.When != AtOnce {
		parts = append(parts, f.Moment.String())
	}
	return "(" + strings.Join(parts, " ") + ")"
}

func (f Fault) argument(takes argument) string {
	switch takes {
	case process, link:
		return string(f.Process)
	case errorName, level:
		return f.Detail
	case length:
		return time.Duration(f.Amount).String()
	case share:
		return strconv.FormatInt(f.Amount, 10) + "%"
	default:
		return strconv.FormatInt(f.Amount, 10)
	}
}

// Describe says in words what the fault does.
func (f Fault) Describe() string {
	text := f.rule().describe
	for _, takes := range f.rule().takes {
		word := f.argument(takes)
		if takes == process {
			word = map[Process]string{TaskManager: "one of the TaskManagers", JobManager: "the JobManager that leads", Cluster: "every process"}[f.Process]
		}
		text = strings.Replace(text, "{}", word, 1)
	}
	if when := f.Moment.describe(); when != "" {
		text += ", " + when
	}
	return text
}

// MarshalText implements [encoding.TextMarshaler].
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (f *Fault) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	*f = parsed
	return err
}

// Error returns the text of an error's name, as in ENOSPC.
func Error(name string) error {
	if at := slices.IndexFunc(errorNames, func(e namedError) bool { return e.name == name }); at >= 0 {
		return errorNames[at].errno
	}
	return fmt.Errorf("no error is called %s", name)
}
