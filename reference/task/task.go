// Package task is the life of one subtask: restore, records, barriers, snapshot,
// commit.
//
// A subtask is one task of the environment. Everything that concerns it comes through
// its inbox: elements from upstream, orders from the job's master. It does one thing
// at a time, so its operator is never called twice at once, and a snapshot is taken
// between two records; only what a snapshot writes is written by a task of its own.
//
// It is not the coordinator: it does not know whether a checkpoint is complete until
// it is told.
//
// Start with [Run], then subtask.act; how barriers wait or overtake is in gate.go.
package task

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/metadata"
)

var errCanceled = errors.New("canceled")

// Name is the name of a subtask's task in its process.
func Name(jobID string, subtask protocol.Subtask, attempt string) string {
	return fmt.Sprintf("%s/%s#%s", jobID, subtask, attempt)
}

// Run runs a subtask to its end, and tells the job's master how it ended.
func Run(env environment.Environment, deploy protocol.Deploy) {
	ended := protocol.TaskEnded{Subtask: deploy.Subtask, Attempt: deploy.Attempt, Status: storage.Finished}
	s := &subtask{env: env, deploy: deploy, snapshots: map[int64]*snapshot{}}
	err := s.run()
	s.awaitWriters()
	if errors.Is(err, errCanceled) {
		ended.Status = storage.Canceled
	} else if err != nil {
		ended.Status, ended.Error = storage.Failed, err.Error()
	}
	env.Send(deploy.Master, ended)
}

type subtask struct {
	env      environment.Environment
	deploy   protocol.Deploy
	vertex   dataflow.Vertex
	operator dataflow.Operator
	source   dataflow.Source // nil if it is none
	state    *state.Subtask
	gate     *gate
	outputs  []*output
	replay   []replayed // records in flight that were restored, still to be processed

	inOrder bool // no barrier passes anything here: an input is not by key, or an edge is broadcast

	started    bool
	nextRecord time.Duration // when the source may emit again
	suspended  int64         // the checkpoint after which the source emits no more
	drained    int64         // the checkpoint for which it ended its input
	end        bool          // nothing comes out any more
	finished   bool
	watermark  int64

	trigger   *alignment          // a checkpoint that begins here
	snapshots map[int64]*snapshot // not answered for yet
}

func (s *subtask) run() error {
	if err := s.open(); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	s.env.Send(s.deploy.Master, protocol.TaskRunning{Subtask: s.deploy.Subtask, Attempt: s.deploy.Attempt})
	for !s.finished {
		acted, err := s.act()
		if err != nil {
			return err
		}
		wait := time.Duration(0) // only what has come already
		if !acted {
			wait = s.idle()
		}
		if err := s.receive(wait); err != nil {
			return err
		}
	}
	return nil
}

// open makes the operator, with the state that is restored.
func (s *subtask) open() error {
	graph, err := s.deploy.Job.Workload.Graph()
	if err != nil {
		return err
	}
	var known bool
	if s.vertex, known = graph.Vertex(s.deploy.Subtask.UID); !known {
		return fmt.Errorf("workload %s has no operator %q", s.deploy.Job.Workload.Name, s.deploy.Subtask.UID)
	}
	s.watermark = math.MinInt64
	s.gate = newGate(s.deploy.Inputs, s.deploy.Job.Checkpoints.AtLeastOnce)
	for _, o := range s.deploy.Outputs {
		s.outputs = append(s.outputs, newOutput(s.env, o, s.deploy.Groups))
		s.inOrder = s.inOrder || o.Partitioning == dataflow.Broadcast
	}
	for _, edge := range s.vertex.Inputs {
		s.inOrder = s.inOrder || edge.Partitioning != dataflow.ByKey
	}
	s.state = state.New(s.keyed())
	if err := s.state.Restore(s.env.Files(), s.deploy.Restore); err != nil {
		return err
	}
	if err := s.readInFlight(); err != nil {
		return err
	}
	s.operator = s.vertex.New()
	s.source, _ = s.operator.(dataflow.Source)
	err = s.operator.Open(dataflow.Context{
		Env: s.env, Index: s.deploy.Subtask.Index, Parallelism: s.deploy.Job.Parallelism, State: s.state,
		Restored: s.deploy.Restore.Restored, CommitWith: !s.deploy.Job.Checkpoints.AtLeastOnce,
		Emit: s.emit, Watermark: s.emitWatermark, RegisterTime: func(time int64) { s.state.Keyed.RegisterTimer(time) },
	})
	if name, unclaimed := s.state.Unclaimed(); err == nil && unclaimed {
		return fmt.Errorf("the checkpoint holds a list %q that the operator does not know", name)
	}
	return err
}

func (s *subtask) keyed() *state.Keyed {
	if !s.vertex.Keyed {
		return nil
	}
	first, last := dataflow.KeyGroups(s.deploy.Subtask.Index, s.deploy.Job.Parallelism, s.deploy.Groups)
	return state.NewKeyed(s.deploy.Job.Checkpoints.Backend, environment.NewID(s.env), first, last, s.deploy.Groups)
}

// act does the next thing, if there is one to do. A barrier that overtakes comes
// before everything; else nothing is taken in while something is held back at an
// output.
func (s *subtask) act() (bool, error) {
	now := s.env.Now()
	switch {
	case s.overtakes(now):
		return true, s.overtake()
	case s.gate.aligning != nil && s.gate.aligning.overtaken && s.gate.aligned():
		s.captured()
		return true, nil
	case !s.room():
		return false, nil
	case len(s.replay) > 0:
		first := s.replay[0]
		s.replay = s.replay[1:]
		return true, s.process(first.edge, first.record)
	case s.trigger != nil && (s.source != nil || s.gate.ended()):
		// Who is upstream has finished; what it sent last comes before the barrier.
		barrier := s.trigger.barrier
		s.trigger = nil
		return true, s.checkpoint(barrier, nil)
	case s.gate.aligned():
		barrier := s.gate.aligning.barrier
		s.gate.done()
		return true, s.checkpoint(barrier, nil)
	case s.source != nil:
		if !s.emits() || now < s.nextRecord {
			return false, nil
		}
		return true, s.produce()
	}
	return s.consume(now)
}

func (s *subtask) room() bool {
	for _, o := range s.outputs {
		if !o.room() {
			return false
		}
	}
	return true
}

// emits says whether a source may emit records.
func (s *subtask) emits() bool { return s.started && !s.end && s.suspended == 0 }

// idle says how long there will be nothing to do, unless a message comes.
func (s *subtask) idle() time.Duration {
	wait := environment.Forever
	until := func(at time.Duration) { wait = min(wait, max(0, at-s.env.Now())) }
	if s.source != nil && s.emits() && s.room() {
		until(s.nextRecord)
	}
	waiting := s.gate.aligning
	if s.trigger != nil {
		waiting = s.trigger
	}
	if waiting != nil && !waiting.overtaken && !s.inOrder && (s.trigger == nil || s.source != nil) && waiting.barrier.AlignmentTimeout > 0 {
		until(waiting.since + waiting.barrier.AlignmentTimeout)
	}
	return wait
}

func (s *subtask) produce() error {
	more, err := s.source.Next()
	if err != nil {
		return err
	}
	s.nextRecord = s.env.Now() + s.source.Pause()
	if !more {
		s.endOfInput()
	}
	return nil
}

// consume takes an element in.
func (s *subtask) consume(now time.Duration) (bool, error) {
	element, from, ok := s.gate.next(now)
	in := func() *channel { return &s.gate.channels[from] }
	switch {
	case !ok:
		return s.gate.aligned(), nil // then the next act takes the checkpoint
	case element.Watermark != nil:
		in().watermark = *element.Watermark
		return true, s.advance(s.gate.watermark())
	case element.End:
		in().ended = true
		if err := s.advance(s.gate.watermark()); err != nil {
			return true, err
		}
		if s.gate.ended() {
			s.endOfInput()
		}
		return true, nil
	}
	if err := s.process(in().edge, element.Record); err != nil {
		return true, err
	}
	s.gate.consume(s.env, from)
	return true, nil
}

func (s *subtask) process(edge int, record dataflow.Record) error {
	if s.state.Keyed != nil {
		s.state.Keyed.SetKey(record.Key, dataflow.KeyGroup(record.Key, s.deploy.Groups))
	}
	return s.operator.Process(edge, record)
}

// advance brings event time forward: timers that are due, then the watermark goes on.
func (s *subtask) advance(watermark int64) error {
	if watermark <= s.watermark {
		return nil
	}
	s.watermark = watermark
	if timed, ok := s.operator.(dataflow.Timed); ok && s.state.Keyed != nil {
		for time, due := s.state.Keyed.NextTimer(watermark); due; time, due = s.state.Keyed.NextTimer(watermark) {
			if err := timed.OnTime(time); err != nil {
				return err
			}
		}
	}
	s.emitWatermark(watermark)
	return nil
}

func (s *subtask) emit(record dataflow.Record) {
	for _, o := range s.outputs {
		o.emit(record)
	}
}

func (s *subtask) emitWatermark(time int64) {
	for _, o := range s.outputs {
		o.all(protocol.Element{Watermark: &time})
	}
}

// endOfInput says downstream and to the master that nothing comes out of here any
// more. The subtask stays until its last state is in a complete checkpoint.
func (s *subtask) endOfInput() {
	if s.end {
		return
	}
	s.end = true
	for _, o := range s.outputs {
		o.all(protocol.Element{End: true})
	}
	s.env.Send(s.deploy.Master, protocol.EndOfInput{Subtask: s.deploy.Subtask, Attempt: s.deploy.Attempt})
}

// receive handles what comes within the wait, and everything that has come by then.
func (s *subtask) receive(wait time.Duration) error {
	for {
		envelope, ok := s.env.Receive(wait)
		if !ok {
			return nil
		}
		if err := s.handle(envelope); err != nil {
			return err
		}
		wait = 0
	}
}

func (s *subtask) handle(envelope environment.Envelope) error {
	switch message := envelope.Message.(type) {
	case protocol.Start:
		s.started = true
	case protocol.Trigger:
		s.started = true // should Start be lost
		s.begin(message.Barrier)
	case protocol.Data:
		return s.gate.push(s.env.Now(), envelope.From, message)
	case protocol.Credit:
		for _, o := range s.outputs {
			if o.credited(envelope.From, message.Records) {
				return nil
			}
		}
		return fmt.Errorf("got credit from %s, to which it has no channel", envelope.From)
	case protocol.Written:
		s.written(message)
	case protocol.Complete:
		return s.complete(message.Checkpoint)
	case protocol.Aborted:
		return s.abort(message.Checkpoint)
	case protocol.Finish:
		s.finished = true
	case protocol.Cancel:
		return errCanceled
	default:
		return fmt.Errorf("got a %T, which is not for a subtask", message)
	}
	return nil
}

// begin notes a checkpoint that begins here. A job that drains ends its input first:
// event time comes to its end, and what is still open is put out.
func (s *subtask) begin(barrier protocol.Barrier) {
	if barrier.Checkpoint <= s.gate.last {
		return // given up before it came
	}
	s.trigger = &alignment{barrier: barrier, since: s.env.Now()}
	if s.source == nil {
		return
	}
	switch barrier.Stop {
	case protocol.Drain:
		s.drained = barrier.Checkpoint
		s.endOfInput()
	case protocol.Suspend:
		s.suspended = barrier.Checkpoint
	}
}

// overtakes says whether a barrier is to pass what waits before it.
//
// FLINK-22815: never what is broadcast. All subtasks have the same broadcast state in
// a checkpoint, and after a change of parallelism any may take any's. Nor what comes from
// the subtask with the same index: after a change of parallelism nobody could tell where
// that is to go on.
func (s *subtask) overtakes(now time.Duration) bool {
	if s.inOrder || (s.trigger != nil && s.source == nil) {
		return false
	}
	if t := s.trigger; t != nil {
		return t.barrier.Unaligned || (t.barrier.AlignmentTimeout > 0 && now >= t.since+t.barrier.AlignmentTimeout)
	}
	return s.gate.overtakes(now)
}

// overtake takes the checkpoint now. What is in flight becomes part of it: records
// that were restored and not processed yet, those held back at outputs, and those
// that come before the barrier on other channels.
func (s *subtask) overtake() error {
	var barrier protocol.Barrier
	if s.trigger != nil {
		barrier = s.trigger.barrier
		s.trigger = nil
	} else {
		s.gate.overtake()
		barrier = s.gate.aligning.barrier
	}
	barrier.Unaligned = true
	taken := &snapshot{barrier: barrier}
	for _, r := range s.replay {
		at := slices.IndexFunc(s.gate.channels, func(c channel) bool { return c.edge == r.edge })
		taken.inputs = append(taken.inputs, inFlight{r.edge, at, []dataflow.Record{r.record}})
	}
	for edge, o := range s.outputs {
		for i, records := range o.overtake(barrier) {
			taken.outputs = append(taken.outputs, inFlight{edge, i, records})
		}
	}
	return s.checkpoint(barrier, taken)
}

// captured ends an overtaking: the barrier has come on every channel.
func (s *subtask) captured() {
	a := s.gate.aligning
	s.gate.done()
	taken := s.snapshots[a.barrier.Checkpoint]
	if taken == nil {
		return
	}
	for i, records := range a.inFlight {
		taken.inputs = append(taken.inputs, inFlight{s.gate.channels[i].edge, i, records})
	}
	s.write(taken)
}

// checkpoint takes this subtask's part in a checkpoint: all records before the barrier
// are in the state or, if it overtook them, in what was in flight; none after it is.
func (s *subtask) checkpoint(barrier protocol.Barrier, taken *snapshot) error {
	overtook := taken != nil
	if !overtook {
		// The barrier goes on first, so that those downstream align meanwhile.
		taken = &snapshot{barrier: barrier}
		for _, o := range s.outputs {
			o.all(protocol.Element{Barrier: &barrier})
		}
	}
	s.gate.last = max(s.gate.last, barrier.Checkpoint)
	taken.end = s.end
	s.snapshots[barrier.Checkpoint] = taken
	if snapshotter, ok := s.operator.(dataflow.Snapshotter); ok {
		if err := snapshotter.Snapshot(barrier.Checkpoint); err != nil {
			return fmt.Errorf("snapshot for checkpoint %d: %w", barrier.Checkpoint, err)
		}
	}
	// The barrier may be here before the word that an earlier checkpoint is complete. To
	// build upon one before that would be to refer to files that are being deleted.
	s.state.Completed(barrier.Newest)
	taken.state = s.state.Snapshot(barrier.Checkpoint, barrier.Kind)
	if s.gate.aligning == nil || !s.gate.aligning.overtaken {
		s.write(taken)
	}
	return nil
}

// write has a snapshot written by a task of its own, which tells this one.
func (s *subtask) write(taken *snapshot) {
	taken.writing = true
	self, index := s.env.Self(), s.deploy.Subtask.Index
	s.env.Spawn(fmt.Sprintf("%s/%s", self.Task, storage.CheckpointName(taken.barrier.Checkpoint)), func(env environment.Environment) {
		handles, err := taken.write(env, index)
		done := protocol.Written{Checkpoint: taken.barrier.Checkpoint, State: handles}
		if err != nil {
			done.Error = err.Error()
		}
		env.Send(self, done)
	})
}

// written answers for a checkpoint, now that its state is durable, or cannot be.
func (s *subtask) written(done protocol.Written) {
	taken := s.snapshots[done.Checkpoint]
	delete(s.snapshots, done.Checkpoint)
	switch {
	case taken.canceled:
		s.decline(done.Checkpoint, "it was given up", done.State)
	case done.Error != "":
		// State that has no room costs this checkpoint, and not the subtask.
		s.decline(done.Checkpoint, fmt.Sprintf("snapshot %s for checkpoint %d: %s", s.deploy.Subtask, done.Checkpoint, done.Error), done.State)
	default:
		s.state.Written(done.Checkpoint, done.State)
		s.env.Send(s.deploy.Master, protocol.Acknowledge{
			Subtask: s.deploy.Subtask, Attempt: s.deploy.Attempt, Checkpoint: done.Checkpoint, State: done.State, EndOfInput: taken.end,
		})
	}
}

func (s *subtask) decline(checkpoint int64, reason string, written metadata.Subtask) {
	s.env.Send(s.deploy.Master, protocol.Decline{
		Subtask: s.deploy.Subtask, Attempt: s.deploy.Attempt, Checkpoint: checkpoint, Reason: reason, Written: written,
	})
}

// abort forgets a checkpoint, and answers for it unless that was done: when nobody
// writes into it any more, it can be deleted. A source that ended its input for it
// cannot go on from there: it has to come back from an earlier one.
func (s *subtask) abort(checkpoint int64) error {
	if s.drained == checkpoint {
		return fmt.Errorf("drained for savepoint %d, which was given up", checkpoint)
	}
	s.gate.abort(checkpoint)
	if s.trigger != nil && s.trigger.barrier.Checkpoint == checkpoint {
		s.trigger = nil
	}
	if s.suspended == checkpoint {
		s.suspended = 0 // it goes on
	}
	if taken := s.snapshots[checkpoint]; taken != nil && taken.writing {
		taken.canceled = true
		return nil
	}
	delete(s.snapshots, checkpoint)
	s.decline(checkpoint, "it was given up", metadata.Subtask{})
	return nil
}

// complete commits what the checkpoint holds.
func (s *subtask) complete(checkpoint int64) error {
	s.state.Completed(checkpoint)
	if committer, ok := s.operator.(dataflow.Committer); ok {
		return committer.Commit(checkpoint)
	}
	return nil
}

// awaitWriters waits until nothing is written any more: who hears that this subtask
// has ended may delete what it was writing.
func (s *subtask) awaitWriters() {
	for _, checkpoint := range slices.Sorted(maps.Keys(s.snapshots)) {
		if !s.snapshots[checkpoint].writing {
			delete(s.snapshots, checkpoint)
		}
	}
	for len(s.snapshots) > 0 {
		envelope, _ := s.env.Receive(environment.Forever)
		if done, ok := envelope.Message.(protocol.Written); ok {
			delete(s.snapshots, done.Checkpoint)
		}
	}
}
