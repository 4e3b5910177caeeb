package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Moment is when a fault fires.
type Moment struct {
	When      When
	Later     time.Duration // for the kind Later: the time since the previous step
	Operation Operation     // for the kinds Before, After and On
	Condition Condition     // for the kind Given
}

// When is a kind of moment.
type When string

// The kinds of moments.
const (
	AtOnce           When = ""
	Later            When = "later"
	DuringCheckpoint When = "during checkpoint" // while a checkpoint is in progress; the fault prevents the completion of the checkpoint
	Before           When = "Before"            // before an operation; if the fault kills the process, the operation does not happen
	After            When = "After"             // after an operation has happened
	On               When = "On"                // instead of an operation
	Given            When = "Given"             // when the history meets a condition
)

// Operation is a pattern for operations on storage. A fault fires at the first operation that fits
// the pattern. If Nth is set, the fault fires at operation number Nth of those that fit.
type Operation struct {
	Kind  Kind
	Path  string    // a pattern for the name, in which * stands for any text; empty: any name. For a rename, the old or the new name must match
	Nth   int       // the number of the operation, counted from 1 among the operations that fit; 0 means 1
	Step  int       // the number of the operation, counted from 1 among the changes of its checkpoint; 0: any operation
	Byte  int64     // the number of a byte in the file, from 1: only a write that contains the byte fits; 0: any operation
	Phase Phase     // the phase of the checkpoint to which the operation belongs; empty: any operation
	Given Condition // a condition that must hold just before the operation; nil: none
}

// Kind is a kind of operation on storage.
type Kind string

// The kinds of operations on files and on objects. Any, Change and Store are groups of kinds.
const (
	Create  Kind = "Create"
	Open    Kind = "Open"
	Read    Kind = "Read"
	Write   Kind = "Write"
	Sync    Kind = "Sync"
	Close   Kind = "Close"
	Rename  Kind = "Rename"
	Remove  Kind = "Remove"
	Mkdir   Kind = "Mkdir"
	SyncDir Kind = "SyncDir"
	Stat    Kind = "Stat"
	List    Kind = "List"
	Put     Kind = "Put"
	Get     Kind = "Get"
	Delete  Kind = "Delete"
	Any     Kind = "Any"
	Change  Kind = "Change" // all kinds that change something or make it durable; a crash can come between two such operations
	Store   Kind = "Store"  // Write and Put: the kinds that bring data into a file or an object. Engines try some other operations again
)

var (
	kinds       = []Kind{Create, Open, Read, Write, Sync, Close, Rename, Remove, Mkdir, SyncDir, Stat, List, Put, Get, Delete, Any, Change, Store}
	objectKinds = []Kind{Put, Get, Delete, List, Stat, Any, Change, Store}
)

// Changes says whether operations of this kind change something, or make it durable.
func (k Kind) Changes() bool {
	switch k {
	case Create, Write, Sync, Close, Rename, Remove, Mkdir, SyncDir, Put, Delete:
		return true
	}
	return false
}

// Includes says whether this kind is the same as the other kind, or is a group that contains the
// other kind.
func (k Kind) Includes(other Kind) bool {
	return k == Any || k == other || (k == Change && other.Changes()) || (k == Store && (other == Write || other == Put))
}

// Phase is a part of a checkpoint's life, as storage sees it. The target decides which operation
// belongs to which phase, because that depends on the engine.
type Phase string

// The phases.
const (
	Begin    Phase = "begin"    // the directory of the checkpoint is created
	State    Phase = "state"    // state is written
	Metadata Phase = "metadata" // the metadata is written, but not at its final place
	Publish  Phase = "publish"  // the metadata is put at its final place
	Discard  Phase = "discard"  // the checkpoint is discarded
)

var phases = []Phase{Begin, State, Metadata, Publish, Discard}

// Phases returns all phases, in the order in which a checkpoint passes through them.
func Phases() []Phase { return slices.Clone(phases) }

func (m Moment) String() string {
	switch m.When {
	case Later:
		return fmt.Sprintf("(After %s)", m.Later)
	case DuringCheckpoint:
		return "(During checkpoint)"
	case Given:
		return fmt.Sprintf("(Given %v)", m.Condition)
	case AtOnce:
		return ""
	}
	return fmt.Sprintf("(%s %s)", m.When, m.Operation)
}

func (o Operation) String() string {
	parts := []string{string(o.Kind)}
	if o.Path != "" {
		parts = append(parts, strconv.Quote(o.Path))
	}
	if o.Nth > 0 {
		parts = append(parts, fmt.Sprintf("(Nth %d)", o.Nth))
	}
	if o.Step > 0 {
		parts = append(parts, fmt.Sprintf("(Step %d)", o.Step))
	}
	if o.Byte > 0 {
		parts = append(parts, fmt.Sprintf("(Byte %d)", o.Byte))
	}
	if o.Phase != "" {
		parts = append(parts, fmt.Sprintf("(Phase %s)", o.Phase))
	}
	if o.Given != nil {
		parts = append(parts, fmt.Sprintf("(Given %s)", o.Given))
	}
	return "(" + strings.Join(parts, " ") + ")"
}

// AtOperation says whether the fault fires at an operation on storage.
func (m Moment) AtOperation() bool { return m.When == Before || m.When == After || m.When == On }

func (m Moment) describe() string {
	switch m.When {
	case Later:
		return fmt.Sprintf("%s after the previous step", m.Later)
	case DuringCheckpoint:
		return "while a checkpoint is in progress, which then does not complete"
	case Given:
		return "when the history has " + m.Condition.describe()
	case Before, After, On:
		return strings.ToLower(string(m.When)) + " " + m.Operation.String()
	}
	return ""
}

// Matches says whether an operation fits the pattern. It ignores Nth, Step and Given, which depend
// on earlier operations and on the history. Only a rename has a newName. Only a write has `from`
// and `to`: the offsets in the file at which the written bytes begin and end.
func (o Operation) Matches(kind Kind, phase Phase, name, newName string, from, to int64) bool {
	return o.Kind.Includes(kind) &&
		(o.Phase == "" || o.Phase == phase) &&
		(o.Path == "" || Match(o.Path, name) || (newName != "" && Match(o.Path, newName))) &&
		(o.Byte == 0 || (kind == Write && from < o.Byte && o.Byte <= to))
}

// Match says whether a name matches a pattern. In a pattern, * stands for any text, which may also
// contain slashes.
func Match(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
