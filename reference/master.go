package reference

import (
	"errors"
	"fmt"
	"time"

	"github.com/snapback/snapback/reference/coordinator"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
)

// Bounds on what a master waits for.
const (
	slotsTimeout  = 5 * time.Minute
	deployTimeout = 30 * time.Second
	finishTimeout = 30 * time.Second
	cancelTimeout = 5 * time.Second
)

// errCanceled ends an attempt of a job that somebody canceled.
var errCanceled = errors.New("canceled")

// master takes one job through its life.
type master struct {
	env         environment.Environment
	jobManager  environment.Address
	job         job.Job
	coordinator *coordinator.Coordinator

	nextTrigger time.Duration         // of the periodic checkpoints
	requests    []environment.Address // clients who asked for a checkpoint
	served      []environment.Address // whose checkpoint is in progress
	canceled    bool                  // somebody asked for it
}

// runMaster runs a submitted job, or refuses it. A refusal has changed nothing.
func runMaster(env environment.Environment, jobManager, client environment.Address, submitted job.Job, retained int) {
	m := &master{env: env, jobManager: jobManager, job: submitted}
	origin, err := m.accept(retained)
	if err != nil {
		env.Send(jobManager, protocol.JobStatus{Job: submitted.ID, Status: storage.Failed, Error: err.Error()})
		env.Send(client, protocol.Answer{Refused: err.Error()})
		return
	}
	m.setStatus(storage.Created, "")
	env.Send(client, protocol.Answer{Status: storage.Created})
	if origin != nil {
		m.logRestored(*origin)
	}
	ended, cause := m.execute()
	// A crash from here on leaves checkpoints that should be gone.
	if err := m.coordinator.ShutDown(ended); err != nil {
		cause = fmt.Sprintf("%s; clean up: %v", cause, err)
	}
	m.setStatus(ended, cause)
	env.Send(jobManager, protocol.ReleaseSlots{})
	m.refuseLate(fmt.Sprintf("job %s is %s", m.job.ID, ended))
	m.refuseRequests(fmt.Sprintf("job %s is %s", m.job.ID, ended))
}

// accept validates the job, and finds the checkpoint it resumes from.
func (m *master) accept(retained int) (*storage.Retained, error) {
	if err := m.job.Validate(); err != nil {
		return nil, err
	}
	var origin *storage.Retained
	if m.job.Restore != "" {
		found, err := storage.Resolve(m.env.Files(), m.job.Restore)
		if err != nil {
			return nil, err
		}
		if err := compatible(m.job, found); err != nil {
			return nil, fmt.Errorf("resume from %s: %w", m.job.Restore, err)
		}
		origin = &found
	}
	var err error
	m.coordinator, err = coordinator.New(m.env, m.job, retained, origin)
	return origin, err
}

// compatible says whether a checkpoint's state is this job's, subtask by subtask.
func compatible(j job.Job, origin storage.Retained) error {
	if origin.Checkpoint.Workload != job.WorkloadName {
		return fmt.Errorf("the checkpoint is of workload %q, the job of %q", origin.Checkpoint.Workload, job.WorkloadName)
	}
	for _, vertex := range job.Vertices() {
		operator, err := origin.Checkpoint.Operator(vertex.UID)
		if err != nil {
			return err
		}
		if operator.Parallelism != j.Parallelism {
			return fmt.Errorf("operator %s: the checkpoint has parallelism %d, the job %d; rescaling is not supported",
				vertex.UID, operator.Parallelism, j.Parallelism)
		}
	}
	return nil
}

// execute runs the job until it ends for good, with a new attempt after each
// failure as long as there are restarts left.
func (m *master) execute() (ended storage.JobStatus, cause string) {
	if err := m.coordinator.Prepare(); err != nil {
		return storage.Failed, err.Error()
	}
	for attempt := 1; ; attempt++ {
		if attempt > 1 {
			m.setStatus(storage.Restarting, cause)
		}
		ended, cause = m.attempt(attempt)
		switch {
		case ended == storage.Finished:
			return ended, ""
		case m.canceled:
			return storage.Canceled, ""
		case attempt > m.job.Restarts:
			return storage.Failed, cause
		}
	}
}

// acquire waits for as many slots as the job is parallel.
func (m *master) acquire() ([]environment.Address, error) {
	m.env.Send(m.jobManager, protocol.RequestSlots{Slots: m.job.Parallelism})
	deadline := m.env.Now() + slotsTimeout
	for !m.canceled {
		envelope, ok := m.env.Receive(max(0, deadline-m.env.Now()))
		if !ok {
			return nil, fmt.Errorf("wanted %d slots and did not get them within %s", m.job.Parallelism, slotsTimeout)
		}
		switch message := envelope.Message.(type) {
		case protocol.Slots:
			return message.TaskManagers, nil
		case protocol.Forwarded:
			m.request(message, false)
		}
	}
	return nil, errCanceled
}

// request handles what a client asks for. A checkpoint is only to be had while
// the job can take one, and is answered when it has ended.
func (m *master) request(forwarded protocol.Forwarded, canCheckpoint bool) {
	switch forwarded.Request.(type) {
	case protocol.CancelJob:
		m.canceled = true
		m.env.Send(forwarded.Client, protocol.Answer{Status: storage.Cancelling})
	case protocol.TriggerCheckpoint:
		if !canCheckpoint {
			m.env.Send(forwarded.Client, protocol.Answer{Refused: fmt.Sprintf("not all subtasks of job %s are running", m.job.ID)})
			return
		}
		m.requests = append(m.requests, forwarded.Client)
	}
}

func (m *master) refuseRequests(why string) {
	for _, client := range append(m.served, m.requests...) {
		m.env.Send(client, protocol.Answer{Refused: why})
	}
	m.served, m.requests = nil, nil
}

// refuseLate answers the requests that came while the job was ending, until the
// JobManager sends no more of them.
func (m *master) refuseLate(why string) {
	deadline := m.env.Now() + cancelTimeout
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
	m.env.Log(environment.Record{Event: protocol.EventJob, Job: m.job.ID, Status: string(status), Error: cause})
	m.env.Send(m.jobManager, protocol.JobStatus{Job: m.job.ID, Status: status, Error: cause})
}

func (m *master) logRestored(from storage.Retained) {
	m.env.Log(environment.Record{
		Event: protocol.EventRestored, Job: m.job.ID, Checkpoint: from.Checkpoint.ID, Path: from.Location,
	})
}
