package reference

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/coordinator"
	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
)

// cancelTimeout is how long an execution waits for canceled subtasks.
const cancelTimeout = 5 * time.Second

// execution holds all subtasks of a job. If some subtasks fail, it restarts their regions from the
// latest checkpoint.
type execution struct {
	master      *master
	env         environment.Environment
	job         job.Job
	coordinator *coordinator.Coordinator
	graph       dataflow.Graph
	regions     int
	slots       []environment.Address // the TaskManager for the subtasks with each index; an empty address means none
	tasks       []*deployed           // all subtasks, first by vertex, then by index
	attempt     int
}

// deployed is a subtask, and where it was deployed last.
type deployed struct {
	subtask protocol.Subtask
	address environment.Address
	attempt string
	state   taskState
}

type taskState int

const (
	absent   taskState = iota // the subtask is not deployed, or has ended without finishing
	starting                  // the subtask is deployed, but has not said yet that it runs
	running
	finished // the subtask has ended; a complete checkpoint holds its last state
)

// execute runs the job until it ends. It returns an error if this JobManager does not lead any
// more.
func execute(m *master) (ended storage.JobStatus, cause string, err error) {
	graph, err := m.job.Workload.Graph()
	if err != nil {
		return storage.Failed, err.Error(), nil
	}
	e := &execution{
		master: m, env: m.env, job: m.job, coordinator: m.coordinator,
		graph: graph, regions: graph.Regions(m.job.Parallelism), slots: make([]environment.Address, m.job.Parallelism),
	}
	for _, vertex := range graph {
		for i := range m.job.Parallelism {
			e.tasks = append(e.tasks, &deployed{subtask: protocol.Subtask{UID: vertex.UID, Index: i}})
		}
	}
	return e.run()
}

// run starts the subtasks, and restarts them after each failure until the restart strategy refuses
// a restart.
func (e *execution) run() (ended storage.JobStatus, cause string, err error) {
	for {
		failure := e.start()
		if failure == nil {
			failure = e.supervise()
		}
		switch {
		case failure == nil:
			return storage.Finished, "", nil
		case errors.Is(failure, errDeposed):
			return "", "", failure
		case e.master.ending != "":
			if e.master.ending == storage.Canceled {
				e.master.setStatus(storage.Cancelling, "")
			}
			e.stopAll(failure)
			return e.master.ending, "", nil
		}
		if ended, cause, failed := e.failed(failure); failed {
			return ended, cause, nil
		}
	}
}

// failed handles a failure. If the job restarts, it stops the broken regions and waits as long as
// the restart strategy says. Otherwise it stops everything, and the job has failed.
func (e *execution) failed(failure error) (ended storage.JobStatus, cause string, failed bool) {
	cause = failure.Error()
	e.master.setStatus(storage.Failing, "")
	wait, restart := e.master.restarts.Failed(e.env.Now())
	if path, stopped := e.coordinator.Stopped(); stopped {
		// FLINK-26783: the sinks committed all output with the savepoint. After a restart from an
		// older checkpoint they would write this output again.
		restart, cause = false, fmt.Sprintf("%s, while it stopped with savepoint %s, which is complete", cause, path)
	}
	if !restart {
		e.stopAll(failure)
		return storage.Failed, cause, true
	}
	// The checkpoints are aborted first: an acknowledgement that arrives while subtasks stop must
	// not complete a checkpoint.
	e.coordinator.Failover("attempt ended: " + cause)
	restarted := e.brokenRegions()
	var intolerable *coordinator.IntolerableError
	if errors.As(failure, &intolerable) {
		restarted = e.tasks
	}
	e.stop(restarted)
	e.master.setStatus(storage.Restarting, cause)
	deadline := e.env.Now() + wait
	for e.env.Now() < deadline && e.master.ending == "" && !e.master.deposed {
		_, _ = e.receive(deadline) // an error can be ignored here, because start returns the same error again
	}
	return "", "", false
}

// stopAll aborts all checkpoints in progress and stops all subtasks, since the job will not run
// again.
func (e *execution) stopAll(failure error) {
	e.coordinator.Failover("the job ends: " + failure.Error())
	e.stop(e.tasks)
}

// region returns the region of a subtask.
func (e *execution) region(t *deployed) int { return t.subtask.Index % e.regions }

// brokenRegions returns all subtasks of each region in which a subtask is absent.
func (e *execution) brokenRegions() []*deployed {
	broken := map[int]bool{}
	for _, t := range e.tasks {
		if t.state == absent {
			broken[e.region(t)] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(e.tasks), func(t *deployed) bool { return !broken[e.region(t)] })
}

func (e *execution) count(state taskState) int {
	n := 0
	for _, t := range e.tasks {
		if t.state == state {
			n++
		}
	}
	return n
}

func (e *execution) mark(from, to taskState) {
	for _, t := range e.tasks {
		if t.state == from {
			t.state = to
		}
	}
}

// stop cancels subtasks and waits for their end, so that no subtask writes to a checkpoint while
// the coordinator deletes it. A subtask that does not answer in time counts as absent. When it is
// deployed again, messages of the old attempt are ignored.
func (e *execution) stop(stopped []*deployed) {
	waiting := func(t *deployed) bool { return t.attempt != "" && (t.state == starting || t.state == running) }
	for _, t := range stopped {
		if waiting(t) {
			e.env.Send(t.address, protocol.Cancel{})
		}
	}
	deadline := e.env.Now() + cancelTimeout
	for slices.ContainsFunc(stopped, waiting) {
		if got, err := e.receive(deadline); !got || errors.Is(err, errDeposed) {
			break
		}
	}
	for _, t := range stopped {
		e.gone(t)
	}
}
