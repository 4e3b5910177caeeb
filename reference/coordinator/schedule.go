package coordinator

import (
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/metadata"
)

// requestsMax is the largest number of requests for checkpoints and savepoints that may wait at the
// same time.
const requestsMax = 1000

// Request asks for a checkpoint or a savepoint.
type Request struct {
	Client       environment.Address // the client that receives the result; empty if the coordinator itself wants the checkpoint
	SavepointDir string              // URL of the directory below which a savepoint is taken; empty if the request asks for a checkpoint
	Stop         protocol.Stop       // whether the job stops with the savepoint
}

func (r Request) savepoint() bool { return r.SavepointDir != "" }

// Ask queues a request. The client receives the result.
func (c *Coordinator) Ask(request Request) {
	switch {
	case !c.running:
		c.answer([]Request{request}, protocol.Answer{Refused: fmt.Sprintf("not all subtasks of job %s are running", c.job.ID)})
	case len(c.requests) >= requestsMax:
		c.answer([]Request{request}, protocol.Answer{Refused: fmt.Sprintf("%d requests wait already", requestsMax)})
	default:
		c.requests = append(c.requests, request)
	}
}

// Refuse refuses all waiting requests.
func (c *Coordinator) Refuse(why string) {
	c.answer(c.requests, protocol.Answer{Refused: why})
	c.requests = nil
}

// Act aborts checkpoints that have timed out and begins checkpoints that are due. It returns the
// time until the next call is needed.
func (c *Coordinator) Act() (time.Duration, error) {
	for len(c.pending) > 0 && c.env.Now() >= c.pending[0].begun+c.job.Checkpoints.Timeout {
		first := c.pending[0]
		if err := c.abort(first, checkpointExpired, fmt.Sprintf("checkpoint %d expired after %s", first.id, c.job.Checkpoints.Timeout)); err != nil {
			return 0, err
		}
	}
	wait := environment.Forever
	for {
		wanted, at := c.next()
		if wanted == nil {
			break
		}
		if at > c.env.Now() {
			wait = at - c.env.Now()
			break
		}
		if err := c.trigger(wanted); err != nil {
			return 0, err
		}
	}
	if len(c.pending) > 0 {
		wait = min(wait, c.pending[0].begun+c.job.Checkpoints.Timeout-c.env.Now())
	}
	return wait, nil
}

// next returns the requests that the next checkpoint serves, and the time at which it may begin. It
// returns nil if no checkpoint may begin. Requests go first, then the last checkpoint at the end of
// all input, then a periodic checkpoint. All requests for a plain checkpoint share one checkpoint.
// Each savepoint is a checkpoint of its own.
func (c *Coordinator) next() ([]Request, time.Duration) {
	switch {
	case !c.running || c.stopped != "" || len(c.pending) >= c.job.Checkpoints.MaxConcurrent || c.finishing():
		return nil, 0
	case slices.ContainsFunc(c.pending, func(p *pending) bool { return p.kind().Stop != protocol.GoOn }):
		return nil, 0 // the job stops with that checkpoint
	case !slices.ContainsFunc(c.tasks, func(t *task) bool { return !t.finished }):
		return nil, 0
	case len(c.requests) > 0:
		first := c.requests[0]
		if first.savepoint() {
			return []Request{first}, c.retryAt
		}
		plain := slices.DeleteFunc(slices.Clone(c.requests), Request.savepoint)
		return plain, c.retryAt
	case c.allEnded():
		return []Request{{}}, max(c.retryAt, c.pausedUntil)
	}
	return []Request{{}}, max(c.nextPeriodic, c.pausedUntil)
}

// trigger begins a checkpoint.
func (c *Coordinator) trigger(requests []Request) error {
	c.nextPeriodic = c.env.Now() + c.job.Checkpoints.Interval
	c.requests = slices.DeleteFunc(c.requests, func(r Request) bool { return slices.Contains(requests, r) })
	id, err := c.journal.NextID() // the id is used up even if the trigger fails
	if err != nil {
		return err
	}
	p := &pending{
		id: id, requests: requests, begun: c.env.Now(), states: map[protocol.Subtask]metadata.Subtask{},
		answered: map[protocol.Subtask]bool{}, ended: map[protocol.Subtask]bool{},
	}
	c.statistics.total.Triggered++
	// A crash from here on leaves a directory to which nothing refers.
	if p.target, err = c.begin(p); err != nil {
		c.pending = append(c.pending, p) // abort expects to find the checkpoint in this list
		return c.abort(p, ioException, err.Error())
	}
	for _, t := range c.tasks {
		if !t.finished {
			p.asked = append(p.asked, t)
		}
	}
	c.pending = append(c.pending, p)
	triggered := environment.Record{Event: protocol.EventCheckpointTriggered, Job: c.job.ID, Checkpoint: id}
	if p.kind().savepoint() {
		triggered.Status = "savepoint"
	}
	c.env.Log(triggered)
	barrier := c.barrier(p)
	for _, t := range p.asked {
		if c.begins(t) {
			c.env.Send(t.Address, protocol.Trigger{Barrier: barrier})
		}
	}
	return nil
}

func (c *Coordinator) begin(p *pending) (checkpoints.Target, error) {
	if p.kind().savepoint() {
		return c.storage.BeginSavepoint(p.kind().SavepointDir, environment.NewID(c.env))
	}
	return c.storage.Begin(p.id)
}

func (c *Coordinator) barrier(p *pending) protocol.Barrier {
	barrier := protocol.Barrier{Checkpoint: p.id, Newest: c.newest, Target: p.target, Stop: p.kind().Stop}
	if p.kind().savepoint() {
		barrier.Kind = state.Savepoint // always aligned: a savepoint must not depend on the parallelism
		return barrier
	}
	if c.job.Checkpoints.Unaligned {
		barrier.AlignmentTimeout = c.job.Checkpoints.AlignmentTimeout
		barrier.Unaligned = barrier.AlignmentTimeout == 0
	}
	return barrier
}
