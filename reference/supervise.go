package reference

import (
	"errors"
	"fmt"
	"time"

	"github.com/snapback/snapback/reference/coordinator"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
)

// supervise runs the coordinator until all subtasks are finished, or until something fails.
func (e *execution) supervise() error {
	for e.count(finished) < len(e.tasks) {
		wait, err := e.coordinator.Act()
		if err != nil {
			return e.broken(err)
		}
		deadline := environment.Forever
		if wait < environment.Forever {
			deadline = e.env.Now() + wait
		}
		if _, err := e.receive(deadline); err != nil {
			return err
		}
	}
	return nil
}

// broken handles an error of the coordinator. If too many checkpoints in a row failed, this is a
// failure of the job, and the restart strategy decides whether the job restarts. Any other error
// means that this JobManager may not lead any more.
func (e *execution) broken(err error) error {
	var intolerable *coordinator.IntolerableError
	if errors.As(err, &intolerable) {
		return err
	}
	e.master.depose()
	return fmt.Errorf("%w: %w", errDeposed, err)
}

// receive handles the next message, if one arrives before the deadline.
func (e *execution) receive(deadline time.Duration) (got bool, err error) {
	wait := environment.Forever
	if deadline < environment.Forever {
		wait = max(0, deadline-e.env.Now())
	}
	envelope, ok := e.env.Receive(wait)
	if !ok {
		return false, nil
	}
	return true, e.handle(envelope.Message)
}

func (e *execution) handle(message environment.Message) error {
	switch message := message.(type) {
	case protocol.TaskRunning:
		if t := e.current(message.Subtask, message.Attempt); t != nil && t.state == starting {
			t.state = running
		}
	case protocol.Acknowledge:
		if e.current(message.Subtask, message.Attempt) != nil {
			return e.coordinated(e.coordinator.Acknowledge(message))
		}
	case protocol.Decline:
		if e.current(message.Subtask, message.Attempt) != nil {
			return e.coordinated(e.coordinator.Decline(message))
		}
	case protocol.EndOfInput:
		if e.current(message.Subtask, message.Attempt) != nil {
			e.coordinator.Ended(message.Subtask)
		}
	case protocol.TaskEnded:
		return e.taskEnded(message)
	case protocol.Slots:
		e.give(message)
	case protocol.TaskManagerLost:
		return e.taskManagerLost(message.TaskManager)
	case protocol.Forwarded:
		e.master.request(message)
		if e.master.ending != "" {
			return errEnding
		}
	case protocol.Deposed:
		e.master.deposed = true
	}
	if e.master.deposed {
		return errDeposed
	}
	return nil
}

func (e *execution) coordinated(err error) error {
	if err == nil {
		return nil
	}
	return e.broken(err)
}

// current returns a deployed subtask. It returns nil if the parameter `attempt` does not name the
// latest attempt to run this subtask.
func (e *execution) current(subtask protocol.Subtask, attempt string) *deployed {
	for _, t := range e.tasks {
		if t.subtask == subtask && t.attempt == attempt {
			return t
		}
	}
	return nil
}

func (e *execution) taskEnded(message protocol.TaskEnded) error {
	t := e.current(message.Subtask, message.Attempt)
	if t == nil || t.state == absent {
		return nil
	}
	e.gone(t)
	if message.Status == storage.Finished {
		t.state = finished
		return nil
	}
	return fmt.Errorf("%s: %s", message.Subtask, message.Error)
}

// gone notes that a subtask does not run any more.
func (e *execution) gone(t *deployed) {
	t.state = absent
	e.coordinator.Gone(t.subtask)
}

// taskManagerLost notes that all subtasks on a lost TaskManager are gone.
func (e *execution) taskManagerLost(lost environment.Address) (err error) {
	for i, slot := range e.slots {
		if slot == lost {
			e.slots[i] = environment.Address{}
		}
	}
	for _, t := range e.tasks {
		if t.address.Process == lost.Process && (t.state == starting || t.state == running) {
			e.gone(t)
			err = fmt.Errorf("TaskManager %s is lost", lost.Process)
		}
	}
	if err == nil && e.missing() > 0 && e.count(finished) < len(e.tasks) {
		e.env.Send(e.master.jobManager, protocol.RequestSlots{Slots: len(e.slots)}) // asks for another slot, because acquire may be waiting for it
	}
	return err
}
