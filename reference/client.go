package reference

import (
	"fmt"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
)

// Timeouts of a client.
const (
	answerTimeout = 10 * time.Second
	submitTimeout = 30 * time.Second // longer than answerTimeout, since the master reads storage before it accepts a job
)

// RefusedError says that the JobManager refused a request.
type RefusedError struct{ Why string }

func (e *RefusedError) Error() string { return e.Why }

// Client sends requests to a JobManager. Two calls must not run at the same time in the same task,
// since each could read the answer to the other.
type Client struct {
	Env        environment.Environment
	JobManager environment.Address
}

// Submit submits a job and waits until it is accepted. If the job is refused, Submit returns a
// [RefusedError], and nothing has changed on storage.
func (c Client) Submit(j job.Job) error {
	_, err := c.ask(protocol.Submit{Job: j}, submitTimeout)
	return err
}

// Status returns the status of a job and, if it failed, the cause.
func (c Client) Status(id string) (status storage.JobStatus, cause string, err error) {
	answer, err := c.ask(protocol.Query{Job: id}, answerTimeout)
	return answer.Status, answer.Error, err
}

// Cancel cancels a job. It returns when the cancellation has begun.
func (c Client) Cancel(id string) error {
	_, err := c.ask(protocol.CancelJob{Job: id}, answerTimeout)
	return err
}

// Suspend stops a job in such a way that another JobManager can recover it. It returns when the job
// has begun to stop.
func (c Client) Suspend(id string) error {
	_, err := c.ask(protocol.SuspendJob{Job: id}, answerTimeout)
	return err
}

// Savepoint takes a savepoint below the directory `dir`, which is a URL, and returns the path of
// the complete savepoint. The parameter `stop` says whether the job stops with the savepoint.
// Savepoint waits no longer than the timeout.
func (c Client) Savepoint(id, dir string, stop protocol.Stop, timeout time.Duration) (string, error) {
	answer, err := c.ask(protocol.TakeSavepoint{Job: id, Dir: dir, Stop: stop}, timeout)
	return answer.Path, err
}

// Checkpoints returns the statistics of a job's checkpoints.
func (c Client) Checkpoints(id string) (protocol.Statistics, error) {
	answer, err := c.ask(protocol.QueryCheckpoints{Job: id}, answerTimeout)
	return answer.Statistics, err
}

// Checkpoint takes a checkpoint and returns the id of the complete checkpoint. It waits no longer
// than the timeout.
func (c Client) Checkpoint(id string, timeout time.Duration) (int64, error) {
	answer, err := c.ask(protocol.TriggerCheckpoint{Job: id}, timeout)
	return answer.Checkpoint, err
}

// ask sends a request to the JobManager. If this JobManager does not lead, ask sends the request to
// the leader, as soon as there is one.
func (c Client) ask(request environment.Message, timeout time.Duration) (protocol.Answer, error) {
	deadline := c.Env.Now() + timeout
	to := c.JobManager
	for {
		answer, err := c.askOne(to, request, deadline-c.Env.Now())
		_, harmless := request.(protocol.Query)
		switch {
		case err != nil && to != c.JobManager && harmless && c.Env.Now() < deadline:
			to = c.JobManager // the process at this address does not lead any more, so the first JobManager is asked again
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
