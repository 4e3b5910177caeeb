package reference

import (
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
)

// JobManagerTask is the name of the task that answers for a JobManager's process.
const JobManagerTask = "jobmanager"

// JobManager runs a JobManager with the cluster's configuration. It never returns.
func JobManager(env environment.Environment, cluster configuration.Configuration) {
	j := &jobManager{env: env, cluster: cluster, jobs: map[string]*runningJob{}}
	nextRound := env.Now()
	for {
		envelope, ok := env.Receive(max(0, nextRound-env.Now()))
		if ok {
			j.handle(envelope)
			continue
		}
		j.heartbeats()
		nextRound = env.Now() + protocol.HeartbeatInterval
	}
}

type jobManager struct {
	env          environment.Environment
	cluster      configuration.Configuration
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
	master environment.Address
	status protocol.JobStatus
}

type slotRequest struct {
	master environment.Address
	slots  int
}

func (j *jobManager) handle(envelope environment.Envelope) {
	switch message := envelope.Message.(type) {
	case protocol.Register:
		j.register(envelope.From, message.Slots)
	case protocol.Heartbeat:
		for _, t := range j.taskManagers {
			if t.address == envelope.From {
				t.lastSeen = j.env.Now()
			}
		}
	case protocol.RequestSlots:
		j.waiting = append(j.waiting, slotRequest{envelope.From, message.Slots})
		j.grant()
	case protocol.ReleaseSlots:
		j.release(envelope.From)
	case protocol.JobStatus:
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
	case protocol.StopWithSavepoint:
		j.forward(envelope, message.Job)
	}
}

func (j *jobManager) register(address environment.Address, slots int) {
	known := slices.ContainsFunc(j.taskManagers, func(t *taskManager) bool { return t.address == address })
	if !known {
		j.taskManagers = append(j.taskManagers, &taskManager{address: address, slots: slots, lastSeen: j.env.Now()})
		j.env.Log(environment.Record{Event: protocol.EventTaskManager, Task: address.Process, Status: "registered"})
	}
	j.env.Send(address, protocol.Registered{})
	j.grant()
}

// heartbeats asks every TaskManager whether it lives, and gives up those that
// have been silent for too long.
func (j *jobManager) heartbeats() {
	var alive []*taskManager
	for _, t := range j.taskManagers {
		if j.env.Now()-t.lastSeen <= protocol.HeartbeatTimeout {
			j.env.Send(t.address, protocol.Heartbeat{})
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
		if len(free) < first.slots {
			return
		}
		var given protocol.Slots
		for _, t := range free[:first.slots] {
			t.holders = append(t.holders, first.master)
			given.TaskManagers = append(given.TaskManagers, t.address)
		}
		j.env.Send(first.master, given)
		j.waiting = j.waiting[1:]
	}
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
	jobManager := j.env.Self()
	master := j.env.Spawn("master/"+id, func(env environment.Environment) {
		runMaster(env, jobManager, client, submit.Job, j.cluster)
	})
	j.jobs[id] = &runningJob{master: master, status: protocol.JobStatus{Job: id, Status: storage.Created}}
}

func (j *jobManager) forward(request environment.Envelope, id string) {
	j.answer(request.From, id, func(known *runningJob) {
		if known.status.Status.Terminal() {
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
