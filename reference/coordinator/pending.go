package coordinator

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/metadata"
)

// pending is a checkpoint in progress.
type pending struct {
	id       int64
	requests []Request // the requests that this checkpoint serves; all want the same kind of checkpoint
	target   checkpoints.Target
	begun    time.Duration
	asked    []*task
	states   map[protocol.Subtask]metadata.Subtask
	answered map[protocol.Subtask]bool // whether the subtask acknowledged, declined or does not run any more
	ended    map[protocol.Subtask]bool // whether the subtask had reached the end of its input when it acknowledged
	inline   int64                     // number of bytes of state that the acknowledgements contained
}

func (p *pending) kind() Request { return p.requests[0] }

// find returns the checkpoint with this id if the checkpoint is in progress, or if it is aborted
// but not deleted yet. Otherwise it returns nil.
func (c *Coordinator) find(id int64) (p *pending, inProgress bool) {
	for _, p := range c.pending {
		if p.id == id {
			return p, true
		}
	}
	for _, p := range c.aborted {
		if p.id == id {
			return p, false
		}
	}
	return nil, false
}

// Acknowledge notes that a subtask's state is durable. The last acknowledgement completes the
// checkpoint. A repeated acknowledgement is ignored. State that is acknowledged for an aborted
// checkpoint is deleted with that checkpoint.
//
// (Flink deletes the files of a repeated acknowledgement. Here they stay: after the completion they
// belong to the checkpoint.)
func (c *Coordinator) Acknowledge(ack protocol.Acknowledge) error {
	if ack.EndOfInput {
		c.Ended(ack.Subtask)
	}
	p, inProgress := c.find(ack.Checkpoint)
	if p == nil || p.answered[ack.Subtask] {
		return nil
	}
	p.answered[ack.Subtask], p.states[ack.Subtask], p.ended[ack.Subtask] = true, ack.State, ack.EndOfInput
	if !inProgress {
		c.deleteAborted()
		return nil
	}
	p.inline += inlineSize(ack.State)
	if budget := p.target.Budget; budget > 0 && p.inline > budget {
		return c.abort(p, finalizeFailure, fmt.Sprintf("snapshot of checkpoint %d: %v", p.id, &checkpoints.LimitError{
			Of: fmt.Sprintf("the state up to that of %s", ack.Subtask), Size: p.inline, Limit: budget, Name: "the JobManager's memory budget",
		}))
	}
	if len(p.answered) < len(p.asked) {
		return nil
	}
	return c.complete(p)
}

// Decline notes that a subtask cannot take part in a checkpoint, and aborts the checkpoint.
func (c *Coordinator) Decline(decline protocol.Decline) error {
	p, inProgress := c.find(decline.Checkpoint)
	if p == nil || p.answered[decline.Subtask] {
		return nil
	}
	p.answered[decline.Subtask], p.states[decline.Subtask] = true, decline.Written
	if !inProgress {
		c.deleteAborted()
		return nil
	}
	return c.abort(p, asyncException, decline.Reason)
}

func inlineSize(state metadata.Subtask) int64 {
	alone := metadata.Checkpoint{Operators: []metadata.Operator{{Subtasks: []metadata.Subtask{state}}}}
	return alone.InlineSize()
}

// abort aborts a checkpoint. The parameter `why` describes the failure in words. The result is an
// error if more checkpoints in a row failed than the job tolerates.
func (c *Coordinator) abort(p *pending, reason abortReason, why string) error {
	c.env.Log(environment.Record{Event: protocol.EventCheckpointAborted, Job: c.job.ID, Checkpoint: p.id, Status: string(reason), Error: why})
	c.remove(p)
	c.aborted = append(c.aborted, p)
	for _, t := range p.asked {
		c.env.Send(t.Address, protocol.Aborted{Checkpoint: p.id})
	}
	c.answer(p.requests, protocol.Answer{Refused: "the checkpoint was aborted: " + why})
	c.statistics.fail(reason)
	c.retryAt = c.env.Now() + c.job.Checkpoints.Interval // a new checkpoint does not begin at once
	c.deleteAborted()
	c.discardSubsumed()
	if c.running {
		c.finish()
	}
	if !reason.counted() || p.kind().savepoint() || p.id <= c.newest {
		return nil
	}
	if c.failures++; c.failures > c.job.Checkpoints.TolerableFailures {
		failures := c.failures
		c.failures = 0
		return &IntolerableError{Failures: failures, Tolerable: c.job.Checkpoints.TolerableFailures, Last: why}
	}
	return nil
}

// remove removes a checkpoint from the list of the checkpoints in progress.
func (c *Coordinator) remove(p *pending) {
	c.pending = slices.DeleteFunc(c.pending, func(other *pending) bool { return other == p })
}

// abortEarlier aborts the checkpoints in progress that are older than the complete checkpoint with
// this id. The clients that asked for these checkpoints receive the id of the complete checkpoint
// instead. Savepoints stay, since a user has asked for each savepoint.
func (c *Coordinator) abortEarlier(id int64) {
	for _, p := range slices.Clone(c.pending) {
		if p.id < id && !p.kind().savepoint() {
			c.answer(p.requests, protocol.Answer{Checkpoint: id})
			p.requests = []Request{{}}
			_ = c.abort(p, checkpointSubsumed, fmt.Sprintf("checkpoint %d was complete first", id)) // this reason never makes the job fail
		}
	}
}

// deleteAborted deletes the files of the aborted checkpoints to which no subtask writes any more.
func (c *Coordinator) deleteAborted() {
	c.aborted = slices.DeleteFunc(c.aborted, func(p *pending) bool {
		for _, t := range p.asked {
			if !p.answered[t.Subtask] {
				return false
			}
		}
		c.delete(p)
		return true
	})
}

func (c *Coordinator) delete(p *pending) {
	record := environment.Record{Event: protocol.EventDiscarded, Job: c.job.ID, Path: p.target.Location}
	err := errors.Join(p.target.Abort(c.env.Files()), c.completed.DeleteAborted(p.target.Location, c.describe(p)))
	if err != nil {
		record.Error = err.Error()
	}
	c.env.Log(record)
}
