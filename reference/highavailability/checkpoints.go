package highavailability

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/filesystem"
)

// Checkpoints records the checkpoints of one job. It implements coordinator.Journal.
type Checkpoints struct {
	Leadership
	JobID string
}

// noted is what the highly available store holds about a job's checkpoints.
type noted struct {
	Kept      []pointer // oldest first
	Deletions []string  // files and directories to delete, in this order
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
		last, _ := strconv.ParseInt(string(old), 10, 64) // last is 0 if the job has no id yet
		next = last + 1
		return []byte(strconv.FormatInt(next, 10))
	})
	return next, err
}

// Leads implements coordinator.Journal.
func (c Checkpoints) Leads() error { return c.Env.Store().Renew(c.Term) }

// Start makes the ids of the job's checkpoints begin after the given id.
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

// Kept reads the checkpoints that an earlier leader kept, oldest first. It also deletes the files
// that the earlier leader recorded for deletion. Found is false if no leader has recorded the job's
// checkpoints.
//
// FLINK-22502: a checkpoint that cannot be read is an error. Without this error, the job would
// recover from an older checkpoint.
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

// Left returns the checkpoints that a job that has ended still has. An earlier leader may have
// died while it cleaned up the job. If a recorded checkpoint has no `_metadata` any more, that
// leader had begun to discard the checkpoint. Left then deletes the rest of its directory, and
// does not return it.
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

// noted reads what the store holds about the job's checkpoints, and deletes the files that are
// listed there for deletion.
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
