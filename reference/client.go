package reference

import (
	"fmt"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
)

// Bounds on how long a client waits for a JobManager; to accept a job takes looking at
// its storage, which may not answer.
const (
	answerTimeout = 10 * time.Second
	submitTimeout = 30 * time.Second
)

// RefusedError is returned when the JobManager would not do what it was asked.
type RefusedError struct{ Why string }

func (e *RefusedError) Error() string { return e.Why }

// Client asks a JobManager to do things. Each call needs a task of its own, so
// that it never reads another's answer.
type Client struct {
	Env        environment.Environment
	JobManager environment.Address
}

// Submit submits a job. It returns once the job is accepted or, with a
// [RefusedError], refused; after a refusal nothing has changed.
func (c Client) Submit(j job.Job) error {
	_, err := c.ask(protocol.Submit{Job: j}, submitTimeout)
	return err
}

// Status returns the status of a job and, if it failed, why.
func (c Client) Status(id string) (storage.JobStatus, string, error) {
	answer, err := c.ask(protocol.Query{Job: id}, answerTimeout)
	return answer.Status, answer.Error, err
}

// Cancel cancels a job. It returns once the job is being canceled.
func (c Client) Cancel(id string) error {
	_, err := c.ask(protocol.CancelJob{Job: id}, answerTimeout)
	return err
}

// Suspend gives a job up without ending it for good. It returns once that has begun.
func (c Client) Suspend(id string) error {
	_, err := c.ask(protocol.SuspendJob{Job: id}, answerTimeout)
	return err
}

// StopWithSavepoint takes a savepoint below a directory, a URL, and returns its path
// once it is complete; the job then finishes. It waits no longer than the given
// timeout.
func (c Client) StopWithSavepoint(id, dir string, timeout time.Duration) (string, error) {
	answer, err := c.ask(protocol.StopWithSavepoint{Job: id, Dir: dir}, timeout)
	return answer.Path, err
}

// Checkpoint takes a checkpoint and returns its id once it is complete. It waits
// no longer than the given timeout.
func (c Client) Checkpoint(id string, timeout time.Duration) (int64, error) {
	answer, err := c.ask(protocol.TriggerCheckpoint{Job: id}, timeout)
	return answer.Checkpoint, err
}

func (c Client) ask(request environment.Message, timeout time.Duration) (protocol.Answer, error) {
	c.Env.Send(c.JobManager, request)
	envelope, ok := c.Env.Receive(timeout)
	if !ok {
		return protocol.Answer{}, fmt.Errorf("the JobManager at %s did not answer within %s", c.JobManager.Process, timeout)
	}
	answer, ok := envelope.Message.(protocol.Answer)
	if !ok {
		return protocol.Answer{}, fmt.Errorf("the JobManager at %s answered with a %T", c.JobManager.Process, envelope.Message)
	}
	if answer.Refused != "" {
		return protocol.Answer{}, &RefusedError{answer.Refused}
	}
	return answer, nil
}
