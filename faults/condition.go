package faults

import "fmt"

// Condition is a condition on the history of a run. All types that implement it are in this
// package. Two conditions can be compared with ==.
type Condition interface {
	fmt.Stringer // the condition as a fault prints it, such as "(Completed 2)"

	// Holds says whether a history meets the condition. The function `count` returns how many
	// events of one kind the history has.
	Holds(count func(Event) int) bool

	describe() string // describes the condition in words
}

// Event is a kind of event that a condition can count.
type Event string

// The events.
const (
	Triggered   Event = "Triggered"   // a checkpoint or savepoint was triggered
	Completed   Event = "Completed"   // a checkpoint is complete; savepoints do not count
	Savepointed Event = "Savepointed" // a savepoint is complete
	Restored    Event = "Restored"    // a job was restored from a checkpoint or savepoint
	Fired       Event = "Fired"       // a fault happened
)

var events = []Event{Triggered, Completed, Savepointed, Restored, Fired}

// AtLeast holds as soon as a history has at least Count events of a kind.
type AtLeast struct {
	Count int // at least 1
	Event Event
}

func (c AtLeast) String() string   { return fmt.Sprintf("(%s %d)", c.Event, c.Count) }
func (c AtLeast) describe() string { return c.String() }

// Holds implements [Condition].
func (c AtLeast) Holds(count func(Event) int) bool { return count(c.Event) >= c.Count }

// And holds if both conditions hold.
type And struct{ First, Second Condition }

func (c And) String() string   { return fmt.Sprintf("(And %v %v)", c.First, c.Second) }
func (c And) describe() string { return within(c.First) + " and " + within(c.Second) }

// Holds implements [Condition].
func (c And) Holds(count func(Event) int) bool { return c.First.Holds(count) && c.Second.Holds(count) }

// Or holds if one of the conditions holds, or both.
type Or struct{ First, Second Condition }

func (c Or) String() string   { return fmt.Sprintf("(Or %v %v)", c.First, c.Second) }
func (c Or) describe() string { return within(c.First) + " or " + within(c.Second) }

// Holds implements [Condition].
func (c Or) Holds(count func(Event) int) bool { return c.First.Holds(count) || c.Second.Holds(count) }

// Not holds if the condition does not hold.
type Not struct{ Condition Condition }

func (c Not) String() string   { return fmt.Sprintf("(Not %v)", c.Condition) }
func (c Not) describe() string { return "not " + within(c.Condition) }

// Holds implements [Condition].
func (c Not) Holds(count func(Event) int) bool { return !c.Condition.Holds(count) }

// within describes a condition that is part of another condition. It puts an "and" or an "or" into
// parentheses, so that the whole description has only one meaning.
func within(c Condition) string {
	switch c.(type) {
	case And, Or:
		return "(" + c.describe() + ")"
	}
	return c.describe()
}
