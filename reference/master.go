package reference

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/snapback/snapback/reference/coordinator"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/highavailability"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
)

// These errors end an execution or a master before the job itself ends.
var (
	errEnding  = errors.New("the job is being ended") // a client canceled or suspended the job
	errDeposed = errors.New("another JobManager leads")
)

// How often a master tries to recover a job of an earlier leader, and how long it waits before it
// tries again.
const (
	recoverTries = 5
	recoverRetry = 200 * time.Millisecond
)

// refuseTimeout is the longest time for which a master still answers requests after its job has
// ended.
const refuseTimeout = 5 * time.Second

// master leads one job through its life.
type master struct {
	masterStart
	env         environment.Environment
	leadership  *highavailability.Leadership // nil without a highly available store
	coordinator *coordinator.Coordinator
	restarts    *job.Restarts
	groups      int               // number of key groups
	ending      storage.JobStatus // Canceled or Suspended, as soon as a client has asked for this; otherwise empty
	deposed     bool              // whether another JobManager may lead
	outlived    []string          // locations of the checkpoints that stay after the job's end
}

// masterStart is what the JobManager gives to a master.
type masterStart struct {
	jobManager environment.Address
	client     environment.Address // the client that submitted the job; empty if an earlier leader accepted the job
	cluster    configuration.Configuration
	job        job.Job
	term       int64
	ended      *highavailability.Result // how the job ended, if only the clean-up is left
}

func (s masterStart) recovered() bool { return s.client == environment.Address{} }

// runMaster runs a job, or refuses it. A refusal changes nothing on storage.
func runMaster(env environment.Environment, start masterStart) {
	m := &master{masterStart: start, env: env, restarts: job.NewRestarts(start.job.Restart)}
	if env.Store() != nil {
		m.leadership = &highavailability.Leadership{Env: env, Term: start.term}
	}
	origin, err := m.accept()
	for try := 1; err != nil && !errors.Is(err, errDeposed) && m.recovered() && try < recoverTries; try++ {
		env.Sleep(recoverRetry) // FLINK-7783: the failure of storage may last only a moment
		origin, err = m.accept()
	}
	switch {
	case err != nil:
		m.refuse(err)
	case m.ended != nil:
		m.finish(m.ended.Status, m.ended.Error)
	default:
		m.run(origin)
	}
}

// run executes the job until it ends, or until this JobManager loses leadership.
func (m *master) run(origin *storage.Completed) {
	m.setStatus(storage.Created, "")
	if !m.recovered() {
		m.env.Send(m.client, protocol.Answer{Status: storage.Created})
	}
	if origin != nil {
		m.logRestored(*origin, 1)
	}
	ended, cause, err := execute(m)
	if err != nil {
		m.coordinator.Depose()
		return
	}
	m.finish(ended, cause)
}

// refuse reports that a job could not be accepted.
func (m *master) refuse(err error) {
	switch {
	case errors.Is(err, errDeposed):
		return
	case m.recovered():
		m.setStatus(storage.Failed, fmt.Sprintf("recover job %s: %v", m.job.ID, err)) // all files of the job stay
		m.refuseRequests(storage.Failed)
	default:
		m.env.Send(m.jobManager, protocol.JobRefused{Job: m.job.ID})
		m.env.Send(m.client, protocol.Answer{Refused: err.Error()})
	}
}

// finish ends the job and answers the requests that are left.
func (m *master) finish(ended storage.JobStatus, cause string) {
	if err := m.end(ended, cause); err != nil {
		m.depose()
		return
	}
	m.refuseRequests(ended)
}

// end reports how the job ended, and cleans up after it. If the clean-up came first, a crash after
// it would leave a job that seems to run, but has no checkpoint from which it can recover.
func (m *master) end(ended storage.JobStatus, cause string) error {
	switch {
	case m.leadership == nil:
		m.logStatus(ended, cause)
		cause = m.cleanUp(ended, cause)
	case ended == storage.Suspended:
		m.logStatus(ended, cause)
		m.coordinator.Suspend()
	default:
		if err := m.endForGood(ended, cause); err != nil {
			return err
		}
	}
	m.tellStatus(ended, cause)
	m.env.Send(m.jobManager, protocol.ReleaseSlots{})
	m.coordinator.Refuse(fmt.Sprintf("job %s is %s", m.job.ID, ended))
	return nil
}

// cleanUp discards the checkpoints and deletes the files that the job must not leave behind. It
// returns the cause of the job's end, with the error of the clean-up if there was one.
func (m *master) cleanUp(ended storage.JobStatus, cause string) string {
	outlived, err := m.coordinator.ShutDown(ended)
	m.outlived = outlived
	if err != nil {
		cause = fmt.Sprintf("%s; clean up: %v", cause, err)
		m.logStatus(ended, cause)
	}
	return cause
}

// endForGood records how the job ended, cleans up, and removes the job from the highly available
// store.
func (m *master) endForGood(ended storage.JobStatus, cause string) error {
	if err := m.leadership.SetResult(m.job.ID, highavailability.Result{Status: ended, Error: cause}); err != nil {
		return err
	}
	m.logStatus(ended, cause)
	if err := m.coordinator.PlanShutDown(ended); err != nil {
		return err
	}
	// A crash from here on leaves checkpoints that should be gone. The next leader finds the result
	// and continues the clean-up.
	cause = m.cleanUp(ended, cause)
	// FLINK-11813: the result stays, so that no leader runs the job again.
	if err := m.leadership.SetResult(m.job.ID, highavailability.Result{Status: ended, Error: cause, Cleaned: true}); err != nil {
		return err
	}
	return m.leadership.RemoveJob(m.job.ID)
}

// depose stops the whole JobManager, since another JobManager may lead.
func (m *master) depose() {
	m.deposed = true
	m.env.Send(m.jobManager, protocol.Deposed{})
}

// request handles a client's request.
func (m *master) request(forwarded protocol.Forwarded) {
	switch message := forwarded.Request.(type) {
	case protocol.CancelJob:
		m.ending = storage.Canceled
		m.env.Send(forwarded.Client, protocol.Answer{Status: storage.Cancelling})
	case protocol.SuspendJob:
		m.ending = storage.Suspended
		m.env.Send(forwarded.Client, protocol.Answer{Status: m.ending})
	case protocol.QueryCheckpoints:
		m.env.Send(forwarded.Client, protocol.Answer{Statistics: m.coordinator.Statistics()})
	case protocol.TriggerCheckpoint:
		m.coordinator.Ask(coordinator.Request{Client: forwarded.Client})
	case protocol.TakeSavepoint:
		dir := cmp.Or(message.Dir, m.cluster.Text(configuration.SavepointDir))
		if dir == "" {
			m.env.Send(forwarded.Client, protocol.Answer{Refused: "there is no directory for a savepoint: give one, or set " + configuration.SavepointDir.Key + " in the cluster's configuration"})
			return
		}
		m.coordinator.Ask(coordinator.Request{Client: forwarded.Client, SavepointDir: dir, Stop: message.Stop})
	}
}

// refuseRequests refuses the requests that arrived while the job ended, until the JobManager says
// that no more follow.
func (m *master) refuseRequests(ended storage.JobStatus) {
	why := fmt.Sprintf("job %s is %s", m.job.ID, ended)
	deadline := m.env.Now() + refuseTimeout
	for {
		envelope, ok := m.env.Receive(deadline - m.env.Now())
		if !ok {
			return
		}
		switch message := envelope.Message.(type) {
		case protocol.Forwarded:
			m.env.Send(message.Client, protocol.Answer{Refused: why})
		case protocol.JobEnded:
			return
		}
	}
}

func (m *master) setStatus(status storage.JobStatus, cause string) {
	m.logStatus(status, cause)
	m.tellStatus(status, cause)
}

func (m *master) logStatus(status storage.JobStatus, cause string) {
	m.env.Log(environment.Record{Event: protocol.EventJob, Job: m.job.ID, Status: string(status), Error: cause})
}

func (m *master) tellStatus(status storage.JobStatus, cause string) {
	m.env.Send(m.jobManager, protocol.JobStatus{Job: m.job.ID, Status: status, Error: cause, Kept: m.outlived})
}

// logRestored reports from which checkpoint the subtasks of an attempt are restored.
func (m *master) logRestored(from storage.Completed, attempt int) {
	m.env.Log(environment.Record{
		Event: protocol.EventRestored, Job: m.job.ID, Checkpoint: from.Checkpoint.ID, Path: from.Pointer(), Status: m.attemptName(attempt),
	})
}

// attemptName returns the name of an attempt to run the job. Attempts of different leaders have
// different names.
func (m *master) attemptName(attempt int) string { return fmt.Sprintf("%d.%d", m.term, attempt) }
