// Package highavailability keeps what must outlive a JobManager in a store that all
// JobManagers share: which jobs there are, which checkpoints of each are complete, which
// ids were used, and how jobs ended. The checkpoints themselves are on storage; here
// are pointers to them.
//
// All of it is written by the leader, under its term: what an earlier leader still tries
// to write is refused. A write whose answer was lost is looked at again until it is
// known what became of it (FLINK-22494); if that cannot be known, whoever asked must
// stop, and delete nothing.
//
// It elects nobody: the store does. Start with [Leadership].
package highavailability

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/filesystem"
)

// Lease is how long a leader leads without a word.
const Lease = 2 * time.Second

// How long a leader tries to find out what became of a write, and how often.
const (
	writeTimeout = Lease
	writePause   = 20 * time.Millisecond
)

// Keys of the store.
const (
	jobsPrefix     = "jobs/"
	jobName        = "job"
	checkpointName = "checkpoints"
	counterName    = "counter"
	resultName     = "result"
)

func key(jobID, name string) string { return jobsPrefix + jobID + "/" + name }

// Leadership is the right of one JobManager to write, as long as its term lasts. It is
// used by one task.
type Leadership struct {
	Env  environment.Environment
	Term int64
}

// For returns the same right for another task.
func (l Leadership) For(env environment.Environment) Leadership {
	return Leadership{Env: env, Term: l.Term}
}

// update replaces the value of a key. When it returns without an error that was done;
// with one, this JobManager must stop. With [environment.ErrDeposed] it was not done.
func (l Leadership) update(name string, change func(old []byte) []byte) error {
	store := l.Env.Store()
	deadline := l.Env.Now() + writeTimeout
	var tried []byte
	doubt := false // whether it may have been done
	for {
		old, revision, err := store.Get(name)
		if err == nil && tried != nil && bytes.Equal(old, tried) {
			return nil // its answer was lost, and nobody else may write
		}
		if err == nil {
			tried = change(old)
			if err = store.Put(l.Term, name, revision, tried); err == nil {
				return nil
			}
		}
		if errors.Is(err, environment.ErrDeposed) && !doubt {
			return err // and so it was never done
		}
		doubt = doubt || !errors.Is(err, environment.ErrConflict)
		if errors.Is(err, environment.ErrDeposed) || l.Env.Now() >= deadline {
			return &UnknownError{Key: name, Last: err.Error()}
		}
		l.Env.Sleep(writePause)
	}
}

// UnknownError says that nobody knows whether a write was done: it is not known that this
// JobManager was deposed before.
type UnknownError struct {
	Key  string
	Last string // what the last try to find out came to
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

// AddJob notes a job that was accepted.
func (l Leadership) AddJob(j job.Job) error {
	data, err := json.Marshal(j)
	if err != nil {
		return err
	}
	return l.update(key(j.ID, jobName), func([]byte) []byte { return data })
}

// RemoveJob forgets all of a job but its result.
func (l Leadership) RemoveJob(id string) error {
	for _, name := range []string{checkpointName, counterName, jobName} {
		if err := l.remove(key(id, name)); err != nil {
			return err
		}
	}
	return nil
}

// Result is how a job ended.
type Result struct {
	Status  storage.JobStatus
	Error   string
	Cleaned bool // what was to go of its checkpoints is gone
}

// SetResult notes how a job ended. From then on nobody runs it again; whoever leads
// cleans up after it, until that is done.
func (l Leadership) SetResult(id string, result Result) error {
	data, err := json.Marshal(result)
	if err != nil {
		return err
	}
	return l.update(key(id, resultName), func([]byte) []byte { return data })
}

// Known is what an earlier leader left of a job.
type Known struct {
	ID     string
	Job    *job.Job // nil if it is cleaned up
	Result *Result  // nil if it has not ended
}

// Jobs lists what earlier leaders left.
func (l Leadership) Jobs() ([]Known, error) {
	keys, err := l.Env.Store().List(jobsPrefix)
	if err != nil {
		return nil, err
	}
	var known []Known
	for _, name := range keys {
		id, what, _ := strings.Cut(strings.TrimPrefix(name, jobsPrefix), "/")
		if what != jobName && what != resultName {
			continue
		}
		if len(known) == 0 || known[len(known)-1].ID != id {
			known = append(known, Known{ID: id})
		}
		data, _, err := l.Env.Store().Get(name)
		if err != nil {
			return nil, err
		}
		last := &known[len(known)-1]
		if what == jobName {
			err = json.Unmarshal(data, &last.Job)
		} else {
			err = json.Unmarshal(data, &last.Result)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return known, nil
}

// Checkpoints notes the checkpoints of one job. It implements coordinator.Journal.
type Checkpoints struct {
	Leadership
	JobID string
}

// noted is what is noted of a job's checkpoints.
type noted struct {
	Kept      []pointer // oldest first
	Deletions []string  // files and directories to be deleted, in this order
}

// pointer says where a checkpoint is.
type pointer struct {
	ID       int64
	Location string
}

// NextID implements coordinator.Journal.
func (c Checkpoints) NextID() (int64, error) {
	var next int64
	err := c.update(key(c.JobID, counterName), func(old []byte) []byte {
		last, _ := strconv.ParseInt(string(old), 10, 64) // 0 if there is none
		next = last + 1
		return []byte(strconv.FormatInt(next, 10))
	})
	return next, err
}

// Leads implements coordinator.Journal.
func (c Checkpoints) Leads() error { return c.Env.Store().Renew(c.Term) }

// Start makes the ids of a job begin after one.
func (c Checkpoints) Start(after int64) error {
	return c.update(key(c.JobID, counterName), func([]byte) []byte { return []byte(strconv.FormatInt(after, 10)) })
}

// Keep implements coordinator.Journal.
func (c Checkpoints) Keep(kept []storage.Completed, deletions []string) error {
	n := noted{Deletions: deletions}
	for _, checkpoint := range kept {
		n.Kept = append(n.Kept, pointer{checkpoint.Checkpoint.ID, checkpoint.Location})
	}
	data, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return c.update(key(c.JobID, checkpointName), func([]byte) []byte { return data })
}

// Kept reads the checkpoints that an earlier leader kept, oldest first, and deletes what
// it did not come to delete; found is false if it did not come to note any.
//
// FLINK-22502: one that cannot be read is an error. To pass over it would be to come
// back from an older one.
func (c Checkpoints) Kept(files filesystem.FileSystem) (kept []storage.Completed, found bool, err error) {
	n, found, err := c.noted(files)
	if err != nil {
		return nil, false, err
	}
	for _, p := range n.Kept {
		checkpoint, err := storage.PointerTo(p.Location).Read(files)
		if err != nil {
			return nil, false, fmt.Errorf("recover checkpoint %d: %w", p.ID, err)
		}
		kept = append(kept, checkpoint)
	}
	return kept, found, nil
}

// Left returns what is left of the checkpoints that were kept, of a job that has ended.
// Whoever was deleting them may not have come to the end; what it did with one that is
// none any more is done first.
func (c Checkpoints) Left(files filesystem.FileSystem) ([]storage.Completed, error) {
	n, _, err := c.noted(files)
	if err != nil {
		return nil, err
	}
	var left []storage.Completed
	for _, p := range n.Kept {
		checkpoint, err := storage.PointerTo(p.Location).Read(files)
		if errors.Is(err, fs.ErrNotExist) {
			if err := checkpoints.DeleteDirectory(files, p.Location); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		left = append(left, checkpoint)
	}
	return left, nil
}

// noted reads what is noted, and finishes the deletion of what is doomed.
func (c Checkpoints) noted(files filesystem.FileSystem) (n noted, found bool, err error) {
	data, revision, err := c.Env.Store().Get(key(c.JobID, checkpointName))
	if err != nil || revision == 0 {
		return noted{}, false, err
	}
	if err := json.Unmarshal(data, &n); err != nil {
		return noted{}, false, fmt.Errorf("%s: %w", key(c.JobID, checkpointName), err)
	}
	return n, true, checkpoints.Delete(files, n.Deletions)
}
