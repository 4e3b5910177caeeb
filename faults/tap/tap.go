// Package tap is where operations on storage meet their faults. Every operation of a
// cluster comes by a [Tap], which numbers it, shows it to whoever watches, and says what
// is to be done in its place if a fault was armed for it.
//
// There is one tap and several mounts. [Tap.Files] mounts it in this process, before a
// file system; packages fuse and s3proxy mount it before engines that we did not write.
//
// It kills nobody: whoever arms a fault says what happens when it fires.
//
// Start with [Tap.Arm] and [Tap.Before].
package tap

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/snapback/snapback/faults"
)

// Operation is one on storage.
type Operation struct {
	Number   int // from 1, of those that change something; of others, that of the last one
	Step     int // of those on checkpoints, since a checkpoint's directory was made, writes that follow each other being one; of others 0
	Kind     faults.Kind
	Name     string
	NewName  string // of a rename
	From, To int64  // of a write: bytes of the file
	Process  string // that does it; empty if nobody knows
}

func (o Operation) String() string {
	text := fmt.Sprintf("%s %s", o.Kind, o.Name)
	if o.NewName != "" {
		text += " to " + o.NewName
	}
	return text
}

// Phase is the part of a checkpoint's life that the operation belongs to.
func (o Operation) Phase() faults.Phase { return faults.PhaseOf(o.Kind, o.Name, o.NewName) }

// Tap is what operations come by. It may be used by several goroutines.
type Tap struct {
	// Watch is called with each operation that changed something, once it is done, unless
	// it is nil. It is set before there are any operations.
	Watch func(Operation)

	// Run runs what a fault sets off, before it returns, unless it is nil: for mounts whose
	// operations come from elsewhere than whoever armed the fault. It is set before there are
	// any operations.
	Run func(func())

	mu      sync.Mutex
	changes int
	step    int
	last    Operation // of those on checkpoints

	job        string // whose checkpoint was begun last
	checkpoint int64
	newest     string // name that was made last
	armed      []*armed
}

// armed is a fault that waits for its operation.
type armed struct {
	fault   faults.Fault
	matched int
	fire    func(Operation) (stopped bool)
	holds   func(faults.Condition) bool
	left    int64 // operations that it is still done to, once it has fired
}

// Arm has a fault fire at its operation. When it does, fire is called, before the
// operation goes on; it returns whether the process that does the operation was stopped
// by it, so that nothing comes of that. The conditions of the fault are asked of holds.
func (t *Tap) Arm(fault faults.Fault, holds func(faults.Condition) bool, fire func(Operation) (stopped bool)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armed = append(t.armed, &armed{fault: fault, fire: fire, holds: holds})
}

// Disarm takes back every fault that was armed.
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

// Intervention is what is to be done in place of an operation.
type Intervention struct {
	faults.Fault
	Stopped bool // whoever does the operation is no more: nothing is to be done
}

// Before is called by a mount with an operation that is about to be done, which it
// numbers. It returns nil if that is to be done as it is.
func (t *Tap) Before(o *Operation) *Intervention {
	t.mu.Lock()
	if o.Kind.Changes() {
		t.changes++
		writes := Operation{Kind: o.Kind, Name: o.Name}
		phase := o.Phase()
		first := phase != "" && phase != faults.Discard && t.begins(*o)
		switch {
		case phase == "":
		case first || phase == faults.Begin:
			t.step, o.Step = 1, 1
		case o.Kind == faults.Write && t.last == writes: // one after the other: the same step
			o.Step = t.step
		default:
			t.step++
			o.Step = t.step
		}
		if o.Step > 0 {
			t.last = writes
		}
	}
	o.Number = t.changes
	hits := t.hits(*o, faults.Before, faults.On)
	t.mu.Unlock()
	return t.fire(hits, *o)
}

// begins says whether an operation is the first on a checkpoint, where none are begun by
// making a directory.
func (t *Tap) begins(o Operation) bool {
	job, checkpoint, ok := faults.CheckpointOf(o.Name)
	if !ok || (job == t.job && checkpoint <= t.checkpoint) {
		return false
	}
	t.job, t.checkpoint = job, checkpoint
	return true
}

// After is called by a mount with an operation that was done. It returns whether whoever
// did it is no more.
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

// hits returns the faults that an operation sets off, and takes them from those that
// wait.
func (t *Tap) hits(o Operation, moments ...faults.When) (hits []*armed) {
	t.armed = slices.DeleteFunc(t.armed, func(a *armed) bool {
		wanted := a.fault.Moment.Operation
		if !slices.Contains(moments, a.fault.Moment.When) || !wanted.Matches(o.Kind, o.Name, o.NewName, o.From, o.To) {
			return false
		}
		if wanted.Step > 0 && wanted.Step != o.Step {
			return false
		}
		if wanted.Given != (faults.Condition{}) && !a.holds(wanted.Given) {
			return false
		}
		if a.matched++; a.matched < wanted.Nth {
			return false
		}
		hits = append(hits, a)
		if a.fault.Action == faults.Throttle && a.left == 0 {
			a.left = a.fault.Amount
		}
		a.left--
		return a.left <= 0
	})
	return hits
}

// fire fires outside the lock: what it does may take operations of its own.
func (t *Tap) fire(hits []*armed, o Operation) (all *Intervention) {
	if len(hits) == 0 {
		return nil
	}
	if t.Run == nil {
		return fire(hits, o)
	}
	t.Run(func() { all = fire(hits, o) })
	return all
}

func fire(hits []*armed, o Operation) *Intervention {
	all := &Intervention{}
	for _, a := range hits {
		first := a.fault.Action != faults.Throttle || a.left == a.fault.Amount-1
		stopped := false
		if first {
			stopped = a.fire(o)
		}
		if a.fault.OfOperation() {
			all.Fault = a.fault
		}
		all.Stopped = all.Stopped || stopped
	}
	return all
}

// Unlisted says whether a listing that is not up to date leaves a name out: that of the file
// or directory that was made last, or of one that it is in.
func (t *Tap) Unlisted(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newest == name || strings.HasPrefix(t.newest, name+"/")
}
