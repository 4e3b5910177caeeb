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

// Bounds on what a master waits for.
const (
	slotsTimeout  = 5 * time.Minute
	deployTimeout = 30 * time.Second
	cancelTimeout = 5 * time.Second
)

// What ends the life of a job's master before the job's own end.
var (
	errEnding  = errors.New("the job is being ended") // somebody canceled or suspended it
	errDeposed = errors.New("another JobManager leads")
)

// master takes one job through its life.
type master struct {
	masterStart
	env         environment.Environment
	leadership  *highavailability.Leadership // nil: there is one JobManager only
	coordinator *coordinator.Coordinator
	restarts    *job.Restarts
	groups      int               // key groups
	ending      storage.JobStatus // Canceled or Suspended, once somebody asked for it
	deposed     bool              // another JobManager leads, or may
}

// masterStart is what the JobManager gives a master.
type masterStart struct {
	jobManager environment.Address
	client     environment.Address // who submitted the job; nobody if an earlier leader accepted it
	cluster    configuration.Configuration
	job        job.Job
	term       int64
	ended      *highavailability.Result // how it ended, if all that is left is to clean up
}

// How often, and how soon, a job is tried to be recovered again.
const (
	recoverTries = 5
	recoverRetry = 200 * time.Millisecond
)

func (s masterStart) recovered() bool { return s.client == environment.Address{} }

// runMaster runs a job, or refuses it. A refusal has changed nothing.
func runMaster(env environment.Environment, start masterStart) {
	m := &master{masterStart: start, env: env, restarts: job.NewRestarts(start.job.Restart)}
	if env.Store() != nil {
		m.leadership = &highavailability.Leadership{Env: env, Term: start.term}
	}
	origin, err := m.accept()
	for try := 1; err != nil && !errors.Is(err, errDeposed) && m.recovered() && try < recoverTries; try++ {
		env.Sleep(recoverRetry) // FLINK-7783: storage may only have failed for a moment
		origin, err = m.accept()
	}
	switch {
	case errors.Is(err, errDeposed):
		return
	case err != nil && m.recovered():
		m.setStatus(storage.Failed, fmt.Sprintf("recover job %s: %v", m.job.ID, err)) // everything stays as it is
		m.refuseLate(storage.Failed)
		return
	case err != nil:
		env.Send(m.jobManager, protocol.JobRefused{Job: m.job.ID})
		env.Send(m.client, protocol.Answer{Refused: err.Error()})
		return
	}
	if m.ended != nil {
		m.finish(m.ended.Status, m.ended.Error)
		return
	}
	m.setStatus(storage.Created, "")
	if !m.recovered() {
		env.Send(m.client, protocol.Answer{Status: storage.Created})
	}
	if origin != nil {
		m.logRestored(*origin)
	}
	ended, cause, err := m.execute()
	if err != nil {
		m.coordinator.TakeBack()
		return
	}
	m.finish(ended, cause)
}

// finish ends the job, and answers those who still want something of it.
func (m *master) finish(ended storage.JobStatus, cause string) {
	if err := m.end(ended, cause); err != nil {
		m.depose()
		return
	}
	m.refuseLate(ended)
}

// end says how the job ended, and cleans up after it. In this order: a crash in between
// would leave a job that runs, for all that is known, and has nothing to come back from.
func (m *master) end(ended storage.JobStatus, cause string) error {
	switch {
	case m.leadership == nil:
		m.logStatus(ended, cause)
		cause = m.cleanUp(ended, cause)
	case ended == storage.Suspended:
		m.logStatus(ended, cause)
		m.coordinator.GiveUp(ended) // all else is the next leader's
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

func (m *master) cleanUp(ended storage.JobStatus, cause string) string {
	if err := m.coordinator.ShutDown(ended); err != nil {
		cause = fmt.Sprintf("%s; clean up: %v", cause, err)
		m.logStatus(ended, cause)
	}
	return cause
}

// endForGood notes how the job ended, cleans up, and forgets the job.
func (m *master) endForGood(ended storage.JobStatus, cause string) error {
	if err := m.leadership.SetResult(m.job.ID, highavailability.Result{Status: ended, Error: cause}); err != nil {
		return err
	}
	m.logStatus(ended, cause)
	if err := m.coordinator.Doom(ended); err != nil {
		return err
	}
	// A crash from here on leaves checkpoints that should be gone. The next leader finds
	// the result, and goes on with this.
	cause = m.cleanUp(ended, cause)
	// FLINK-11813: the result stays, so that the job is not run again.
	if err := m.leadership.SetResult(m.job.ID, highavailability.Result{Status: ended, Error: cause, Cleaned: true}); err != nil {
		return err
	}
	return m.leadership.RemoveJob(m.job.ID)
}

// localRegistry is the registry of a job that dies with its JobManager.
type localRegistry struct{ last int64 }

func (r *localRegistry) NextID() (int64, error) {
	r.last++
	return r.last, nil
}

func (*localRegistry) Leads() error { return nil }

func (*localRegistry) Keep([]storage.Completed, []string) error { return nil }

// accept validates the job, finds what it resumes from and, last of all, notes it and
// makes its directories.
func (m *master) accept() (*storage.Completed, error) {
	if err := m.job.Validate(); err != nil {
		return nil, err
	}
	m.groups = m.job.KeyGroups()
	local := &localRegistry{}
	var registry coordinator.Registry = local
	var checkpoints highavailability.Checkpoints
	if m.leadership != nil {
		checkpoints = highavailability.Checkpoints{Leadership: *m.leadership, JobID: m.job.ID}
		registry = checkpoints
	}
	var kept []storage.Completed
	noted := false
	var err error
	switch {
	case m.ended != nil:
		noted = true
		kept, err = checkpoints.Left(m.env.Files())
	case m.recovered():
		kept, noted, err = checkpoints.Kept(m.env.Files())
	}
	if err != nil {
		return nil, err
	}
	origin, err := m.origin(noted)
	if err != nil {
		return nil, err
	}
	if len(kept) > 0 {
		m.groups = int(kept[0].Checkpoint.Operators[0].MaxParallelism)
	}
	if m.coordinator, err = coordinator.New(m.env, m.job, m.groups, m.cluster, registry); err != nil {
		return nil, err
	}
	if origin != nil {
		local.last = origin.Checkpoint.ID // ids go on where the origin's ended
		if err := m.coordinator.Resume(*origin); err != nil {
			return nil, err
		}
	}
	if noted {
		return nil, m.coordinator.Recover(kept)
	}
	if err := m.begin(checkpoints, origin); err != nil {
		return nil, err
	}
	return origin, nil
}

// begin notes a new job, and makes its directories.
func (m *master) begin(checkpoints highavailability.Checkpoints, origin *storage.Completed) error {
	if m.leadership == nil {
		return m.coordinator.Prepare()
	}
	if !m.recovered() {
		// A crash after this leaves a job that the next leader accepts.
		if err := m.leadership.AddJob(m.job); err != nil {
			return fmt.Errorf("%w: %w", errDeposed, err)
		}
	}
	if origin != nil {
		if err := checkpoints.Start(origin.Checkpoint.ID); err != nil {
			return fmt.Errorf("%w: %w", errDeposed, err)
		}
	}
	err := m.coordinator.Prepare()
	if err != nil && !m.recovered() {
		return errors.Join(err, m.leadership.RemoveJob(m.job.ID))
	}
	return err
}

// origin finds the checkpoint that the job resumes from. Once the job has noted
// checkpoints of its own it may be gone: it belongs to somebody else.
func (m *master) origin(noted bool) (*storage.Completed, error) {
	if m.job.Restore.Path == "" {
		return nil, nil
	}
	found, err := storage.Resolve(m.env.Files(), m.job.Restore.Path)
	if err != nil {
		if noted {
			return nil, nil
		}
		return nil, err
	}
	if m.groups, err = coordinator.Compatible(m.job, found.Checkpoint); err != nil {
		return nil, fmt.Errorf("resume from %s: %w", m.job.Restore.Path, err)
	}
	return &found, nil
}

// request handles what a client asks for.
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

// refuseLate answers the requests that came while the job was ending, until the
// JobManager sends no more of them.
func (m *master) refuseLate(ended storage.JobStatus) {
	why := fmt.Sprintf("job %s is %s", m.job.ID, ended)
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
	m.logStatus(status, cause)
	m.tellStatus(status, cause)
}

func (m *master) logStatus(status storage.JobStatus, cause string) {
	m.env.Log(environment.Record{Event: protocol.EventJob, Job: m.job.ID, Status: string(status), Error: cause})
}

func (m *master) tellStatus(status storage.JobStatus, cause string) {
	message := protocol.JobStatus{Job: m.job.ID, Status: status, Error: cause}
	if status.Terminal() && m.coordinator != nil {
		message.Kept = m.coordinator.Outlived()
	}
	m.env.Send(m.jobManager, message)
}

func (m *master) logRestored(from storage.Completed) {
	m.env.Log(environment.Record{
		Event: protocol.EventRestored, Job: m.job.ID, Checkpoint: from.Checkpoint.ID, Path: from.Pointer(),
	})
}
