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

// Savepoint takes a savepoint below a directory, a URL, and returns its path once it is
// complete; the job may stop with it. It waits no longer than the given timeout.
func (c Client) Savepoint(id, dir string, stop protocol.Stop, timeout time.Duration) (string, error) {
	answer, err := c.ask(protocol.TakeSavepoint{Job: id, Dir: dir, Stop: stop}, timeout)
	return answer.Path, err
}

// Checkpoints returns the statistics of a job's checkpoints.
func (c Client) Checkpoints(id string) (protocol.Statistics, error) {
	answer, err := c.ask(protocol.QueryCheckpoints{Job: id}, answerTimeout)
	return answer.Statistics, err
}

// Checkpoint takes a checkpoint and returns its id once it is complete. It waits
// no longer than the given timeout.
func (c Client) Checkpoint(id string, timeout time.Duration) (int64, error) {
	answer, err := c.ask(protocol.TriggerCheckpoint{Job: id}, timeout)
	return answer.Checkpoint, err
}

// ask asks the JobManager or, if that one does not lead, the one that does, as soon as
// there is one.
func (c Client) ask(request environment.Message, timeout time.Duration) (protocol.Answer, error) {
	deadline := c.Env.Now() + timeout
	to := c.JobManager
	for {
		answer, err := c.askOne(to, request, deadline-c.Env.Now())
		_, harmless := request.(protocol.Query)
		switch {
		case err != nil && to != c.JobManager && harmless && c.Env.Now() < deadline:
			to = c.JobManager // that one does not lead any more
		case err != nil:
			return protocol.Answer{}, err
		case answer.Refused != "":
			return protocol.Answer{}, &RefusedError{answer.Refused}
		case !answer.Elsewhere:
			return answer, nil
		case answer.Leader != "":
			to = environment.Address{Process: answer.Leader, Task: JobManagerTask}
		default:
			to = c.JobManager
		}
		c.Env.Sleep(campaignPause)
	}
}

func (c Client) askOne(to environment.Address, request environment.Message, timeout time.Duration) (protocol.Answer, error) {
	c.Env.Watch(to.Process)
	c.Env.Send(to, request)
	envelope, ok := c.Env.Receive(timeout)
	if !ok {
		return protocol.Answer{}, fmt.Errorf("the JobManager at %s did not answer within %s", to.Process, timeout)
	}
	switch message := envelope.Message.(type) {
	case protocol.Answer:
		return message, nil
	case environment.Unreachable:
		return protocol.Answer{}, fmt.Errorf("the JobManager at %s cannot be reached; what it was asked for may have been done", to.Process)
	}
	return protocol.Answer{}, fmt.Errorf("the JobManager at %s answered with a %T", to.Process, envelope.Message)
}
