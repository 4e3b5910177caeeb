// Package coordinator decides when a checkpoint of one job begins and when it is
// complete, keeps as many as it was told to, says what each subtask is restored from,
// and cleans up after the job.
//
// It does so for the master of the job, in the master's own task: between two of its
// calls nothing happens. It is not a restart strategy: which checkpoint to come back
// from it says, whether to come back it does not.
//
// Start with [Coordinator]; a checkpoint's life is trigger, Acknowledge for each
// subtask, and complete.
package coordinator

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// stateBackend is the only one that the engine has: keyed state lies in memory.
const stateBackend = "hashmap"

// Registry is where the checkpoints of a job are noted so that another JobManager
// finds them. If one of its methods fails, this JobManager may lead no longer: nothing
// may be deleted then. With [environment.ErrDeposed] it is certain that nothing was noted.
type Registry interface {
	// NextID returns an id that no checkpoint of the job ever had.
	NextID() (int64, error)

	// Leads says whether this JobManager leads still.
	Leads() error

	// Keep notes which checkpoints are kept from now on, oldest first, and which files
	// are to be deleted.
	Keep(kept []storage.Completed, doomed []string) error
}

// Task is a subtask that takes part in checkpoints.
type Task struct {
	Subtask  protocol.Subtask
	Address  environment.Address
	ended    bool // nothing comes out of it any more
	final    bool // and its last state is in a complete checkpoint
	finished bool // and it was told to finish
	gone     bool // and it said that it did
}

// Coordinator is the checkpoint coordinator of one job.
type Coordinator struct {
	env       environment.Environment
	job       job.Job
	graph     dataflow.Graph
	groups    int
	storage   checkpoints.Storage
	completed *checkpoints.Registry
	registry  Registry

	tasks    []*Task
	running  bool       // all of them do
	requests []Request  // that wait for their turn
	pending  []*pending // in progress, oldest first
	givenUp  []*pending // to be deleted, once nobody writes into them any more
	subsumed []subsumed

	nextPeriodic time.Duration
	pausedUntil  time.Duration // for periodic ones
	retryAt      time.Duration // for others, after one that failed
	newest       int64         // id of the newest that is complete
	failures     int           // in a row
	stopped      string        // where the savepoint is that the job stopped with
	outlived     []string      // locations of what was kept when the job ended
	statistics   protocol.Statistics
}

// Request says what kind of checkpoint somebody wants.
type Request struct {
	Client       environment.Address // told how it ended; nobody: it is our own
	SavepointDir string              // URL; if it is there, a savepoint goes below it
	Stop         protocol.Stop       // whether the job stops with it
}

func (r Request) savepoint() bool { return r.SavepointDir != "" }

// pending is a checkpoint in progress.
type pending struct {
	id       int64
	requests []Request // all of one kind
	target   checkpoints.Target
	begun    time.Duration
	asked    []*Task
	states   map[protocol.Subtask]metadata.Subtask
	answered map[protocol.Subtask]bool // acknowledged, declined or gone
	ended    map[protocol.Subtask]bool // acknowledged after the end of input
	inline   int64                     // bytes of state that came with the acknowledgements
}

func (p *pending) kind() Request { return p.requests[0] }

// subsumed is a checkpoint that is kept no longer. While one is in progress that was
// triggered before, subtasks may be building upon it.
type subsumed struct {
	checkpoint storage.Completed
	during     []*pending // those
}

// New returns the coordinator of a job with its key groups. It touches nothing.
func New(env environment.Environment, j job.Job, groups int, cluster configuration.Configuration, registry Registry) (*Coordinator, error) {
	place, err := checkpoints.Select(env.Files(), cluster, j.Configuration, j.ID)
	if err != nil {
		return nil, err
	}
	if backend := configuration.Merge(cluster, j.Configuration).Text(configuration.StateBackend); backend != stateBackend {
		return nil, fmt.Errorf("%s: the reference has %s, got %q", configuration.StateBackend.Key, stateBackend, backend)
	}
	retained, err := cluster.Int(configuration.NumRetained)
	if err != nil {
		return nil, err
	}
	graph, err := j.Workload.Graph()
	if err != nil {
		return nil, err
	}
	return &Coordinator{
		env: env, job: j, graph: graph, groups: groups, storage: place, registry: registry,
		completed:  checkpoints.NewRegistry(env.Files(), max(1, retained)), // Flink too takes 0 for 1
		statistics: protocol.Statistics{Reasons: map[string]int{}},
	}, nil
}

// Resume notes the checkpoint that the job resumes from.
func (c *Coordinator) Resume(from storage.Completed) error {
	if err := c.completed.Restore(from, c.job.Restore.ClaimMode); err != nil {
		return err
	}
	c.newest = from.Checkpoint.ID
	return nil
}

// Recover notes the checkpoints that another JobManager kept, oldest first. One that it
// did not come to note is deleted: it must not pass for somebody else's.
func (c *Coordinator) Recover(kept []storage.Completed) error {
	if err := c.storage.DiscardOthers(kept); err != nil {
		return err
	}
	for _, checkpoint := range kept {
		c.newest = max(c.newest, checkpoint.Checkpoint.ID)
	}
	return c.completed.Recover(kept)
}

// Prepare makes the job's directories, and notes what the job resumes from. Where
// checkpoints of an earlier run are it refuses to: they are somebody's.
func (c *Coordinator) Prepare() error {
	earlier, err := c.storage.Find()
	if err != nil {
		return err
	}
	if len(earlier) > 0 {
		return fmt.Errorf("%s exists; it belongs to an earlier run of the job, or to another: take another job id or directory", earlier[0].Location)
	}
	if err := c.storage.Prepare(); err != nil {
		return err
	}
	return c.registry.Keep(c.completed.Kept(), nil)
}

// Latest is the checkpoint to come back from, if there is one.
func (c *Coordinator) Latest() (storage.Completed, bool) { return c.completed.Latest() }

// Stopped returns where the savepoint is that the job stopped with.
func (c *Coordinator) Stopped() (path string, stopped bool) { return c.stopped, c.stopped != "" }

// Outlived returns where the checkpoints are that were kept when the job ended.
func (c *Coordinator) Outlived() []string { return c.outlived }

// Statistics returns what became of the job's checkpoints.
func (c *Coordinator) Statistics() protocol.Statistics {
	s := c.statistics
	s.InProgress = len(c.pending)
	return s
}

// Deployed notes where a subtask is now. It has no part in checkpoints that are in
// progress.
func (c *Coordinator) Deployed(subtask protocol.Subtask, address environment.Address) {
	if t := c.task(subtask); t != nil {
		*t = Task{Subtask: subtask, Address: address}
		return
	}
	c.tasks = append(c.tasks, &Task{Subtask: subtask, Address: address})
}

// Restored notes that subtasks were restored from the latest checkpoint.
func (c *Coordinator) Restored(checkpoint int64) { c.statistics.Restored = checkpoint }

// Run lets checkpoints begin: all subtasks run.
func (c *Coordinator) Run() {
	c.running, c.nextPeriodic = true, c.env.Now()+c.job.Checkpoints.Interval
	c.finish() // those that were to when something failed
}

// Failover gives up all checkpoints in progress, and lets none begin until the
// subtasks that failed run again. Late answers are of no use any more.
func (c *Coordinator) Failover(why string) {
	c.running = false
	for len(c.pending) > 0 {
		_ = c.fail(c.pending[0], Failover, why) // it does not count
	}
	c.answer(c.requests, protocol.Answer{Refused: why})
	c.requests = nil
}

// Gone notes that a subtask runs no more: it answers for nothing.
func (c *Coordinator) Gone(subtask protocol.Subtask) {
	for _, t := range c.tasks {
		t.gone = t.gone || (t.finished && t.Subtask == subtask)
	}
	for _, p := range c.givenUp {
		p.answered[subtask] = true
	}
	c.abandon()
}

func (c *Coordinator) task(subtask protocol.Subtask) *Task {
	at := slices.IndexFunc(c.tasks, func(t *Task) bool { return t.Subtask == subtask })
	if at < 0 {
		return nil
	}
	return c.tasks[at]
}

// Ended notes that nothing comes out of a subtask any more.
func (c *Coordinator) Ended(subtask protocol.Subtask) {
	if t := c.task(subtask); t != nil {
		t.ended = true
	}
}

// Ask asks for a checkpoint; the client is told how it ended.
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

// Refuse tells everybody who waits for a checkpoint that there will be none.
func (c *Coordinator) Refuse(why string) {
	c.answer(c.requests, protocol.Answer{Refused: why})
	c.requests = nil
}

// Act does what is due: gives up what took too long, and begins what is wanted. It
// says how long nothing more will be due.
func (c *Coordinator) Act() (time.Duration, error) {
	for len(c.pending) > 0 && c.env.Now() >= c.pending[0].begun+c.job.Checkpoints.Timeout {
		first := c.pending[0]
		if err := c.fail(first, Expired, fmt.Sprintf("checkpoint %d expired after %s", first.id, c.job.Checkpoints.Timeout)); err != nil {
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

// next says what to begin next and when, if anything: what was asked for, the last
// checkpoint at the end of all input, or a periodic one. All who want a plain
// checkpoint share one; a savepoint is a checkpoint of its own.
func (c *Coordinator) next() ([]Request, time.Duration) {
	switch {
	case !c.running || c.stopped != "" || len(c.pending) >= c.job.Checkpoints.MaxConcurrent || c.finishing():
		return nil, 0
	case slices.ContainsFunc(c.pending, func(p *pending) bool { return p.kind().Stop != protocol.GoOn }):
		return nil, 0 // after that one there is nothing
	case !slices.ContainsFunc(c.tasks, func(t *Task) bool { return !t.finished }):
		return nil, 0
	case len(c.requests) > 0:
		first := c.requests[0]
		if first.savepoint() {
			return []Request{first}, c.retryAt
		}
		plain := slices.DeleteFunc(slices.Clone(c.requests), Request.savepoint)
		return plain, c.retryAt
	case c.allEnded():
		return []Request{{}}, c.retryAt
	}
	return []Request{{}}, max(c.nextPeriodic, c.pausedUntil)
}

// allEnded says whether the last checkpoint is all that is wanting.
func (c *Coordinator) allEnded() bool {
	return len(c.pending) == 0 && !slices.ContainsFunc(c.tasks, func(t *Task) bool { return !t.ended && !t.finished })
}

// trigger begins a checkpoint.
func (c *Coordinator) trigger(requests []Request) error {
	c.nextPeriodic = c.env.Now() + c.job.Checkpoints.Interval
	c.requests = slices.DeleteFunc(c.requests, func(r Request) bool { return slices.Contains(requests, r) })
	id, err := c.registry.NextID() // used up even if the trigger fails
	if err != nil {
		return err
	}
	p := &pending{
		id: id, requests: requests, begun: c.env.Now(), states: map[protocol.Subtask]metadata.Subtask{},
		answered: map[protocol.Subtask]bool{}, ended: map[protocol.Subtask]bool{},
	}
	c.statistics.Triggered++
	// A crash from here on leaves a directory that nobody refers to.
	if p.target, err = c.begin(p); err != nil {
		c.pending = append(c.pending, p) // so that there is something to give up
		return c.fail(p, IOException, err.Error())
	}
	for _, t := range c.tasks {
		if !t.finished {
			p.asked = append(p.asked, t)
		}
	}
	c.pending = append(c.pending, p)
	c.env.Log(environment.Record{Event: protocol.EventCheckpointTriggered, Job: c.job.ID, Checkpoint: id})
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
		barrier.Kind = state.Savepoint // and it overtakes nothing: it must not depend on the parallelism
		return barrier
	}
	if c.job.Checkpoints.Unaligned {
		barrier.AlignmentTimeout = c.job.Checkpoints.AlignmentTimeout
		barrier.Unaligned = barrier.AlignmentTimeout == 0
	}
	return barrier
}

// begins says whether a checkpoint begins at a subtask: it has none upstream that
// still runs.
func (c *Coordinator) begins(t *Task) bool {
	vertex, _ := c.graph.Vertex(t.Subtask.UID)
	for _, edge := range vertex.Inputs {
		for _, up := range c.tasks {
			if up.Subtask.UID == edge.From && !up.finished && (edge.Partitioning != dataflow.Forward || up.Subtask.Index == t.Subtask.Index) {
				return false
			}
		}
	}
	return true
}

// find returns the checkpoint in progress, or given up, with an id.
func (c *Coordinator) find(id int64) (p *pending, inProgress bool) {
	for _, p := range c.pending {
		if p.id == id {
			return p, true
		}
	}
	for _, p := range c.givenUp {
		if p.id == id {
			return p, false
		}
	}
	return nil, false
}

// Acknowledge notes that a subtask's state is durable; the last one completes the
// checkpoint. A repetition is ignored. What comes for a checkpoint that was given up
// comes too late: it goes when that one does.
//
// (Flink deletes what an acknowledgement that comes again refers to. After completion
// that is the checkpoint's own.)
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
		c.abandon()
		return nil
	}
	p.inline += inlineSize(ack.State)
	if budget := p.target.Budget; budget > 0 && p.inline > budget {
		return c.fail(p, FinalizeFailure, fmt.Sprintf("snapshot of checkpoint %d: %v", p.id, &checkpoints.LimitError{
			Of: fmt.Sprintf("the state up to that of %s", ack.Subtask), Size: p.inline, Limit: budget, Name: "the JobManager's memory budget",
		}))
	}
	if len(p.answered) < len(p.asked) {
		return nil
	}
	return c.complete(p)
}

// Decline notes that a subtask has no part in the checkpoint, which so is given up.
func (c *Coordinator) Decline(decline protocol.Decline) error {
	p, inProgress := c.find(decline.Checkpoint)
	if p == nil || p.answered[decline.Subtask] {
		return nil
	}
	p.answered[decline.Subtask], p.states[decline.Subtask] = true, decline.Written
	if !inProgress {
		c.abandon()
		return nil
	}
	return c.fail(p, AsyncException, decline.Reason)
}

func inlineSize(state metadata.Subtask) int64 {
	alone := metadata.Checkpoint{Operators: []metadata.Operator{{Subtasks: []metadata.Subtask{state}}}}
	return alone.InlineSize()
}

// fail gives a checkpoint up. It is an error if more failed than the job tolerates.
func (c *Coordinator) fail(p *pending, reason Reason, why string) error {
	c.env.Log(environment.Record{Event: protocol.EventCheckpointAborted, Job: c.job.ID, Checkpoint: p.id, Error: why})
	c.pending = slices.DeleteFunc(c.pending, func(other *pending) bool { return other == p })
	c.givenUp = append(c.givenUp, p)
	for _, t := range p.asked {
		c.env.Send(t.Address, protocol.Aborted{Checkpoint: p.id})
	}
	c.answer(p.requests, protocol.Answer{Refused: "the checkpoint was aborted: " + why})
	c.statistics.Failed++
	c.statistics.Reasons[string(reason)]++
	c.retryAt = c.env.Now() + c.job.Checkpoints.Interval // not at once
	c.abandon()
	c.discardSubsumed()
	if c.running {
		c.finish()
	}
	if !reason.Counted() || p.kind().savepoint() || p.id <= c.newest {
		return nil
	}
	if c.failures++; c.failures > c.job.Checkpoints.TolerableFailures {
		failures := c.failures
		c.failures = 0
		return &IntolerableError{Failures: failures, Tolerable: c.job.Checkpoints.TolerableFailures, Last: why}
	}
	return nil
}

// abandon deletes what there is of the checkpoints that were given up and that nobody
// writes into any more.
func (c *Coordinator) abandon() {
	c.givenUp = slices.DeleteFunc(c.givenUp, func(p *pending) bool {
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

// complete makes a checkpoint one to come back from. The order of its steps is the
// order that a crash may split.
func (c *Coordinator) complete(p *pending) error {
	// One that stood still, and leads no longer, must not begin with it.
	if err := c.registry.Leads(); err != nil {
		return err
	}
	// A crash before this is done leaves the previous checkpoint the newest.
	// If it cannot be done the checkpoint is given up; whether its `_metadata` is in
	// place nobody knows then, so that is what goes first.
	done, err := c.storage.Complete(p.target, environment.NewID(c.env), c.describe(p))
	if err != nil {
		return c.fail(p, FinalizeFailure, err.Error())
	}
	if p.kind().savepoint() {
		c.completeSavepoint(p, done)
		return nil
	}
	old, err := c.completed.Add(done)
	if err != nil {
		return err
	}
	// A crash here leaves a checkpoint that can be resumed from, and that no other
	// JobManager knows: it comes back from the one before. So nothing is deleted and
	// nobody told until it is noted. FLINK-22494: nor if nobody knows whether it was.
	if err := c.keep(old); err != nil {
		c.pending = slices.DeleteFunc(c.pending, func(other *pending) bool { return other == p }) // it is not ours to take back
		if errors.Is(err, environment.ErrDeposed) {
			// Nobody knows of it, and what it refers to may be gone by now.
			err = errors.Join(err, p.target.Abort(c.env.Files()))
		}
		return err
	}
	c.pending = slices.DeleteFunc(c.pending, func(other *pending) bool { return other == p })
	c.newest, c.failures, c.retryAt = p.id, 0, 0
	c.pausedUntil = c.env.Now() + c.job.Checkpoints.MinPause
	c.count(p, done)
	// A crash here leaves one checkpoint more than is to be kept.
	c.env.Log(environment.Record{Event: protocol.EventCheckpointCompleted, Job: c.job.ID, Checkpoint: p.id, Path: done.Pointer()})
	c.dropEarlier(p.id)
	for _, checkpoint := range old {
		c.subsumed = append(c.subsumed, subsumed{checkpoint, slices.Clone(c.pending)})
	}
	c.discardSubsumed()
	// A crash here leaves sinks that were not told; they commit when they are restored
	// from this checkpoint.
	for _, t := range p.asked {
		c.env.Send(t.Address, protocol.Complete{Checkpoint: p.id})
	}
	c.answer(p.requests, protocol.Answer{Checkpoint: p.id})
	for _, t := range p.asked {
		t.final = t.final || p.ended[t.Subtask]
	}
	c.finish()
	return nil
}

// keep notes which checkpoints are kept from now on, and what is to be deleted with
// those that are not: who takes over when this one dies in the midst of it goes on.
func (c *Coordinator) keep(old []storage.Completed) error {
	return c.note(c.completed.Kept(), old)
}

func (c *Coordinator) note(kept, discarded []storage.Completed) error {
	for _, earlier := range c.subsumed {
		discarded = append(slices.Clone(discarded), earlier.checkpoint)
	}
	doomed, err := c.completed.Deletions(discarded)
	if err != nil {
		return err
	}
	return c.registry.Keep(kept, doomed)
}

// Doom notes what [Coordinator.ShutDown] will keep and delete, for whoever has to finish
// it.
func (c *Coordinator) Doom(ended storage.JobStatus) error {
	if c.job.Checkpoints.Retention.Keeps(ended) {
		return c.note(c.completed.Kept(), nil)
	}
	return c.note(nil, c.completed.Kept())
}

// completeSavepoint ends a savepoint.
//
// FLINK-21351: it is not kept among the checkpoints, and subsumes none.
func (c *Coordinator) completeSavepoint(p *pending, done storage.Completed) {
	c.pending = slices.DeleteFunc(c.pending, func(other *pending) bool { return other == p })
	defer c.finish()
	c.count(p, done)
	c.env.Log(environment.Record{Event: protocol.EventSavepointCompleted, Job: c.job.ID, Checkpoint: p.id, Path: done.Pointer()})
	if p.kind().Stop != protocol.GoOn {
		// FLINK-26783: with it everything is committed. A job that is restarted from an
		// older checkpoint would put it out again.
		c.stopped = done.Location
		for _, t := range p.asked {
			c.env.Send(t.Address, protocol.Complete{Checkpoint: p.id})
			c.env.Send(t.Address, protocol.Finish{})
			t.finished = true
		}
	}
	c.answer(p.requests, protocol.Answer{Checkpoint: p.id, Path: done.Location})
}

func (c *Coordinator) answer(requests []Request, answer protocol.Answer) {
	for _, r := range requests {
		if r.Client != (environment.Address{}) {
			c.env.Send(r.Client, answer)
		}
	}
}

// finish ends the subtasks whose last state is in a complete checkpoint. While another is
// in progress they stay, for it counts on their answer; and no more begin.
func (c *Coordinator) finish() {
	if len(c.pending) > 0 {
		return
	}
	for _, t := range c.tasks {
		if t.final && !t.finished {
			t.finished = true
			c.env.Send(t.Address, protocol.Finish{})
		}
	}
}

// finishing says whether subtasks are to finish as soon as nothing is in progress, or were
// told to and have not said that they did: that they were told, and with it what to commit,
// may never arrive, and a checkpoint that takes them for finished would subsume the one
// that says what they had still to commit.
func (c *Coordinator) finishing() bool {
	return slices.ContainsFunc(c.tasks, func(t *Task) bool { return t.final && !t.gone })
}

// dropEarlier gives up what is in progress and older than a checkpoint that is
// complete; who asked for it has that one. Savepoints go on: they are somebody's.
func (c *Coordinator) dropEarlier(id int64) {
	for _, p := range slices.Clone(c.pending) {
		if p.id < id && !p.kind().savepoint() {
			c.answer(p.requests, protocol.Answer{Checkpoint: id})
			p.requests = []Request{{}}
			_ = c.fail(p, Subsumed, fmt.Sprintf("checkpoint %d was complete first", id)) // it does not count
		}
	}
}

// discardSubsumed deletes the checkpoints that are kept no longer.
//
// FLINK-25395: not while one is in progress that was triggered before: its subtasks
// may refer to files of those.
func (c *Coordinator) discardSubsumed() {
	c.subsumed = slices.DeleteFunc(c.subsumed, func(old subsumed) bool {
		if slices.ContainsFunc(old.during, func(p *pending) bool { return slices.Contains(c.pending, p) }) {
			return false
		}
		_ = c.discard(old.checkpoint) // logged; what cannot be deleted does not trouble the job
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

// inputState is what the state of `_metadata` is called that says what input the job
// has.
const inputState = "input"

func (c *Coordinator) describe(p *pending) metadata.Checkpoint {
	checkpoint := metadata.Checkpoint{
		Version: metadata.Version, ID: p.id, Properties: c.job.Checkpoints.Retention.Properties(),
		MasterStates: []metadata.MasterState{{Version: 1, Name: inputState, Data: []byte(c.job.Workload.Input())}},
	}
	if p.kind().savepoint() {
		checkpoint.Properties = storage.SavepointProperties(p.kind().Stop != protocol.GoOn, p.kind().Stop == protocol.Drain)
	}
	for _, vertex := range c.graph {
		operator := metadata.Operator{
			Name: vertex.UID, UID: vertex.UID, ID: metadata.NewOperatorID(vertex.UID),
			Parallelism: int32(c.job.Parallelism), MaxParallelism: int32(c.groups),
		}
		finished := 0
		for i := range c.job.Parallelism {
			subtask := protocol.Subtask{UID: vertex.UID, Index: i}
			handles, asked := p.states[subtask]
			handles.Index = int32(i)
			if !asked && !slices.ContainsFunc(p.asked, func(t *Task) bool { return t.Subtask == subtask }) {
				handles.Finished = true
				finished++
			}
			operator.Subtasks = append(operator.Subtasks, handles)
		}
		if finished == c.job.Parallelism {
			operator.FullyFinished, operator.Subtasks = true, nil
		}
		checkpoint.Operators = append(checkpoint.Operators, operator)
	}
	return checkpoint
}

func (c *Coordinator) count(p *pending, done storage.Completed) {
	one := protocol.CheckpointStatistics{ID: p.id, Path: done.Pointer(), Took: c.env.Now() - p.begun}
	for reference := range done.Checkpoint.References() {
		one.Bytes += storage.SizeOf(reference.Stream)
	}
	for _, handles := range p.states { // the order of a sum does not matter
		for _, channel := range slices.Concat(handles.Inputs, handles.Outputs) {
			one.InFlight += channel.Size
		}
	}
	c.statistics.Completed++
	c.statistics.Latest = append(c.statistics.Latest, one)
	if len(c.statistics.Latest) > statisticsMax {
		c.statistics.Latest = slices.Clone(c.statistics.Latest[1:])
	}
}

// GiveUp gives up everything in progress when the job ends, and deletes it, whoever
// has not answered for it: nobody is listened to any more.
func (c *Coordinator) GiveUp(ended storage.JobStatus) {
	for len(c.pending) > 0 {
		_ = c.fail(c.pending[0], ShutDown, fmt.Sprintf("the job is %s", ended)) // it does not count
	}
	c.TakeBack()
}

// TakeBack deletes what was in progress when another JobManager took over: it knows
// nothing of that, and never will.
func (c *Coordinator) TakeBack() {
	for _, p := range slices.Concat(c.pending, c.givenUp) {
		c.delete(p)
	}
	c.pending, c.givenUp = nil, nil
}

// ShutDown cleans up when the job has ended in the given terminal state: the newest
// checkpoints stay if the job's retention keeps them, else all go. It can be
// interrupted anywhere and repeated, also by another JobManager.
func (c *Coordinator) ShutDown(ended storage.JobStatus) error {
	c.running = false
	c.GiveUp(ended)
	failed := []error{}
	for _, old := range c.subsumed {
		failed = append(failed, c.discard(old.checkpoint))
	}
	c.subsumed = nil
	kept := c.completed.Kept()
	for _, old := range slices.Clone(c.completed.ShutDown(ended, c.job.Checkpoints.Retention)) {
		failed = append(failed, c.discard(old)) // the others still go
		kept = nil
	}
	for _, checkpoint := range kept {
		c.outlived = append(c.outlived, checkpoint.Location)
	}
	return errors.Join(append(failed, c.storage.DeleteUnreferenced(kept))...)
}

// Sweep deletes what lies among the checkpoints of a job that has ended, and that none of
// those that outlived it refers to. If one of them is gone, somebody has claimed it: then
// everything stays, for files may be in use that nothing here refers to any more.
func Sweep(files filesystem.FileSystem, ended job.Job, cluster configuration.Configuration, outlived []string) error {
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
