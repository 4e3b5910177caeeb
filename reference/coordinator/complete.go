package coordinator

import (
	"errors"
	"slices"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
)

// subsumed is a checkpoint that the job does not keep any more.
type subsumed struct {
	checkpoint storage.Completed
	during     []*pending // the checkpoints that were in progress when it was subsumed; their subtasks may use its files
}

// complete publishes a checkpoint and records it. A crash may come between any two of its steps, so
// the order of the steps matters.
func (c *Coordinator) complete(p *pending) error {
	// A JobManager that stood still, and lost leadership meanwhile, must not publish.
	if err := c.journal.Leads(); err != nil {
		return err
	}
	// After a crash before the end of this call, the previous checkpoint is still the newest one.
	// If the call fails, `_metadata` may be in place all the same, so abort deletes `_metadata`
	// first.
	done, err := c.storage.Complete(p.target, environment.NewID(c.env), c.describe(p))
	if err != nil {
		return c.abort(p, finalizeFailure, err.Error())
	}
	if p.kind().savepoint() {
		c.completeSavepoint(p, done)
		return nil
	}
	old, err := c.record(p, done)
	if err != nil {
		return err
	}
	c.remove(p)
	c.newest, c.failures, c.retryAt = p.id, 0, 0
	c.pausedUntil = c.env.Now() + c.job.Checkpoints.MinPause
	c.statistics.complete(p, done, c.env.Now())
	// A crash here leaves one checkpoint more than the job should keep.
	c.env.Log(environment.Record{Event: protocol.EventCheckpointCompleted, Job: c.job.ID, Checkpoint: p.id, Path: done.Pointer()})
	c.abortEarlier(p.id)
	for _, checkpoint := range old {
		c.subsumed = append(c.subsumed, subsumed{checkpoint, slices.Clone(c.pending)})
	}
	c.discardSubsumed()
	// If a crash comes here, the sinks are not told that the checkpoint is complete. They commit
	// when they are restored from it.
	c.announce(p)
	c.finish()
	return nil
}

// record adds a published checkpoint to the kept checkpoints and to the journal. It returns the
// older checkpoints that the new one subsumes.
func (c *Coordinator) record(p *pending, done storage.Completed) (old []storage.Completed, err error) {
	if old, err = c.completed.Add(done); err != nil {
		return nil, err
	}
	// A crash here leaves a checkpoint that no other JobManager knows. The next leader recovers
	// from the checkpoint before it. So nothing is deleted and no subtask is told until the journal
	// has recorded the checkpoint. FLINK-22494: this also holds if it is unknown whether the
	// journal recorded the checkpoint.
	if err := c.keep(old); err != nil {
		c.remove(p) // another leader may know the checkpoint, so Depose must not delete it
		if errors.Is(err, environment.ErrDeposed) {
			// The journal did not record the checkpoint. The next leader may delete files that the
			// checkpoint uses, so the checkpoint must not stay.
			err = errors.Join(err, p.target.Abort(c.env.Files()))
		}
		return nil, err
	}
	return old, nil
}

// announce tells the subtasks and the clients that a checkpoint is complete.
func (c *Coordinator) announce(p *pending) {
	for _, t := range p.asked {
		c.env.Send(t.Address, protocol.Complete{Checkpoint: p.id})
	}
	c.answer(p.requests, protocol.Answer{Checkpoint: p.id})
	for _, t := range p.asked {
		t.final = t.final || p.ended[t.Subtask]
	}
}

// completeSavepoint records a published savepoint.
//
// FLINK-21351: the job does not keep the savepoint among its checkpoints, and the savepoint
// subsumes no checkpoint.
func (c *Coordinator) completeSavepoint(p *pending, done storage.Completed) {
	c.remove(p)
	defer c.finish()
	c.statistics.complete(p, done, c.env.Now())
	c.env.Log(environment.Record{Event: protocol.EventSavepointCompleted, Job: c.job.ID, Checkpoint: p.id, Path: done.Pointer()})
	if p.kind().Stop != protocol.GoOn {
		// FLINK-26783: the sinks commit all output with the savepoint. A job that restarts from an
		// older checkpoint would write this output again.
		c.stopped = done.Location
		for _, t := range p.asked {
			c.env.Send(t.Address, protocol.Complete{Checkpoint: p.id})
			c.env.Send(t.Address, protocol.Finish{})
			t.finished = true
		}
	}
	c.answer(p.requests, protocol.Answer{Checkpoint: p.id, Path: done.Location})
}

// keep records in the journal which checkpoints are kept, and which files will be deleted with the
// old checkpoints. If this JobManager dies before it has deleted these files, the next leader
// deletes them.
func (c *Coordinator) keep(old []storage.Completed) error {
	return c.note(c.completed.Kept(), old)
}

func (c *Coordinator) note(kept, discarded []storage.Completed) error {
	for _, earlier := range c.subsumed {
		discarded = append(slices.Clone(discarded), earlier.checkpoint)
	}
	deletions, err := c.completed.Deletions(discarded)
	if err != nil {
		return err
	}
	return c.journal.Keep(kept, deletions)
}

// discardSubsumed discards the subsumed checkpoints.
//
// FLINK-25395: a subsumed checkpoint waits for all checkpoints that were in progress when it was
// subsumed. Their subtasks may refer to its files.
func (c *Coordinator) discardSubsumed() {
	c.subsumed = slices.DeleteFunc(c.subsumed, func(old subsumed) bool {
		if slices.ContainsFunc(old.during, func(p *pending) bool { return slices.Contains(c.pending, p) }) {
			return false
		}
		_ = c.discard(old.checkpoint) // an error is logged, and the job goes on
		return true
	})
}

func (c *Coordinator) discard(old storage.Completed) error {
	record := environment.Record{
		Event: protocol.EventDiscarded, Job: c.job.ID, Checkpoint: old.Checkpoint.ID, Path: old.Pointer(),
	}
	err := c.completed.Discard(old)
	if err != nil {
		record.Error = err.Error()
	}
	c.env.Log(record)
	return err
}
