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
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/metadata"
)

// stateBackend is the only one that the engine has.
const stateBackend = "hashmap"

// Task is a subtask that takes part in checkpoints.
type Task struct {
	Subtask protocol.Subtask
	Address environment.Address
}

// Coordinator is the checkpoint coordinator of one job.
type Coordinator struct {
	env       environment.Environment
	job       job.Job
	storage   storage.CheckpointStorage
	completed *storage.CompletedCheckpoints

	tasks   []Task // of the current attempt
	lastID  int64
	pending *pending
	aborted []*pending // given up, and to be deleted
}

// Request says what kind of checkpoint is wanted.
type Request struct {
	Final        bool   // after its barrier no records come
	SavepointDir string // URL; if it is there, a savepoint goes below it
}

type pending struct {
	Request
	id       int64
	target   storage.Target
	deadline time.Duration
	states   map[protocol.Subtask]metadata.Subtask
	inline   int64                     // bytes of state that came with the acknowledgements
	declined map[protocol.Subtask]bool // who has no part in it
	reason   string                    // of the first who declined
}

// New returns the coordinator of a job; origin is the checkpoint that the job
// resumes from, if any. It touches nothing.
func New(env environment.Environment, j job.Job, cluster configuration.Configuration, origin *storage.Completed) (*Coordinator, error) {
	place, err := storage.Select(env.Files(), cluster, j.Configuration, j.ID)
	if err != nil {
		return nil, err
	}
	merged := configuration.Merge(cluster, j.Configuration)
	if backend := merged.Text(configuration.StateBackend); backend != stateBackend {
		return nil, fmt.Errorf("%s: the reference has %s, got %q", configuration.StateBackend.Key, stateBackend, backend)
	}
	retained, err := cluster.Int(configuration.NumRetained)
	if err != nil {
		return nil, err
	}
	c := &Coordinator{
		env: env, job: j, storage: place,
		completed: storage.NewCompletedCheckpoints(env.Files(), max(1, retained)), // Flink too takes 0 for 1
	}
	if origin == nil {
		return c, nil
	}
	c.lastID = origin.Checkpoint.ID // ids go on where the origin's ended
	return c, c.completed.Restore(*origin, j.ClaimMode)
}

// Prepare makes the job's directories.
func (c *Coordinator) Prepare() error { return c.storage.Prepare() }

// Latest is the checkpoint to come back from, if there is one.
func (c *Coordinator) Latest() (storage.Completed, bool) { return c.completed.Latest() }

// Begin starts a new attempt with the given subtasks.
func (c *Coordinator) Begin(tasks []Task) { c.tasks = tasks }

// Pending returns the checkpoint in progress and when it is to be given up.
func (c *Coordinator) Pending() (id int64, deadline time.Duration, ok bool) {
	if c.pending == nil {
		return 0, 0, false
	}
	return c.pending.id, c.pending.deadline, true
}

// Trigger begins a checkpoint. An error has changed nothing, but for the id.
func (c *Coordinator) Trigger(request Request) (int64, error) {
	c.lastID++ // used up even if the trigger fails
	id := c.lastID
	target, err := c.begin(id, request)
	if err != nil {
		c.env.Log(environment.Record{Event: protocol.EventCheckpointAborted, Job: c.job.ID, Checkpoint: id, Error: err.Error()})
		return id, err
	}
	c.pending = &pending{
		Request: request, id: id, target: target, deadline: c.env.Now() + c.job.Timeout,
		states: map[protocol.Subtask]metadata.Subtask{}, declined: map[protocol.Subtask]bool{},
	}
	c.env.Log(environment.Record{Event: protocol.EventCheckpointTriggered, Job: c.job.ID, Checkpoint: id})
	barrier := protocol.Barrier{Checkpoint: id, Target: target, Final: request.Final}
	for _, t := range c.tasks {
		if t.Subtask.UID == job.SourceUID {
			c.env.Send(t.Address, protocol.Trigger{Barrier: barrier})
		}
	}
	return id, nil
}

func (c *Coordinator) begin(id int64, request Request) (storage.Target, error) {
	if request.SavepointDir != "" {
		return c.storage.BeginSavepoint(request.SavepointDir, environment.NewID(c.env))
	}
	return c.storage.Begin(id)
}

// Outcome is what became of a checkpoint with an acknowledgement or a refusal.
type Outcome struct {
	Ended    bool // it is complete, or was given up
	Declined string
	Path     string // of a savepoint
}

// Acknowledge notes that a subtask's state is durable; the last one completes the
// checkpoint. What it has no use for (a checkpoint given up, a repetition) it ignores.
func (c *Coordinator) Acknowledge(ack protocol.Acknowledge) (Outcome, error) {
	p := c.pending
	if p == nil || ack.Checkpoint != p.id || p.answered(ack.Subtask) {
		return Outcome{}, nil
	}
	p.states[ack.Subtask] = ack.State
	p.inline += inlineSize(ack.State)
	if budget := p.target.Budget; budget > 0 && p.inline > budget {
		p.decline(ack.Subtask, fmt.Sprintf("snapshot of checkpoint %d: %v", p.id, &storage.LimitError{
			Of: fmt.Sprintf("the state up to that of %s", ack.Subtask), Size: p.inline, Limit: budget, Name: "the JobManager's memory budget",
		}))
	}
	return c.outcome()
}

// Decline notes that a subtask has no part in the checkpoint, which so is given up.
func (c *Coordinator) Decline(decline protocol.Decline) (Outcome, error) {
	p := c.pending
	if p == nil || decline.Checkpoint != p.id || p.answered(decline.Subtask) {
		return Outcome{}, nil
	}
	p.decline(decline.Subtask, decline.Reason)
	return c.outcome()
}

func (p *pending) answered(subtask protocol.Subtask) bool {
	_, acknowledged := p.states[subtask]
	return acknowledged || p.declined[subtask]
}

func (p *pending) decline(subtask protocol.Subtask, reason string) {
	if len(p.declined) == 0 {
		p.reason = reason
	}
	p.declined[subtask] = true
	delete(p.states, subtask)
}

func inlineSize(state metadata.Subtask) int64 {
	alone := metadata.Checkpoint{Operators: []metadata.Operator{{Subtasks: []metadata.Subtask{state}}}}
	return alone.InlineSize()
}

// outcome ends the pending checkpoint when all subtasks have answered: only then
// nobody writes into it any more, and it can be deleted if it was declined.
func (c *Coordinator) outcome() (Outcome, error) {
	p := c.pending
	switch {
	case len(p.states)+len(p.declined) < len(c.tasks):
		return Outcome{}, nil
	case len(p.declined) == 0:
		return c.complete()
	}
	return c.giveUp(p.reason), nil
}

// giveUp deletes the pending checkpoint, and has the subtasks go on without it.
func (c *Coordinator) giveUp(reason string) Outcome {
	id := c.pending.id
	c.Abort(reason)
	for _, t := range c.tasks {
		c.env.Send(t.Address, protocol.Aborted{Checkpoint: id})
	}
	c.Abandon()
	return Outcome{Ended: true, Declined: reason}
}

// complete makes the pending checkpoint one to come back from. The order of its
// steps is the order that a crash may split.
func (c *Coordinator) complete() (Outcome, error) {
	p := c.pending
	// A crash before this is done leaves the previous checkpoint the newest.
	// If it cannot be done the checkpoint is given up; whether its `_metadata` is in
	// place nobody knows then, so that is what goes first.
	done, err := c.storage.Complete(p.target, environment.NewID(c.env), c.describe(p))
	if err != nil {
		return c.giveUp(err.Error()), nil
	}
	c.pending = nil
	outcome := Outcome{Ended: true}
	event := protocol.EventCheckpointCompleted
	if p.SavepointDir != "" {
		// FLINK-21351: a savepoint is not kept among the checkpoints, and subsumes none.
		event, outcome.Path = protocol.EventSavepointCompleted, done.Location
	}
	// A crash here leaves one checkpoint more than is to be kept.
	c.env.Log(environment.Record{Event: event, Job: c.job.ID, Checkpoint: p.id, Path: done.Pointer()})
	if p.SavepointDir == "" {
		subsumed, err := c.completed.Add(done)
		if err != nil {
			return Outcome{}, err
		}
		for _, old := range subsumed {
			_ = c.discard(old) // logged; what cannot be deleted does not trouble the job
		}
	}
	// A crash here leaves sinks that were not told; they commit when they are
	// restored from this checkpoint.
	for _, t := range c.tasks {
		c.env.Send(t.Address, protocol.Complete{Checkpoint: p.id})
	}
	return outcome, nil
}

func (c *Coordinator) describe(p *pending) metadata.Checkpoint {
	checkpoint := metadata.Checkpoint{Version: metadata.Version, ID: p.id, Properties: c.job.Retention.Properties()}
	if p.SavepointDir != "" {
		checkpoint.Properties = storage.SavepointProperties()
	}
	for _, vertex := range job.Vertices() {
		operator := metadata.Operator{
			Name: vertex.UID, UID: vertex.UID, ID: metadata.NewOperatorID(vertex.UID),
			Parallelism: int32(c.job.Parallelism), MaxParallelism: job.ParallelismMax,
		}
		for i := range c.job.Parallelism {
			operator.Subtasks = append(operator.Subtasks, p.states[protocol.Subtask{UID: vertex.UID, Index: i}])
		}
		checkpoint.Operators = append(checkpoint.Operators, operator)
	}
	return checkpoint
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

// Abort gives up the checkpoint in progress, if there is one: whatever is still
// said of it comes too late. What there is of it stays until [Coordinator.Abandon].
func (c *Coordinator) Abort(reason string) {
	if c.pending == nil {
		return
	}
	c.env.Log(environment.Record{
		Event: protocol.EventCheckpointAborted, Job: c.job.ID, Checkpoint: c.pending.id, Error: reason,
	})
	c.aborted = append(c.aborted, c.pending)
	c.pending = nil
}

// Abandon deletes what there is of the checkpoints that were given up. Nobody
// must write into them any more.
func (c *Coordinator) Abandon() {
	for _, p := range c.aborted {
		record := environment.Record{Event: protocol.EventDiscarded, Job: c.job.ID, Path: p.target.Location}
		err := errors.Join(storage.Abandon(c.env.Files(), p.target), c.completed.AbandonShared(p.target.Location, c.describe(p)))
		if err != nil {
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
	var failed error
	for _, old := range slices.Clone(c.completed.ShutDown(ended, c.job.Retention)) {
		if err := c.discard(old); err != nil && failed == nil {
			failed = err // the others still go
		}
	}
	return failed
}
