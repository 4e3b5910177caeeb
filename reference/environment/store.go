package environment

import (
	"errors"
	"time"
)

// Store is a small linearizable key-value store that outlives JobManagers. It also elects the
// leader among them.
//
// If an operation fails with [ErrConflict], [ErrDeposed] or [ErrTaken], it was not done. After any
// other error it may have been done, or may still be done later.
type Store interface {
	// Get returns a value and its revision. Revision 0 without an error means that the key does
	// not exist.
	Get(key string) (value []byte, revision int64, err error)

	// List returns the keys with a prefix, in order.
	List(prefix string) ([]string, error)

	// Put replaces the value of a key, or deletes the key if the value is nil. It fails with
	// [ErrConflict] if the key's revision differs from the given one, and with [ErrDeposed] if the
	// leadership with this term has ended.
	Put(term int64, key string, revision int64, value []byte) error

	// Campaign makes the caller the leader for the time of the lease. The new term is later than
	// all terms before. Campaign fails with [ErrTaken] while somebody else leads.
	Campaign(leader string, lease time.Duration) (term int64, err error)

	// Renew extends a term: its lease begins again now. It fails with [ErrDeposed] if the
	// leadership with this term has ended.
	Renew(term int64) error

	// Leader returns the process of the leader, or an empty name if there is none.
	Leader() (leader string, err error)
}

// Errors of a [Store]. After ErrUnknown, the operation may have been done. After all other errors,
// it was not done.
var (
	ErrConflict = errors.New("another value is there already")
	ErrDeposed  = errors.New("another JobManager leads")
	ErrTaken    = errors.New("there is a leader")
	ErrUnknown  = errors.New("the answer was lost: nobody knows whether it was done")
)
