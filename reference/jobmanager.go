package reference

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/highavailability"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage/configuration"
)

// JobManagerTask is the name of the task that receives the messages to a JobManager.
const JobManagerTask = "jobmanager"

// Pauses of a JobManager.
const (
	campaignPause = 200 * time.Millisecond     // the pause between two attempts to become the leader
	renewPause    = highavailability.Lease / 4 // the pause between two renewals of the lease
)

// JobManager runs a JobManager with the cluster's configuration. It never returns. With a highly
// available store there may be several JobManagers: one leads, the others wait.
func JobManager(env environment.Environment, cluster configuration.Configuration) {
	if env.Store() == nil {
		j := newJobManager(env, cluster, 1)
		for {
			j.serve(environment.Forever)
		}
	}
	for {
		term := campaign(env)
		env.Log(environment.Record{Event: protocol.EventLeader, Status: "elected"})
		j := newJobManager(env, cluster, term)
		j.lead()
		env.Log(environment.Record{Event: protocol.EventLeader, Status: "deposed"})
	}
}

// jobManager holds the state of a JobManager that leads.
type jobManager struct {
	env          environment.Environment
	cluster      configuration.Configuration
	term         int64
	deposed      bool
	nextRound    time.Duration  // the time at which the next heartbeats are due
	cleanUps     int            // number of repeated clean-ups so far
	taskManagers []*taskManager // the registered TaskManagers, in the order in which they registered
	jobs         map[string]*runningJob
	waiting      []slotRequest // requests for slots, in the order in which they are served
}

func newJobManager(env environment.Environment, cluster configuration.Configuration, term int64) *jobManager {
	return &jobManager{env: env, cluster: cluster, term: term, jobs: map[string]*runningJob{}, nextRound: env.Now()}
}

// campaign waits until this JobManager leads. Meanwhile it tells clients who leads.
func campaign(env environment.Environment) (term int64) {
	for {
		term, err := env.Store().Campaign(env.Self().Process, highavailability.Lease)
		if err == nil {
			return term
		}
		deadline := env.Now() + campaignPause
		for env.Now() < deadline {
			envelope, ok := env.Receive(deadline - env.Now())
			if !ok || !protocol.IsRequest(envelope.Message) {
				continue
			}
			leader, err := env.Store().Leader()
			if err != nil || leader == env.Self().Process {
				leader = ""
			}
			env.Send(envelope.From, protocol.Answer{Elsewhere: true, Leader: leader})
		}
	}
}

// lead takes over the jobs of earlier leaders, and serves until another JobManager may lead.
func (j *jobManager) lead() {
	defer j.deposeMasters()
	renewed := j.env.Now()
	leadership := highavailability.Leadership{Env: j.env, Term: j.term}
	known, err := leadership.Jobs()
	if err != nil {
		j.env.Log(environment.Record{Event: protocol.EventLeader, Status: "cannot recover", Error: err.Error()})
		return
	}
	for _, left := range known {
		j.recover(left)
	}
	for !j.deposed {
		// A JobManager that stood still for longer than its lease must do nothing any more.
		if j.env.Now() > renewed+highavailability.Lease {
			return
		}
		if j.env.Now() >= renewed+renewPause {
			at := j.env.Now()
			switch err := j.env.Store().Renew(j.term); {
			case err == nil:
				renewed = at
			case errors.Is(err, environment.ErrDeposed):
				return
			}
		}
		j.serve(renewPause)
	}
}

// recover continues a job of an earlier leader, or the clean-up after such a job.
func (j *jobManager) recover(left highavailability.Known) {
	if left.Job == nil || (left.Result != nil && left.Result.Cleaned) {
		status := protocol.JobStatus{Job: left.ID}
		if left.Result != nil {
			status.Status, status.Error = left.Result.Status, left.Result.Error
			// The leader that recorded the result may have died before it logged the result.
			j.env.Log(environment.Record{Event: protocol.EventJob, Job: left.ID, Status: string(status.Status), Error: status.Error})
		}
		j.jobs[left.ID] = &runningJob{status: status}
		return
	}
	j.start(masterStart{job: *left.Job, ended: left.Result})
}

// deposeMasters tells the masters of all jobs to stop.
func (j *jobManager) deposeMasters() {
	for _, id := range slices.Sorted(maps.Keys(j.jobs)) {
		if master := j.jobs[id].master; master != (environment.Address{}) {
			j.env.Send(master, protocol.Deposed{})
		}
	}
}

// serve handles the next message. If no message arrives in time, and heartbeats are due, it sends
// heartbeats.
func (j *jobManager) serve(wait time.Duration) {
	envelope, ok := j.env.Receive(min(wait, max(0, j.nextRound-j.env.Now())))
	if ok {
		j.handle(envelope)
		return
	}
	if j.env.Now() >= j.nextRound {
		j.heartbeats()
		j.nextRound = j.env.Now() + protocol.HeartbeatInterval
	}
}

func (j *jobManager) handle(envelope environment.Envelope) {
	if protocol.IsRequest(envelope.Message) {
		j.handleRequest(envelope)
		return
	}
	switch message := envelope.Message.(type) {
	case protocol.Register:
		j.register(envelope.From, message.Slots)
		j.cleanUpAgain(envelope.From, message.Ran)
	case protocol.Heartbeat:
		j.heard(envelope.From)
	case protocol.RequestSlots:
		j.request(envelope.From, message.Slots)
	case protocol.ReleaseSlots:
		j.release(envelope.From)
	case protocol.JobStatus:
		if known := j.jobs[message.Job]; known == nil || known.master != envelope.From {
			return // the sender is a master of an earlier term
		}
		j.jobs[message.Job].status = message
		if message.Status.Terminal() {
			j.env.Send(envelope.From, protocol.JobEnded{})
		}
	case protocol.JobRefused:
		delete(j.jobs, message.Job)
	case protocol.Deposed:
		j.deposed = true
	case environment.Unreachable:
		j.lost(func(t *taskManager) bool { return t.address.Process == message.Process })
	}
}
