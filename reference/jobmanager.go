package reference

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/coordinator"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/highavailability"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
)

// JobManagerTask is the name of the task that answers for a JobManager's process.
const JobManagerTask = "jobmanager"

// Pauses of a JobManager that does not lead, and between two renewals of one that does.
const (
	campaignPause = 200 * time.Millisecond
	renewPause    = highavailability.Lease / 4
)

// JobManager runs a JobManager with the cluster's configuration. It never returns. With
// a highly available store there may be several: one leads, the others wait.
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

// campaign waits until this JobManager leads. Whoever asks it something meanwhile is
// told who does.
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

// lead takes over what an earlier leader left, and serves until another may lead.
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
		// One that stood still for longer than its lease must not do another thing.
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

// recover goes on with a job of an earlier leader, or with cleaning up after it.
func (j *jobManager) recover(left highavailability.Known) {
	if left.Job == nil || (left.Result != nil && left.Result.Cleaned) {
		status := protocol.JobStatus{Job: left.ID}
		if left.Result != nil {
			status.Status, status.Error = left.Result.Status, left.Result.Error
			// Who noted the result may not have come to say so.
			j.env.Log(environment.Record{Event: protocol.EventJob, Job: left.ID, Status: string(status.Status), Error: status.Error})
		}
		j.jobs[left.ID] = &runningJob{status: status}
		return
	}
	j.start(masterStart{job: *left.Job, ended: left.Result})
}

// deposeMasters stops the masters of all jobs.
func (j *jobManager) deposeMasters() {
	for _, id := range slices.Sorted(maps.Keys(j.jobs)) {
		if master := j.jobs[id].master; master != (environment.Address{}) {
			j.env.Send(master, protocol.Deposed{})
		}
	}
}

func newJobManager(env environment.Environment, cluster configuration.Configuration, term int64) *jobManager {
	return &jobManager{env: env, cluster: cluster, term: term, jobs: map[string]*runningJob{}, nextRound: env.Now()}
}

// serve handles the next message, or asks the TaskManagers whether they live when it is
// time to.
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

type jobManager struct {
	env          environment.Environment
	cluster      configuration.Configuration
	term         int64
	deposed      bool
	nextRound    time.Duration
	sweeps       int            // ever begun
	taskManagers []*taskManager // in the order registered
	jobs         map[string]*runningJob
	waiting      []slotRequest // first come, first served
}

type taskManager struct {
	address  environment.Address
	slots    int
	holders  []environment.Address // masters, one entry for each slot in use
	lastSeen time.Duration
}

type runningJob struct {
	master environment.Address // nobody if it was cleaned up before this JobManager led
	status protocol.JobStatus
	job    job.Job
}

type slotRequest struct {
	master environment.Address
	slots  int // in all, with those it has
}

func (j *jobManager) handle(envelope environment.Envelope) {
	switch message := envelope.Message.(type) {
	case protocol.Register:
		j.register(envelope.From, message.Slots)
		j.sweep(envelope.From, message.Ran)
	case protocol.Heartbeat:
		j.heard(envelope.From)
	case protocol.RequestSlots:
		j.request(envelope.From, message.Slots)
	case protocol.ReleaseSlots:
		j.release(envelope.From)
	case protocol.JobStatus:
		if known := j.jobs[message.Job]; known == nil || known.master != envelope.From {
			return // of an earlier term
		}
		j.jobs[message.Job].status = message
		if message.Status.Terminal() {
			j.env.Send(envelope.From, protocol.JobEnded{})
		}
	case protocol.JobRefused:
		delete(j.jobs, message.Job)
	case protocol.Submit:
		j.submit(envelope.From, message)
	case protocol.Query:
		j.answer(envelope.From, message.Job, func(known *runningJob) {
			j.env.Send(envelope.From, protocol.Answer{Status: known.status.Status, Error: known.status.Error})
		})
	case protocol.CancelJob:
		j.forward(envelope, message.Job)
	case protocol.SuspendJob:
		j.forward(envelope, message.Job)
	case protocol.TriggerCheckpoint:
		j.forward(envelope, message.Job)
	case protocol.TakeSavepoint:
		j.forward(envelope, message.Job)
	case protocol.QueryCheckpoints:
		j.forward(envelope, message.Job)
	case protocol.Deposed:
		j.deposed = true
	case environment.Unreachable:
		j.lost(func(t *taskManager) bool { return t.address.Process == message.Process })
	}
}

func (j *jobManager) register(address environment.Address, slots int) {
	known := slices.ContainsFunc(j.taskManagers, func(t *taskManager) bool { return t.address == address })
	if !known {
		j.taskManagers = append(j.taskManagers, &taskManager{address: address, slots: slots, lastSeen: j.env.Now()})
		j.env.Log(environment.Record{Event: protocol.EventTaskManager, Task: address.Process, Status: "registered"})
	}
	j.env.Watch(address.Process)
	j.env.Send(address, protocol.Registered{Term: j.term})
	j.grant()
}

// heard notes that a TaskManager lives. One that was given up does not know it.
func (j *jobManager) heard(from environment.Address) {
	for _, t := range j.taskManagers {
		if t.address == from {
			t.lastSeen = j.env.Now()
			return
		}
	}
	j.env.Send(from, protocol.Forgotten{})
}

// sweep cleans up once more after jobs that have ended, and of which something ran on a
// TaskManager that was lost: it may have stood still in the midst of writing.
func (j *jobManager) sweep(from environment.Address, jobs []string) {
	for _, id := range jobs {
		known := j.jobs[id]
		if known == nil || !known.status.Status.Terminal() || known.job.ID == "" {
			continue
		}
		ended, kept, cluster := known.job, known.status.Kept, j.cluster
		j.sweeps++
		j.env.Spawn(fmt.Sprintf("sweep/%d/%d", j.term, j.sweeps), func(env environment.Environment) {
			record := environment.Record{Event: protocol.EventSwept, Job: ended.ID, Task: from.Process}
			if err := coordinator.DeleteUnreferenced(env.Files(), ended, cluster, kept); err != nil {
				record.Error = err.Error()
			}
			env.Log(record)
		})
	}
}

// heartbeats asks every TaskManager whether it lives, and gives up those that have been
// silent for too long: they may stand still, or be out of reach.
func (j *jobManager) heartbeats() {
	j.lost(func(t *taskManager) bool { return j.env.Now()-t.lastSeen > protocol.HeartbeatTimeout })
	for _, t := range j.taskManagers {
		j.env.Send(t.address, protocol.Heartbeat{Term: j.term})
	}
}

// lost gives up TaskManagers, and tells the masters that had slots there.
func (j *jobManager) lost(which func(*taskManager) bool) {
	var alive []*taskManager
	for _, t := range j.taskManagers {
		if !which(t) {
			alive = append(alive, t)
			continue
		}
		j.env.Log(environment.Record{Event: protocol.EventTaskManager, Task: t.address.Process, Status: "lost"})
		for i, master := range t.holders {
			if slices.Index(t.holders, master) == i { // once each
				j.env.Send(master, protocol.TaskManagerLost{TaskManager: t.address})
			}
		}
	}
	j.taskManagers = alive
}

// request notes a master's wish for slots. One of an earlier term has none any more.
func (j *jobManager) request(master environment.Address, slots int) {
	known := false
	for _, job := range j.jobs { // the order does not matter
		known = known || job.master == master
	}
	if !known {
		return
	}
	j.waiting = slices.DeleteFunc(j.waiting, func(r slotRequest) bool { return r.master == master })
	j.waiting = append(j.waiting, slotRequest{master, slots})
	j.grant()
}

// grant serves the requests for slots, in turn, as long as there are enough.
func (j *jobManager) grant() {
	for len(j.waiting) > 0 {
		first := j.waiting[0]
		var free []*taskManager
		for _, t := range j.taskManagers {
			for range t.slots - len(t.holders) {
				free = append(free, t)
			}
		}
		wanted := first.slots - j.held(first.master)
		if len(free) < wanted {
			return
		}
		var given protocol.Slots
		for _, t := range free[:max(0, wanted)] {
			t.holders = append(t.holders, first.master)
			given.TaskManagers = append(given.TaskManagers, t.address)
		}
		j.env.Send(first.master, given)
		j.waiting = j.waiting[1:]
	}
}

// held is how many slots a master has on TaskManagers that live.
func (j *jobManager) held(master environment.Address) int {
	held := 0
	for _, t := range j.taskManagers {
		for _, holder := range t.holders {
			if holder == master {
				held++
			}
		}
	}
	return held
}

func (j *jobManager) release(master environment.Address) {
	for _, t := range j.taskManagers {
		t.holders = slices.DeleteFunc(t.holders, func(holder environment.Address) bool { return holder == master })
	}
	j.waiting = slices.DeleteFunc(j.waiting, func(r slotRequest) bool { return r.master == master })
	j.grant()
}

func (j *jobManager) submit(client environment.Address, submit protocol.Submit) {
	id := submit.Job.ID
	if j.jobs[id] != nil {
		j.env.Send(client, protocol.Answer{Refused: fmt.Sprintf("job %s was submitted before", id)})
		return
	}
	for _, other := range slices.Sorted(maps.Keys(j.jobs)) {
		if known := j.jobs[other]; known.job.Workload.Dir == submit.Job.Workload.Dir && !known.status.Status.Terminal() {
			j.env.Send(client, protocol.Answer{Refused: fmt.Sprintf("job %s puts its output into %s already", other, known.job.Workload.Dir)})
			return
		}
	}
	j.start(masterStart{job: submit.Job, client: client})
}

// start runs the master of a job.
func (j *jobManager) start(s masterStart) {
	s.jobManager, s.cluster, s.term = j.env.Self(), j.cluster, j.term
	name := fmt.Sprintf("master/%s/%d", s.job.ID, j.term)
	master := j.env.Spawn(name, func(env environment.Environment) { runMaster(env, s) })
	j.jobs[s.job.ID] = &runningJob{master: master, status: protocol.JobStatus{Job: s.job.ID, Status: storage.Created}, job: s.job}
}

func (j *jobManager) forward(request environment.Envelope, id string) {
	j.answer(request.From, id, func(known *runningJob) {
		if known.status.Status.Terminal() || known.master == (environment.Address{}) {
			j.env.Send(request.From, protocol.Answer{Refused: fmt.Sprintf("job %s is %s", id, known.status.Status)})
			return
		}
		j.env.Send(known.master, protocol.Forwarded{Client: request.From, Request: request.Message})
	})
}

func (j *jobManager) answer(client environment.Address, id string, known func(*runningJob)) {
	if found := j.jobs[id]; found != nil {
		known(found)
		return
	}
	j.env.Send(client, protocol.Answer{Refused: fmt.Sprintf("there is no job %q", id)})
}
