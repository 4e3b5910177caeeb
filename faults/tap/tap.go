// Package tap applies faults to operations on storage. Every operation of a cluster passes through
// a [Tap]. The tap numbers the operation, and shows it to an observer. If a fault waits for the
// operation, the tap says what must happen instead.
//
// A mount is a place at which operations pass through the tap. One tap can have several mounts.
// [Tap.Files] makes a mount before a file system in this process. The packages fuse and s3proxy
// make mounts for other engines, such as Flink.
//
// The tap kills no process: the caller that arms a fault decides what happens when the fault fires.
// The tap knows no engine: a [Layout] tells it to which checkpoint an operation belongs.
//
// Start with [New], [Tap.Arm] and [Tap.Before].
package tap

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/snapback/snapback/faults"
)

// Operation is an operation on storage.
type Operation struct {
	// Number counts the operations that change something, from 1. An operation that changes
	// nothing has the number of the last change.
	Number int

	// Step counts the changes of a checkpoint. Step 1 is the creation of the checkpoint's
	// directory. Consecutive writes to one file count once. Step is 0 for all other operations.
	Step int

	Phase    faults.Phase // the phase of the checkpoint to which the operation belongs; empty: none
	Kind     faults.Kind
	Name     string
	NewName  string // the new name; only for a rename
	From, To int64  // only for a write: the offsets in the file at which the written bytes begin and end
	Process  string // the process that does the operation; empty: unknown
}

func (o Operation) String() string {
	text := fmt.Sprintf("%s %s", o.Kind, o.Name)
	if o.NewName != "" {
		text += " to " + o.NewName
	}
	return text
}

// Layout says what the names on a target's storage mean.
type Layout interface {
	// Phase returns the phase of a checkpoint's life to which an operation belongs. The phase is
	// empty if the operation has nothing to do with a checkpoint. Only a rename has a newName.
	Phase(kind faults.Kind, name, newName string) faults.Phase

	// Checkpoint looks for the checkpoint whose directory has this name or contains this name. It
	// returns the directory of the checkpoint's job and the number of the checkpoint. It returns
	// false if there is no such checkpoint.
	Checkpoint(name string) (job string, number int64, ok bool)
}

// Tap lets operations pass, and applies faults to them. Several goroutines may use it.
type Tap struct {
	// The tap calls Watch after each operation that changed something. Watch may be nil. It must
	// be set before the first operation.
	Watch func(Operation)

	// If Run is not nil, the tap calls it with a function that makes a fault fire. Run must call
	// this function, and must not return earlier than the function does. A mount needs Run if its
	// operations run on other goroutines than the cluster. Run must be set before the first
	// operation.
	Run func(func())

	// If Offers is not nil, it says whether the mount can apply an action. Arm refuses a fault with
	// another action. Offers must be set before Arm is called.
	Offers func(faults.Action) bool

	layout Layout

	mu      sync.Mutex
	changes int
	step    int
	last    Operation // the last operation on a checkpoint

	job        string // the directory of the job whose checkpoint began last
	checkpoint int64  // the number of that checkpoint
	newest     string // the name that was created last
	armed      []*armed
}

// New returns a tap for a target with this layout. If the layout is nil, no operation has a phase
// or a step.
func New(layout Layout) *Tap {
	if layout == nil {
		layout = unknown{}
	}
	return &Tap{layout: layout}
}

// unknown is a layout in which nothing is a checkpoint.
type unknown struct{}

func (unknown) Phase(faults.Kind, string, string) faults.Phase { return "" }
func (unknown) Checkpoint(string) (string, int64, bool)        { return "", 0, false }

// armed is a fault that waits for its operation.
type armed struct {
	fault   faults.Fault
	count   func(faults.Event) int
	fire    func(Operation) (stopped bool)
	matched int   // number of operations that matched so far
	done    int64 // number of operations at which the fault fired so far
}

// Arm makes a fault wait for its operation, and fire there. When the fault fires, the tap calls the
// function `fire`, while the operation waits. If `fire` stops the process that does the operation,
// it returns true, and the operation does nothing more. If the fault has a condition, the tap calls
// `count` to learn how many events of a kind have happened. Arm returns an error if the mount cannot
// apply the fault to an operation.
func (t *Tap) Arm(fault faults.Fault, count func(faults.Event) int, fire func(Operation) (stopped bool)) error {
	if fault.OfOperation() && t.Offers != nil && !t.Offers(fault.Action) {
		return fmt.Errorf("arm %s: this storage cannot apply %s to an operation", fault, fault.Action)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armed = append(t.armed, &armed{fault: fault, count: count, fire: fire})
	return nil
}

// Matched returns how many operations matched an armed fault that still waits. It counts only
// operations at which the condition of the fault held.
func (t *Tap) Matched(fault faults.Fault) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.armed {
		if a.fault == fault {
			return a.matched
		}
	}
	return 0
}

// Disarm removes every fault that waits for an operation.
func (t *Tap) Disarm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armed = nil
}

// Awaits says whether a fault waits for an operation of a kind.
func (t *Tap) Awaits(kind faults.Kind) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.armed, func(a *armed) bool { return a.fault.Moment.Operation.Kind.Includes(kind) })
}

// Intervention says what must happen instead of an operation.
type Intervention struct {
	faults.Fault      // the fault that replaces the operation; if its action is nil, no fault does
	Stopped      bool // whether the fault stopped the process, so that the mount must not do the operation
}

// Before is what a mount calls before it performs an operation. Before sets the phase, the number
// and the step. It returns nil if no fault replaces the operation.
func (t *Tap) Before(o *Operation) *Intervention {
	t.mu.Lock()
	o.Phase = t.layout.Phase(o.Kind, o.Name, o.NewName)
	if o.Kind.Changes() {
		t.changes++
		o.Step = t.stepOf(*o)
	}
	o.Number = t.changes
	hits := t.hits(*o, faults.Before, faults.On)
	t.mu.Unlock()
	return t.fire(hits, *o)
}

// stepOf returns the step of an operation that changes something.
func (t *Tap) stepOf(o Operation) int {
	if o.Phase == "" {
		return 0
	}
	same := Operation{Kind: o.Kind, Name: o.Name}
	first := o.Phase != faults.Discard && t.begins(o)
	switch {
	case first || o.Phase == faults.Begin:
		t.step = 1
	case o.Kind == faults.Write && t.last == same: // consecutive writes are one step
	default:
		t.step++
	}
	t.last = same
	return t.step
}

// begins says whether an operation is the first operation of a checkpoint. On an object store a
// checkpoint has no directory whose creation would be the first operation.
func (t *Tap) begins(o Operation) bool {
	job, checkpoint, ok := t.layout.Checkpoint(o.Name)
	if !ok || (job == t.job && checkpoint <= t.checkpoint) {
		return false
	}
	t.job, t.checkpoint = job, checkpoint
	return true
}

// After is what a mount calls when it has performed an operation. After says whether a fault
// stopped the process that performed the operation.
func (t *Tap) After(o Operation) (stopped bool) {
	t.mu.Lock()
	switch o.Kind {
	case faults.Put, faults.Create, faults.Mkdir:
		t.newest = o.Name
	case faults.Rename:
		t.newest = o.NewName
	}
	hits := t.hits(o, faults.After)
	t.mu.Unlock()
	if t.Watch != nil && o.Kind.Changes() {
		t.Watch(o)
	}
	intervention := t.fire(hits, o)
	return intervention != nil && intervention.Stopped
}

// hit is a fault that fires at an operation.
type hit struct {
	*armed
	first bool // whether this is the first operation at which the fault fires
}

// hits returns the faults that fire at an operation. The parameter `moments` is Before and On when
// the operation has not happened yet, and After when it has happened. It disarms those faults that
// will not fire again.
func (t *Tap) hits(o Operation, moments ...faults.When) (hits []hit) {
	t.armed = slices.DeleteFunc(t.armed, func(a *armed) bool {
		if !slices.Contains(moments, a.fault.Moment.When) || !a.waitsFor(o) {
			return false
		}
		if a.matched++; a.matched < a.fault.Moment.Operation.Nth {
			return false
		}
		a.done++
		hits = append(hits, hit{a, a.done == 1})
		throttle, ok := a.fault.Action.(faults.Throttle)
		return !ok || a.done >= throttle.Times
	})
	return hits
}

// waitsFor says whether an operation matches what the fault waits for. It ignores Nth, which the
// caller checks.
func (a *armed) waitsFor(o Operation) bool {
	wanted := a.fault.Moment.Operation
	return wanted.Matches(o.Kind, o.Phase, o.Name, o.NewName, o.From, o.To) &&
		(wanted.Step == 0 || wanted.Step == o.Step) &&
		(wanted.Given == nil || wanted.Given.Holds(a.count))
}

// fire makes faults fire. The caller must not hold the lock, because a fault may cause other
// operations.
func (t *Tap) fire(hits []hit, o Operation) (all *Intervention) {
	if len(hits) == 0 {
		return nil
	}
	if t.Run == nil {
		return fire(hits, o)
	}
	t.Run(func() { all = fire(hits, o) })
	return all
}

func fire(hits []hit, o Operation) *Intervention {
	all := &Intervention{}
	for _, h := range hits {
		if h.first && h.fire(o) {
			all.Stopped = true
		}
		if h.fault.OfOperation() {
			all.Fault = h.fault
		}
	}
	return all
}

// Unlisted says whether an outdated listing leaves a name out: the file or directory that was
// created last, and each directory that contains it.
func (t *Tap) Unlisted(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newest == name || strings.HasPrefix(t.newest, name+"/")
}
