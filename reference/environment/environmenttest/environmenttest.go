// Package environmenttest checks implementations of [environment.Store]. Every implementation must
// pass [Check]. The package is for tests only.
//
// The package does not test whether a store stays linearizable under failures. The makers of a real
// store test this. An example is etcd's robustness tests.
//
// Start with [Check].
package environmenttest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
)

// lease is the lease of the leaders in this check.
const lease = 2 * time.Second

// Check uses an empty store as JobManagers do, and returns the first wrong answer. The function
// `sleep` must let time pass for the store.
func Check(store environment.Store, sleep func(time.Duration)) error {
	if leader, err := store.Leader(); err != nil || leader != "" {
		return fmt.Errorf("an empty store has leader %q, %w", leader, err)
	}
	first, err := store.Campaign("first", lease)
	if err != nil {
		return fmt.Errorf("the first campaign: %w", err)
	}
	if _, err := store.Campaign("second", lease); !errors.Is(err, environment.ErrTaken) {
		return fmt.Errorf("a campaign while another leads: want %w, got %w", environment.ErrTaken, err)
	}
	if leader, err := store.Leader(); err != nil || leader != "first" {
		return fmt.Errorf("want leader first, got %q, %w", leader, err)
	}
	if err := values(store, first); err != nil {
		return err
	}
	if err := store.Renew(first); err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	sleep(2 * lease)
	if leader, err := store.Leader(); err != nil || leader != "" {
		return fmt.Errorf("after the lease, want no leader, got %q, %w", leader, err)
	}
	return deposed(store, first)
}

// values checks that only a writer who has read the current value can replace it.
func values(store environment.Store, term int64) error {
	if value, revision, err := store.Get("a/1"); err != nil || value != nil || revision != 0 {
		return fmt.Errorf("want nothing, got %q at %d, %w", value, revision, err)
	}
	for _, key := range []string{"a/1", "b/1", "a/2"} {
		if err := store.Put(term, key, 0, []byte("one")); err != nil {
			return fmt.Errorf("put %s: %w", key, err)
		}
	}
	if err := store.Put(term, "a/1", 0, []byte("two")); !errors.Is(err, environment.ErrConflict) {
		return fmt.Errorf("put a key that exists: want %w, got %w", environment.ErrConflict, err)
	}
	value, revision, err := store.Get("a/1")
	if err != nil || string(value) != "one" || revision == 0 {
		return fmt.Errorf("want one, got %q at %d, %w", value, revision, err)
	}
	if err := store.Put(term, "a/1", revision, []byte("two")); err != nil {
		return fmt.Errorf("replace: %w", err)
	}
	if err := store.Put(term, "a/1", revision, []byte("three")); !errors.Is(err, environment.ErrConflict) {
		return fmt.Errorf("replace an old revision: want %w, got %w", environment.ErrConflict, err)
	}
	if keys, err := store.List("a/"); err != nil || !slices.Equal(keys, []string{"a/1", "a/2"}) {
		return fmt.Errorf("want a/1 and a/2, got %v, %w", keys, err)
	}
	_, revision, err = store.Get("a/2")
	if err != nil {
		return err
	}
	if err := store.Put(term, "a/2", revision, nil); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	if _, revision, err := store.Get("a/2"); err != nil || revision != 0 {
		return fmt.Errorf("a removed key exists at %d, %w", revision, err)
	}
	return nil
}

// deposed checks that a deposed leader cannot write in its old term, even if it leads again.
func deposed(store environment.Store, before int64) error {
	write := func(term int64) error {
		_, revision, err := store.Get("b/1")
		if err != nil {
			return err
		}
		return store.Put(term, "b/1", revision, []byte("late"))
	}
	if err := write(before); !errors.Is(err, environment.ErrDeposed) {
		return fmt.Errorf("a write after the lease: want %w, got %w", environment.ErrDeposed, err)
	}
	now, err := store.Campaign("first", lease)
	if err != nil || now <= before {
		return fmt.Errorf("want a term after %d, got %d, %w", before, now, err)
	}
	if err := write(before); !errors.Is(err, environment.ErrDeposed) {
		return fmt.Errorf("a write of an earlier term: want %w, got %w", environment.ErrDeposed, err)
	}
	if err := store.Renew(before); !errors.Is(err, environment.ErrDeposed) {
		return fmt.Errorf("renewing an earlier term: want %w, got %w", environment.ErrDeposed, err)
	}
	return write(now)
}
