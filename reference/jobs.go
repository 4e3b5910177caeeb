package reference

import (
	"fmt"
	"maps"
	"slices"

	"github.com/snapback/snapback/reference/coordinator"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
)

// runningJob is a job that this JobManager knows. It may have ended.
type runningJob struct {
	master environment.Address // the address of the job's master; empty if the job ended before this JobManager led
	status protocol.JobStatus
	job    job.Job
}

// handleRequest handles a client's request.
func (j *jobManager) handleRequest(envelope environment.Envelope) {
	switch message := envelope.Message.(type) {
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
	}
}

// submit starts a job. It refuses the job if the id is known already, or if another job writes its
// output to the same directory.
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

// start starts the master of a job.
func (j *jobManager) start(s masterStart) {
	s.jobManager, s.cluster, s.term = j.env.Self(), j.cluster, j.term
	name := fmt.Sprintf("master/%s/%d", s.job.ID, j.term)
	master := j.env.Spawn(name, func(env environment.Environment) { runMaster(env, s) })
	j.jobs[s.job.ID] = &runningJob{master: master, status: protocol.JobStatus{Job: s.job.ID, Status: storage.Created}, job: s.job}
}

// forward sends a client's request to the master of the job.
func (j *jobManager) forward(request environment.Envelope, id string) {
	j.answer(request.From, id, func(known *runningJob) {
		if known.status.Status.Terminal() || known.master == (environment.Address{}) {
			j.env.Send(request.From, protocol.Answer{Refused: fmt.Sprintf("job %s is %s", id, known.status.Status)})
			return
		}
		j.env.Send(known.master, protocol.Forwarded{Client: request.From, Request: request.Message})
	})
}

// answer calls the function `known` with the job that has this id. If there is no such job, it
// refuses the request.
func (j *jobManager) answer(client environment.Address, id string, known func(*runningJob)) {
	if found := j.jobs[id]; found != nil {
		known(found)
		return
	}
	j.env.Send(client, protocol.Answer{Refused: fmt.Sprintf("there is no job %q", id)})
}

// cleanUpAgain deletes unreferenced files of ended jobs whose subtasks ran on a TaskManager that
// was lost and is back. The TaskManager may have stood still in the middle of a write, and may have
// finished the write after the job's clean-up.
func (j *jobManager) cleanUpAgain(from environment.Address, jobs []string) {
	for _, id := range jobs {
		known := j.jobs[id]
		if known == nil || !known.status.Status.Terminal() || known.job.ID == "" {
			continue
		}
		ended, kept, cluster := known.job, known.status.Kept, j.cluster
		j.cleanUps++
		j.env.Spawn(fmt.Sprintf("sweep/%d/%d", j.term, j.cleanUps), func(env environment.Environment) {
			record := environment.Record{Event: protocol.EventSwept, Job: ended.ID, Task: from.Process}
			if err := coordinator.DeleteUnreferenced(env.Files(), ended, cluster, kept); err != nil {
				record.Error = err.Error()
			}
			env.Log(record)
		})
	}
}
