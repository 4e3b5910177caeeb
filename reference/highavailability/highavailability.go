// Package highavailability keeps in a shared store what must outlive a JobManager: the jobs, their
// complete checkpoints, the checkpoint ids that were used, and how jobs ended. The checkpoints
// themselves are on storage. The store holds only pointers to them.
//
// Only the leader writes, in its term. The store refuses writes of earlier leaders. If the answer
// to a write is lost, the leader reads the value until it knows whether the write was done
// (FLINK-22494). If it cannot find out, it must stop and delete nothing.
//
// This package does not elect the leader. The store does. Start with [Leadership].
package highavailability

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/snapback/snapback/reference/environment"
)

// Lease is how long a leader leads without a renewal.
const Lease = 2 * time.Second

// Times for a write to the store.
const (
	writeTimeout = Lease                 // after this time the leader no longer tries to find out whether the write was done
	writePause   = 20 * time.Millisecond // the pause between two attempts
)

// Parts of the keys in the store.
const (
	jobsPrefix     = "jobs/"
	jobName        = "job"
	checkpointName = "checkpoints"
	counterName    = "counter"
	resultName     = "result"
)

func key(jobID, name string) string { return jobsPrefix + jobID + "/" + name }

// Leadership is the right of one JobManager to write during its term. Only one task uses it.
type Leadership struct {
	Env  environment.Environment
	Term int64
}

// For returns the same leadership for another task.
func (l Leadership) For(env environment.Environment) Leadership {
	return Leadership{Env: env, Term: l.Term}
}

// update replaces the value of a key. The function `change` returns the new value for the old one;
// nil deletes the key. After an error this JobManager must stop. The error [environment.ErrDeposed]
// says that the value was not replaced. After any other error, it is unknown whether the value was
// replaced.
func (l Leadership) update(name string, change func(old []byte) []byte) error {
	store := l.Env.Store()
	deadline := l.Env.Now() + writeTimeout
	var tried []byte
	doubt := false // whether an earlier attempt may have replaced the value
	for {
		old, revision, err := store.Get(name)
		if err == nil && tried != nil && bytes.Equal(old, tried) {
			return nil // an earlier attempt wrote this value and its answer was lost: no other JobManager may write
		}
		if err == nil {
			tried = change(old)
			if err = store.Put(l.Term, name, revision, tried); err == nil {
				return nil
			}
		}
		if errors.Is(err, environment.ErrDeposed) && !doubt {
			return err // no attempt has replaced the value
		}
		doubt = doubt || !errors.Is(err, environment.ErrConflict)
		if errors.Is(err, environment.ErrDeposed) || l.Env.Now() >= deadline {
			return &UnknownError{Key: name, Last: err.Error()}
		}
		l.Env.Sleep(writePause)
	}
}

// UnknownError says that it is unknown whether a write was done.
type UnknownError struct {
	Key  string
	Last string // error of the last attempt
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("write %s: nobody knows whether it was done: %s", e.Key, e.Last)
}

func (l Leadership) remove(name string) error {
	_, revision, err := l.Env.Store().Get(name)
	if err != nil || revision == 0 {
		return err
	}
	return l.update(name, func([]byte) []byte { return nil })
}
