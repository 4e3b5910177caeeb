package coordinator

import (
	"errors"
	"fmt"
	"slices"

	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
)

// PlanShutDown records what [Coordinator.ShutDown] will keep and delete. If this JobManager dies
// before the end of ShutDown, the next leader does the rest.
func (c *Coordinator) PlanShutDown(ended storage.JobStatus) error {
	if c.job.Checkpoints.Retention.Keeps(ended) {
		return c.note(c.completed.Kept(), nil)
	}
	return c.note(nil, c.completed.Kept())
}

// ShutDown cleans up when the job has ended in the given terminal state, and returns the locations
// of the checkpoints that stay. If the job's retention keeps checkpoints in this state, the newest
// checkpoints stay. Otherwise no checkpoint stays. ShutDown may be interrupted at any point. It can
// then be repeated, also by another JobManager.
func (c *Coordinator) ShutDown(ended storage.JobStatus) (outlived []string, err error) {
	c.running = false
	c.abortAll(ended)
	failed := []error{}
	for _, old := range c.subsumed {
		failed = append(failed, c.discard(old.checkpoint))
	}
	c.subsumed = nil
	kept := c.completed.Kept()
	for _, old := range slices.Clone(c.completed.ShutDown(ended, c.job.Checkpoints.Retention)) {
		failed = append(failed, c.discard(old)) // if one discard fails, the other checkpoints are discarded nevertheless
		kept = nil
	}
	for _, checkpoint := range kept {
		outlived = append(outlived, checkpoint.Location)
	}
	return outlived, errors.Join(append(failed, c.storage.DeleteUnreferenced(kept))...)
}

// Suspend aborts all checkpoints in progress when the job is suspended. Everything else stays for
// the next leader.
func (c *Coordinator) Suspend() { c.abortAll(storage.Suspended) }

// abortAll aborts all checkpoints in progress when the job ends. It deletes their files at once,
// since no answer of a subtask is expected any more.
func (c *Coordinator) abortAll(ended storage.JobStatus) {
	for len(c.pending) > 0 {
		_ = c.abort(c.pending[0], coordinatorShutDown, fmt.Sprintf("the job is %s", ended)) // this reason never makes the job fail
	}
	c.Depose()
}

// Depose deletes the files of all checkpoints in progress, and of aborted checkpoints that are not
// deleted yet, when another JobManager leads. The other JobManager does not know these checkpoints.
func (c *Coordinator) Depose() {
	for _, p := range slices.Concat(c.pending, c.aborted) {
		c.delete(p)
	}
	c.pending, c.aborted = nil, nil
}

// DeleteUnreferenced deletes files of an ended job: those to which no remaining checkpoint of the
// job refers. The parameter `outlived` lists the locations of the checkpoints that ShutDown left.
// If one of these checkpoints is missing, another job has claimed it and may use any of the files.
// Then DeleteUnreferenced deletes nothing.
func DeleteUnreferenced(files filesystem.FileSystem, ended job.Job, cluster configuration.Configuration, outlived []string) error {
	place, err := checkpoints.Select(files, cluster, ended.Configuration, ended.ID)
	if err != nil {
		return err
	}
	kept, err := place.Find()
	if err != nil {
		return err
	}
	for _, location := range outlived {
		if !slices.ContainsFunc(kept, func(c storage.Completed) bool { return c.Location == location }) {
			return nil
		}
	}
	return place.DeleteUnreferenced(kept)
}
