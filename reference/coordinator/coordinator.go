// Package coordinator decides when a checkpoint of one job begins and when it is
// complete, keeps as many as it was told to, and cleans up after the job.
//
// It does so for the master of the job, in the master's own task: between two of
// its calls nothing happens. It is not a restart strategy: which checkpoint to
// come back from it says, whether to come back it does not.
//
// Start with [Coordinator]; a checkpoint's life is Trigger, Acknowledge for each
// subtask, and complete.
package coordinator

import (
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/metadata"
)

// Task is a subtask that takes part in checkpoints.
type Task struct {
	Subtask protocol.Subtask
	Address environment.Address
}

// Coordinator is the checkpoint coordinator of one job.
type Coordinator struct {
	env      environment.Environment
	job      job.Job
	storage  *storage.FileSystemCheckpointStorage
	retained int // completed checkpoints to keep

	tasks     []Task // of the current attempt
	lastID    int64
	pending   *pending
	aborted   []string           // locations of checkpoints given up, to be deleted
	completed []storage.Retained // own, oldest first
	origin    *storage.Retained  // the checkpoint resumed from; never ours to delete
}

type pending struct {
	id       int64
	location string
	deadline time.Duration
	states   map[protocol.Subtask]metadata.Handle
}

// New returns the coordinator of a job; origin is the checkpoint that the job
// resumes from, if any. It touches nothing.
func New(env environment.Environment, j job.Job, retained int, origin *storage.Retained) (*Coordinator, error) {
	place, err := storage.NewFileSystemCheckpointStorage(env.Files(), j.CheckpointDir, j.ID)
	if err != nil {
		return nil, err
	}
	c := &Coordinator{env: env, job: j, storage: place, retained: retained, origin: origin}
	if origin != nil {
		c.lastID = origin.Checkpoint.ID // ids go on where the origin's ended
	}
	return c, nil
}

// Prepare makes the job's directories.
func (c *Coordinator) Prepare() error { return c.storage.Prepare() }

// Latest is the checkpoint to come back from, if there is one.
func (c *Coordinator) Latest() (storage.Retained, bool) {
	if len(c.completed) > 0 {
		return c.completed[len(c.completed)-1], true
	}
	if c.origin != nil {
		return *c.origin, true
	}
	return storage.Retained{}, false
}

// Begin starts a new attempt with the given subtasks.
func (c *Coordinator) Begin(tasks []Task) { c.tasks = tasks }

// Pending returns the checkpoint in progress and when it is to be given up.
func (c *Coordinator) Pending() (id int64, deadline time.Duration, ok bool) {
	if c.pending == nil {
		return 0, 0, false
	}
	return c.pending.id, c.pending.deadline, true
}

// Trigger begins a checkpoint. After the barrier of a final one no records come.
func (c *Coordinator) Trigger(final bool) (int64, error) {
	c.lastID++ // used up even if the trigger fails
	id := c.lastID
	location, err := c.storage.Begin(id)
	if err != nil {
		return id, err
	}
	c.pending = &pending{
		id: id, location: location, deadline: c.env.Now() + c.job.Timeout,
		states: map[protocol.Subtask]metadata.Handle{},
	}
	c.env.Log(environment.Record{Event: protocol.EventCheckpointTriggered, Job: c.job.ID, Checkpoint: id})
	barrier := protocol.Barrier{Checkpoint: id, Location: location, Final: final}
	for _, t := range c.tasks {
		if t.Subtask.UID == job.SourceUID {
			c.env.Send(t.Address, protocol.Trigger{Barrier: barrier})
		}
	}
	return id, nil
}

// Acknowledge notes that a subtask's state is durable. It returns true when that
// completed the checkpoint. What it has no use for (a checkpoint given up, a
// repetition) it ignores.
func (c *Coordinator) Acknowledge(ack protocol.Acknowledge) (bool, error) {
	if c.pending == nil || ack.Checkpoint != c.pending.id {
		return false, nil
	}
	c.pending.states[ack.Subtask] = ack.State
	if len(c.pending.states) < len(c.tasks) {
		return false, nil
	}
	return true, c.complete()
}

// complete makes the pending checkpoint one to come back from. The order of its
// steps is the order that a crash may split.
func (c *Coordinator) complete() error {
	done := storage.Retained{Location: c.pending.location, Checkpoint: c.describe()}
	// A crash before this is done leaves the previous checkpoint the newest.
	if err := storage.Publish(c.env.Files(), done.Location, environment.NewID(c.env), done.Checkpoint); err != nil {
		return err
	}
	// A crash here leaves one checkpoint more than is to be kept.
	c.completed = append(c.completed, done)
	c.pending = nil
	c.env.Log(environment.Record{
		Event: protocol.EventCheckpointCompleted, Job: c.job.ID, Checkpoint: done.Checkpoint.ID, Path: done.Location,
	})
	c.subsume()
	// A crash here leaves sinks that were not told; they commit when they are
	// restored from this checkpoint.
	for _, t := range c.tasks {
		c.env.Send(t.Address, protocol.Complete{Checkpoint: done.Checkpoint.ID})
	}
	return nil
}

func (c *Coordinator) describe() metadata.Checkpoint {
	checkpoint := metadata.Checkpoint{ID: c.pending.id, Workload: job.WorkloadName}
	for _, vertex := range job.Vertices() {
		operator := metadata.Operator{UID: vertex.UID, Parallelism: c.job.Parallelism}
		for i := range c.job.Parallelism {
			state := c.pending.states[protocol.Subtask{UID: vertex.UID, Index: i}]
			operator.Subtasks = append(operator.Subtasks, metadata.Subtask{Index: i, State: state})
		}
		checkpoint.Operators = append(checkpoint.Operators, operator)
	}
	return checkpoint
}

// subsume deletes the oldest checkpoints until no more are left than are to be
// kept. What cannot be deleted stays behind, and does not trouble the job.
func (c *Coordinator) subsume() {
	for len(c.completed) > c.retained {
		_ = c.discard(c.completed[0]) // logged
		c.completed = slices.Delete(c.completed, 0, 1)
	}
}

func (c *Coordinator) discard(old storage.Retained) error {
	record := environment.Record{
		Event: protocol.EventDiscarded, Job: c.job.ID, Checkpoint: old.Checkpoint.ID, Path: old.Location,
	}
	err := storage.Discard(c.env.Files(), old.Location, old.Checkpoint)
	if err != nil {
		record.Error = err.Error()
	}
	c.env.Log(record)
	return err
}

// Abort gives up the checkpoint in progress, if there is one: whatever is still
// said of it comes too late. What there is of it stays until [Coordinator.Abandon].
func (c *Coordinator) Abort(reason string) {
	if c.pending == nil {
		return
	}
	c.env.Log(environment.Record{
		Event: protocol.EventCheckpointAborted, Job: c.job.ID, Checkpoint: c.pending.id, Error: reason,
	})
	c.aborted = append(c.aborted, c.pending.location)
	c.pending = nil
}

// Abandon deletes what there is of the checkpoints that were given up. Nobody
// must write into them any more.
func (c *Coordinator) Abandon() {
	for _, location := range c.aborted {
		record := environment.Record{Event: protocol.EventDiscarded, Job: c.job.ID, Path: location}
		if err := storage.Abandon(c.env.Files(), location); err != nil {
			record.Error = err.Error()
		}
		c.env.Log(record)
	}
	c.aborted = nil
}

// ShutDown cleans up when the job has ended in the given terminal state: the
// newest checkpoints stay if the job's retention keeps them, else all go.
func (c *Coordinator) ShutDown(ended storage.JobStatus) error {
	c.Abort(fmt.Sprintf("the job is %s", ended))
	c.Abandon()
	if c.job.Retention.Keeps(ended) {
		return nil
	}
	var failed error
	for _, old := range c.completed {
		if err := c.discard(old); err != nil && failed == nil {
			failed = err // the others still go
		}
	}
	c.completed = nil
	return failed
}
