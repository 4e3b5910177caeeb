package faults

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// Moment is when a fault fires.
type Moment struct {
	When      When
	Later     time.Duration // after the step before
	Operation Operation     // before, after, or in place of which it fires
	Condition Condition     // that the history has to meet
}

// When is a kind of moment.
type When string

// The kinds of moments.
const (
	AtOnce           When = ""
	Later            When = "later"
	DuringCheckpoint When = "during checkpoint" // begun, and never completed
	Before           When = "Before"            // an operation: it is never done by whoever was about to
	After            When = "After"             // an operation: it was done
	On               When = "On"                // an operation, which is not what it should be
	Given            When = "Given"             // once the history is like this
)

// Operation describes operations on storage: a fault fires at the first that fits, or
// the Nth.
type Operation struct {
	Kind  Kind
	Path  string // a pattern in which * stands for anything; empty: any. Of a rename either name fits
	Nth   int    // 0: the first
	Step  int    // the change of checkpoints with this number since a checkpoint's directory was made, which is 1; 0: any
	Byte  int64  // of a write: the one that writes this byte of the file; 0: any
	Phase Phase
	Given Condition
}

// Kind is a kind of operation on storage.
type Kind string

// The operations on files, those on objects, and any of them.
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
	Change  Kind = "Change" // any that changes something, or makes it durable: where a crash can fall
)

var (
	kinds       = []Kind{Create, Open, Read, Write, Sync, Close, Rename, Remove, Mkdir, SyncDir, Stat, List, Put, Get, Delete, Any, Change}
	objectKinds = []Kind{Put, Get, Delete, List, Stat, Any, Change}
)

// Changes says whether an operation of this kind is a [Change].
func (k Kind) Changes() bool {
	switch k {
	case Create, Write, Sync, Close, Rename, Remove, Mkdir, SyncDir, Put, Delete:
		return true
	}
	return false
}

// Includes says whether an operation of another kind is one of this kind too.
func (k Kind) Includes(other Kind) bool {
	return k == Any || k == other || (k == Change && other.Changes())
}

// Phase is a part of a checkpoint's life, as storage sees it.
type Phase string

// The phases.
const (
	Begin    Phase = "begin"    // its directory is made
	State    Phase = "state"    // state files are written
	Metadata Phase = "metadata" // _metadata is written, beside its place
	Publish  Phase = "publish"  // _metadata is put in place
	Discard  Phase = "discard"  // what a checkpoint was is deleted
)

var phases = []Phase{Begin, State, Metadata, Publish, Discard}

// Phases returns all phases, in their order.
func Phases() []Phase { return slices.Clone(phases) }

// PhaseOf says of which phase an operation is; of none, nothing.
func PhaseOf(kind Kind, name, newName string) Phase {
	at := name
	if newName != "" {
		at = newName
	}
	dir, last := path.Split(at)
	parent := path.Base(dir)
	inside, shared := isCheckpoint(parent), parent == storage.SharedName
	switch {
	case isCheckpoint(last) && kind == Mkdir:
		return Begin
	case kind == SyncDir && (isCheckpoint(last) || last == storage.SharedName || storage.ValidJobID(last)):
		return Publish
	case (inside || shared || isCheckpoint(last)) && (kind == Remove || kind == Delete):
		return Discard
	case inside && last == storage.MetadataName && (kind == Rename || kind == Put || kind == Close):
		return Publish
	case inside && (last == storage.MetadataName || strings.HasPrefix(last, storage.InProgressPrefix)):
		return Metadata
	case inside || shared:
		return State
	}
	return ""
}

// CheckpointOf returns the directory of a job and the number of its checkpoint that a name
// is that of, or is in; ok is false for others.
func CheckpointOf(name string) (job string, checkpoint int64, ok bool) {
	for at := name; !filesystem.IsRoot(at); at = filesystem.Dir(at) {
		if id, ok := storage.ParseCheckpointName(path.Base(at)); ok {
			return filesystem.Dir(at), id, true
		}
	}
	return "", 0, false
}

func isCheckpoint(name string) bool {
	_, ok := storage.ParseCheckpointName(name)
	return ok
}

// Condition is something that the history has to have seen: so many events of a kind.
// The zero value always holds.
type Condition struct {
	Event string // triggered, completed, restored or fired (faults)
	Count int
}

var conditionEvents = []string{"Triggered", "Completed", "Restored", "Fired"}

func (c Condition) String() string { return fmt.Sprintf("(%s %d)", c.Event, c.Count) }

func (m Moment) String() string {
	switch m.When {
	case Later:
		return fmt.Sprintf("(After %s)", m.Later)
	case DuringCheckpoint:
		return "(During checkpoint)"
	case Given:
		return fmt.Sprintf("(Given %s)", m.Condition)
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
	if o.Given != (Condition{}) {
		parts = append(parts, fmt.Sprintf("(Given %s)", o.Given))
	}
	return "(" + strings.Join(parts, " ") + ")"
}

// AtOperation says whether the fault fires at an operation on storage.
func (m Moment) AtOperation() bool { return m.When == Before || m.When == After || m.When == On }

func (m Moment) describe() string {
	switch m.When {
	case Later:
		return fmt.Sprintf("%s after the step before", m.Later)
	case DuringCheckpoint:
		return "while a checkpoint is in progress that then never completes"
	case Given:
		return fmt.Sprintf("once the history has %s", m.Condition)
	case Before, After, On:
		return strings.ToLower(string(m.When)) + " " + m.Operation.String()
	}
	return ""
}

// Matches says whether an operation is such a one, wherever it comes in their order; of a
// write, from which byte of the file on, and to which.
func (o Operation) Matches(kind Kind, name, newName string, from, to int64) bool {
	return o.Kind.Includes(kind) &&
		(o.Path == "" || match(o.Path, name) || (newName != "" && match(o.Path, newName))) &&
		(o.Byte == 0 || (kind == Write && from < o.Byte && o.Byte <= to)) &&
		(o.Phase == "" || o.Phase == PhaseOf(kind, name, newName))
}

// match says whether a name is as a pattern says, in which * stands for anything, also
// for more than one part of a path.
func match(pattern, name string) bool {
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
