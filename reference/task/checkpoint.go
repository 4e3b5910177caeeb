package task

import (
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/metadata"
)

// begin notes a checkpoint that begins at this subtask. If the job drains, the source ends its
// input first. So event time advances to its largest value, and open windows are emitted.
func (s *subtask) begin(barrier protocol.Barrier) error {
	if barrier.Checkpoint <= s.gate.last {
		return nil // the checkpoint was aborted before the trigger arrived
	}
	s.trigger = &alignment{barrier: barrier, since: s.env.Now()}
	if s.source == nil {
		return nil
	}
	switch barrier.Stop {
	case protocol.Drain:
		s.drained = barrier.Checkpoint
		return s.endOfInput()
	case protocol.Suspend:
		s.suspended = barrier.Checkpoint
	}
	return nil
}

// overtakes says whether a barrier overtakes the records that wait before it.
//
// FLINK-22815: a barrier never overtakes broadcast records. In a checkpoint all subtasks have the
// same broadcast state, and after a change of parallelism a subtask may get the broadcast state of
// any other subtask. A barrier does not overtake on forward edges either: after a change of
// parallelism it would be unknown which subtask processes the overtaken records.
func (s *subtask) overtakes(now time.Duration) bool {
	if s.inOrder || (s.trigger != nil && s.source == nil) {
		return false
	}
	if t := s.trigger; t != nil {
		return t.barrier.Unaligned || (t.barrier.AlignmentTimeout > 0 && now >= t.since+t.barrier.AlignmentTimeout)
	}
	return s.gate.overtakes(now)
}

// overtake takes the checkpoint now. The records in flight become part of it: restored records that
// are not processed yet, records that outputs hold back, and records before the barrier on other
// channels.
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

// captured is called when an overtaking barrier has arrived on every channel. Then all records in
// flight are known, and the snapshot is written.
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

// checkpoint takes the snapshot of this subtask. The state contains all records before the barrier
// and no record after it. Records that the barrier overtook are the exception: they are not in the
// state, but are written as records in flight. The parameter `taken` holds these records; it is nil
// if the barrier overtook no records because it is aligned.
func (s *subtask) checkpoint(barrier protocol.Barrier, taken *snapshot) error {
	overtook := taken != nil
	if !overtook {
		// The barrier is sent before the snapshot is taken, so that the subtasks downstream can
		// align meanwhile.
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
	// The barrier names the newest complete checkpoint. The message Complete for that checkpoint
	// may arrive after the barrier. Files of still earlier checkpoints may be deleted already, so
	// the snapshot must not refer to them.
	s.state.Completed(barrier.Newest)
	taken.state = s.state.Snapshot(barrier.Checkpoint, barrier.Kind)
	if s.gate.aligning == nil || !s.gate.aligning.overtaken {
		s.write(taken)
	}
	return nil
}

// write starts a task that writes a snapshot and then tells this subtask.
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

// written answers for a checkpoint whose state is durable now, or could not be written.
func (s *subtask) written(done protocol.Written) {
	taken := s.snapshots[done.Checkpoint]
	delete(s.snapshots, done.Checkpoint)
	switch {
	case taken.canceled:
		s.decline(done.Checkpoint, "it was given up", done.State)
	case done.Error != "":
		// If the state cannot be written, the checkpoint fails but the subtask goes on.
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

// abort ends this subtask's part in an aborted checkpoint. A subtask that has not answered for the
// checkpoint yet declines it, so that the coordinator knows that nothing is written any more. If
// the checkpoint was a savepoint with drain, a source has already ended its input and cannot
// continue. So the subtask fails and is restored.
func (s *subtask) abort(checkpoint int64) error {
	if s.drained == checkpoint {
		return fmt.Errorf("drained for savepoint %d, which was given up", checkpoint)
	}
	s.gate.abort(checkpoint)
	if s.trigger != nil && s.trigger.barrier.Checkpoint == checkpoint {
		s.trigger = nil
	}
	if s.suspended == checkpoint {
		s.suspended = 0 // the source continues
	}
	if taken := s.snapshots[checkpoint]; taken != nil && taken.writing {
		taken.canceled = true
		return nil
	}
	delete(s.snapshots, checkpoint)
	s.decline(checkpoint, "it was given up", metadata.Subtask{})
	return nil
}

// complete commits the output of a complete checkpoint.
func (s *subtask) complete(checkpoint int64) error {
	s.state.Completed(checkpoint)
	if committer, ok := s.operator.(dataflow.Committer); ok {
		return committer.Commit(checkpoint)
	}
	return nil
}
