package reference

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/coordinator"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/metadata"
)

// Bounds on what a master waits for.
const (
	slotsTimeout  = 5 * time.Minute
	deployTimeout = 30 * time.Second
	finishTimeout = 30 * time.Second
	cancelTimeout = 5 * time.Second
)

// errEnding ends an attempt of a job that somebody canceled or suspended.
var errEnding = errors.New("the job is being ended")

// master takes one job through its life.
type master struct {
	env         environment.Environment
	jobManager  environment.Address
	cluster     configuration.Configuration
	job         job.Job
	coordinator *coordinator.Coordinator

	nextTrigger time.Duration     // of the periodic checkpoints
	requests    []request         // for checkpoints and savepoints
	served      []request         // whose checkpoint is in progress
	ending      storage.JobStatus // Canceled or Suspended, once somebody asked for it
	savepoint   string            // that the job stops with, once it is complete
}

// request is a client's for a checkpoint or, with a directory, for a savepoint to
// stop with.
type request struct {
	client       environment.Address
	savepointDir string
}

// runMaster runs a submitted job, or refuses it. A refusal has changed nothing.
func runMaster(env environment.Environment, jobManager, client environment.Address, submitted job.Job, cluster configuration.Configuration) {
	m := &master{env: env, jobManager: jobManager, cluster: cluster, job: submitted}
	origin, err := m.accept()
	if err != nil {
		env.Send(jobManager, protocol.JobRefused{Job: submitted.ID})
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

// accept validates the job, finds the checkpoint it resumes from and, last of all,
// makes the job's directories.
func (m *master) accept() (*storage.Completed, error) {
	if err := m.job.Validate(); err != nil {
		return nil, err
	}
	var origin *storage.Completed
	if m.job.Restore != "" {
		found, err := storage.Resolve(m.env.Files(), m.job.Restore)
		if err != nil {
			return nil, err
		}
		if err := compatible(m.job, found.Checkpoint); err != nil {
			return nil, fmt.Errorf("resume from %s: %w", m.job.Restore, err)
		}
		origin = &found
	}
	var err error
	if m.coordinator, err = coordinator.New(m.env, m.job, m.cluster, origin); err != nil {
		return nil, err
	}
	return origin, m.coordinator.Prepare()
}

// compatible says whether a checkpoint's state is this job's, subtask by subtask.
func compatible(j job.Job, checkpoint metadata.Checkpoint) error {
	for _, operator := range checkpoint.Operators {
		if !slices.ContainsFunc(job.Vertices(), func(v job.Vertex) bool { return metadata.NewOperatorID(v.UID) == operator.ID }) {
			return fmt.Errorf("the checkpoint has state of operator %s, which workload %s has not", operator.Label(), job.WorkloadName)
		}
	}
	for _, vertex := range job.Vertices() {
		operator, err := checkpoint.Operator(vertex.UID)
		if err != nil {
			return err
		}
		if int(operator.Parallelism) != j.Parallelism {
			return fmt.Errorf("operator %s: the checkpoint has parallelism %d, the job %d; rescaling is not supported",
				vertex.UID, operator.Parallelism, j.Parallelism)
		}
	}
	return nil
}

// execute runs the job until it ends for good, with a new attempt after each
// failure as long as there are restarts left.
func (m *master) execute() (ended storage.JobStatus, cause string) {
	for attempt := 1; ; attempt++ {
		if attempt > 1 {
			m.setStatus(storage.Restarting, cause)
		}
		ended, cause = m.attempt(attempt)
		switch {
		case ended == storage.Finished:
			return ended, ""
		case m.ending != "":
			return m.ending, ""
		case m.savepoint != "":
			// FLINK-26783: restarted from an older checkpoint, it would put out again what
			// was committed with the savepoint.
			return storage.Failed, fmt.Sprintf("%s, while it stopped with savepoint %s, which is complete", cause, m.savepoint)
		case attempt > m.job.Restarts:
			return storage.Failed, cause
		}
	}
}

// acquire waits for as many slots as the job is parallel.
func (m *master) acquire() ([]environment.Address, error) {
	m.env.Send(m.jobManager, protocol.RequestSlots{Slots: m.job.Parallelism})
	deadline := m.env.Now() + slotsTimeout
	for m.ending == "" {
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
	return nil, errEnding
}

// request handles what a client asks for. A checkpoint is only to be had while
// the job can take one, and is answered when it has ended.
func (m *master) request(forwarded protocol.Forwarded, canCheckpoint bool) {
	wanted := request{client: forwarded.Client}
	switch message := forwarded.Request.(type) {
	case protocol.CancelJob:
		m.ending = storage.Canceled
		m.env.Send(forwarded.Client, protocol.Answer{Status: storage.Cancelling})
		return
	case protocol.SuspendJob:
		m.ending = storage.Suspended
		m.env.Send(forwarded.Client, protocol.Answer{Status: m.ending})
		return
	case protocol.StopWithSavepoint:
		wanted.savepointDir = cmp.Or(message.Dir, m.cluster.Text(configuration.SavepointDir))
		if wanted.savepointDir == "" {
			m.refuse([]request{wanted}, "there is no directory for a savepoint: give one, or set "+configuration.SavepointDir.Key+" in the cluster's configuration")
			return
		}
	}
	if !canCheckpoint {
		m.refuse([]request{wanted}, fmt.Sprintf("not all subtasks of job %s are running", m.job.ID))
		return
	}
	m.requests = append(m.requests, wanted)
}

func (m *master) refuse(requests []request, why string) {
	for _, r := range requests {
		m.env.Send(r.client, protocol.Answer{Refused: why})
	}
}

func (m *master) refuseRequests(why string) {
	m.refuse(m.served, why)
	m.refuse(m.requests, why)
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

func (m *master) logRestored(from storage.Completed) {
	m.env.Log(environment.Record{
		Event: protocol.EventRestored, Job: m.job.ID, Checkpoint: from.Checkpoint.ID, Path: from.Pointer(),
	})
}
