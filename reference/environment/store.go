package environment

import (
	"errors"
	"time"
)

// Store is a small linearizable key-value store that outlives JobManagers, and says
// which of them leads.
//
// An operation that fails with [ErrUnknown], or any error that is none of the others
// here, may have been done, may be done later, or never.
type Store interface {
	// Get returns a value and its revision; without an error, revision 0 means that there
	// is none.
	Get(key string) (value []byte, revision int64, err error)

	// List returns the keys that begin with a prefix, in order.
	List(prefix string) ([]string, error)

	// Put sets a value whose revision is as given, if the term still leads; a value of
	// nil removes the key. It fails with [ErrConflict] if the revision is another, with
	// [ErrDeposed] if the term leads no longer.
	Put(term int64, key string, revision int64, value []byte) error

	// Campaign makes the caller the leader for a time, under a new term, later than any
	// before. It fails with [ErrTaken] as long as there is one.
	Campaign(leader string, lease time.Duration) (term int64, err error)

	// Renew makes a term last for its lease from now on. It fails with [ErrDeposed] if
	// the term leads no longer.
	Renew(term int64) error

	// Leader says who leads; nobody if it is empty.
	Leader() (leader string, err error)
}

// The ways in which an operation of a [Store] is known not to have been done, and the
// one in which nobody knows.
var (
	ErrConflict = errors.New("another value is there already")
	ErrDeposed  = errors.New("another JobManager leads")
	ErrTaken    = errors.New("there is a leader")
	ErrUnknown  = errors.New("the answer was lost: nobody knows whether it was done")
)
