// Package task is the life of one subtask: restore, records, barriers, snapshot,
// commit.
//
// A subtask is one task of the environment. Everything that concerns it comes
// through its inbox, in turn: records and barriers from upstream, orders from the
// job's master. So its operator is never called twice at once, and a snapshot is
// taken between two records.
//
// It is not the coordinator: it does not know whether a checkpoint is complete
// until it is told.
//
// Start with [Run].
package task

import (
	"errors"
	"fmt"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
)

var errCanceled = errors.New("canceled")

// Name is the name of a subtask's task in its process.
func Name(jobID string, subtask protocol.Subtask, attempt int) string {
	return fmt.Sprintf("%s/%s#%d", jobID, subtask, attempt)
}

// Run runs a subtask to its end, and tells the job's master how it ended.
func Run(env environment.Environment, deploy protocol.Deploy) {
	ended := protocol.TaskEnded{Subtask: deploy.Subtask, Attempt: deploy.Attempt, Status: storage.Finished}
	if err := run(env, deploy); errors.Is(err, errCanceled) {
		ended.Status = storage.Canceled
	} else if err != nil {
		ended.Status, ended.Error = storage.Failed, err.Error()
	}
	env.Send(deploy.Master, ended)
}

type subtask struct {
	env      environment.Environment
	deploy   protocol.Deploy
	operator job.Operator
	input    job.Input // nil but for sources
	gate     *gate
	outputs  []*output
	backlog  []environment.Envelope // received while waiting for credit

	started     bool
	endOfInput  bool
	nextRecord  time.Duration // when the source may emit again
	final       int64         // the checkpoint after which this subtask is finished
	hasFinished bool
}

func run(env environment.Environment, deploy protocol.Deploy) error {
	operator, err := job.NewOperator(env, deploy.Job, deploy.Subtask.UID, deploy.Subtask.Index)
	if err != nil {
		return err
	}
	s := &subtask{env: env, deploy: deploy, operator: operator, gate: newGate(deploy.Inputs)}
	s.input, _ = operator.(job.Input)
	for _, to := range deploy.Downstream {
		s.outputs = append(s.outputs, &output{env: env, to: to, channel: deploy.Channel, credit: creditMax})
	}
	if err := s.restore(); err != nil {
		return fmt.Errorf("restore %s: %w", deploy.Subtask, err)
	}
	env.Send(deploy.Master, protocol.TaskRunning{Subtask: deploy.Subtask, Attempt: deploy.Attempt})
	for !s.hasFinished {
		if err := s.step(); err != nil {
			return err
		}
	}
	return nil
}

func (s *subtask) restore() error {
	if !s.deploy.Restore.Restored {
		return s.operator.Open(nil)
	}
	state, err := readState(s.env.Files(), s.deploy.Restore)
	if err != nil {
		return err
	}
	return s.operator.Open(state)
}

// step handles the next message or, in a source with nothing to handle, produces
// the next record.
func (s *subtask) step() error {
	wait := environment.Forever
	if s.input != nil && s.started && !s.endOfInput && s.final == 0 {
		wait = max(0, s.nextRecord-s.env.Now())
	}
	envelope, ok := s.receive(wait)
	if !ok {
		return s.produce()
	}
	return s.handle(envelope)
}

func (s *subtask) receive(wait time.Duration) (environment.Envelope, bool) {
	if len(s.backlog) > 0 {
		first := s.backlog[0]
		s.backlog = s.backlog[1:]
		return first, true
	}
	return s.env.Receive(wait)
}

func (s *subtask) handle(envelope environment.Envelope) error {
	switch message := envelope.Message.(type) {
	case protocol.Start:
		s.started = true
		return nil
	case protocol.Trigger:
		s.started = true // should Start be lost
		return s.checkpoint(message.Barrier)
	case protocol.Data:
		return s.receiveData(envelope.From, message)
	case protocol.Credit:
		return s.addCredit(envelope.From, message)
	case protocol.Complete:
		return s.complete(message.Checkpoint)
	case protocol.Aborted:
		if message.Checkpoint == s.final {
			s.final = 0 // it goes on
		}
		return nil
	case protocol.Cancel:
		return errCanceled
	default:
		return fmt.Errorf("%s got a %T, which is not for a subtask", s.deploy.Subtask, message)
	}
}

func (s *subtask) produce() error {
	record, more, err := s.input.Next()
	if err != nil {
		return err
	}
	if !more {
		s.endOfInput = true
		s.env.Send(s.deploy.Master, protocol.EndOfInput{Subtask: s.deploy.Subtask, Attempt: s.deploy.Attempt})
		return nil
	}
	s.nextRecord = s.env.Now() + s.deploy.Job.Counts.Pause
	return s.emit(record)
}

// receiveData passes an element through the gate and handles what comes out.
func (s *subtask) receiveData(from environment.Address, data protocol.Data) error {
	released, err := s.gate.push(from, data)
	if err != nil {
		return fmt.Errorf("%s: %w", s.deploy.Subtask, err)
	}
	for _, element := range released {
		if element.Barrier.Checkpoint != 0 {
			if err := s.checkpoint(element.Barrier); err != nil {
				return err
			}
			continue
		}
		if err := s.operator.Process(element.Record, s.emit); err != nil {
			return err
		}
		s.gate.consumed(s.env, element.Channel)
	}
	return nil
}

// checkpoint takes this subtask's part in a checkpoint: all records before the
// barrier are in the state, none after it is.
func (s *subtask) checkpoint(barrier protocol.Barrier) error {
	// The barrier goes on first, so that those downstream align meanwhile.
	for _, out := range s.outputs {
		out.send(protocol.Data{Barrier: barrier})
	}
	state, err := s.operator.Snapshot(barrier.Checkpoint)
	if err != nil {
		return fmt.Errorf("snapshot %s for checkpoint %d: %w", s.deploy.Subtask, barrier.Checkpoint, err)
	}
	if barrier.Final {
		s.final = barrier.Checkpoint
	}
	// A crash here leaves a file, or a part of one, that nothing refers to; it goes
	// when the checkpoint is abandoned.
	handle, err := s.writeState(barrier.Target, state)
	if err != nil {
		// State that has no room costs this checkpoint, and not the job.
		s.env.Send(s.deploy.Master, protocol.Decline{
			Subtask: s.deploy.Subtask, Attempt: s.deploy.Attempt, Checkpoint: barrier.Checkpoint, EndOfInput: s.endOfInput,
			Reason: fmt.Sprintf("snapshot %s for checkpoint %d: %v", s.deploy.Subtask, barrier.Checkpoint, err),
		})
		return nil
	}
	s.env.Send(s.deploy.Master, protocol.Acknowledge{
		Subtask: s.deploy.Subtask, Attempt: s.deploy.Attempt, Checkpoint: barrier.Checkpoint, State: handle,
		EndOfInput: s.endOfInput,
	})
	return nil
}

func (s *subtask) complete(checkpoint int64) error {
	if err := s.operator.Commit(checkpoint); err != nil {
		return fmt.Errorf("%s: %w", s.deploy.Subtask, err)
	}
	s.hasFinished = s.final != 0 && checkpoint >= s.final
	return nil
}

// emit sends a record to the subtask downstream that owns it, and waits while
// that one has no room. Nothing but credit and a cancellation is handled then:
// a snapshot here would hold a record half emitted.
func (s *subtask) emit(record job.Record) error {
	out := s.outputs[0]
	if len(s.outputs) > 1 {
		out = s.outputs[job.Route(record, len(s.outputs))]
	}
	for out.credit == 0 {
		envelope, _ := s.env.Receive(environment.Forever)
		switch message := envelope.Message.(type) {
		case protocol.Credit:
			if err := s.addCredit(envelope.From, message); err != nil {
				return err
			}
		case protocol.Cancel:
			return errCanceled
		default:
			s.backlog = append(s.backlog, envelope)
		}
	}
	out.credit--
	out.send(protocol.Data{Record: record})
	return nil
}

func (s *subtask) addCredit(from environment.Address, credit protocol.Credit) error {
	for _, out := range s.outputs {
		if out.to == from {
			out.credit += credit.Records
			return nil
		}
	}
	return fmt.Errorf("%s got credit from %s, to which it has no channel", s.deploy.Subtask, from)
}
