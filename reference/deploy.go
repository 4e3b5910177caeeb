package reference

import (
	"fmt"
	"time"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/task"
	"github.com/snapback/snapback/storage"
)

// Timeouts of a deployment.
const (
	slotsTimeout  = 5 * time.Minute
	deployTimeout = 30 * time.Second
)

// start deploys all subtasks of the broken regions and waits until all subtasks run. A region is
// broken if one of its subtasks is absent. At the first start every region is broken, since no
// subtask was deployed before.
func (e *execution) start() error {
	if e.master.ending != "" {
		return errEnding
	}
	if err := e.acquire(); err != nil {
		return err
	}
	deploying := e.brokenRegions()
	e.attempt++
	if e.attempt > 1 || e.master.recovered() {
		if latest, ok := e.coordinator.Restore(); ok {
			e.master.logRestored(latest, e.attempt)
		}
	}
	for _, t := range deploying {
		t.attempt = e.master.attemptName(e.attempt)
		t.address = environment.Address{Process: e.slots[t.subtask.Index].Process, Task: task.Name(e.job.ID, t.subtask, t.attempt)}
		t.state = starting
		e.coordinator.Deployed(t.subtask, t.address)
	}
	for _, t := range deploying {
		if err := e.deploy(t); err != nil {
			t.state = absent
			return err
		}
	}
	if err := e.awaitRunning(); err != nil {
		return err
	}
	e.coordinator.Run()
	for _, t := range deploying {
		e.env.Send(t.address, protocol.Start{}) // all receivers of a source's records exist now
	}
	return nil
}

// awaitRunning waits until all deployed subtasks run.
func (e *execution) awaitRunning() error {
	deadline := e.env.Now() + deployTimeout
	for e.count(starting) > 0 {
		got, err := e.receive(deadline)
		if err != nil {
			return err
		}
		if !got {
			late := e.count(starting)
			e.mark(starting, absent)
			return fmt.Errorf("%d of %d subtasks do not run %s after they were deployed", late, len(e.tasks), deployTimeout)
		}
	}
	e.master.setStatus(storage.Running, "")
	return nil
}

// acquire waits until there is a slot for each subtask index.
func (e *execution) acquire() error {
	deadline := e.env.Now() + slotsTimeout
	if e.missing() > 0 {
		e.env.Send(e.master.jobManager, protocol.RequestSlots{Slots: len(e.slots)})
	}
	for e.missing() > 0 {
		got, err := e.receive(deadline)
		if err != nil {
			return err
		}
		if !got {
			return fmt.Errorf("wanted %d slots and did not get them within %s", len(e.slots), slotsTimeout)
		}
	}
	return nil
}

func (e *execution) missing() int {
	n := 0
	for _, slot := range e.slots {
		if slot == (environment.Address{}) {
			n++
		}
	}
	return n
}

// give assigns slots to the subtask indexes that have none.
func (e *execution) give(slots protocol.Slots) {
	for i := range e.slots {
		if e.slots[i] == (environment.Address{}) && len(slots.TaskManagers) > 0 {
			e.slots[i], slots.TaskManagers = slots.TaskManagers[0], slots.TaskManagers[1:]
		}
	}
}

// deploy starts a subtask with the state from which it is restored.
func (e *execution) deploy(t *deployed) error {
	vertex, _ := e.graph.Vertex(t.subtask.UID)
	message := protocol.Deploy{
		Term: e.master.term, Job: e.job, Groups: e.master.groups, Subtask: t.subtask, Attempt: t.attempt, Master: e.env.Self(),
	}
	for i, edge := range vertex.Inputs {
		for range e.channels(edge) {
			message.Inputs = append(message.Inputs, protocol.Input{Edge: i})
		}
	}
	for _, down := range e.graph {
		before := 0 // number of channels that the earlier inputs of down have
		for _, edge := range down.Inputs {
			if edge.From == vertex.UID {
				message.Outputs = append(message.Outputs, e.output(t, down, edge, before))
			}
			before += e.channels(edge)
		}
	}
	var err error
	if message.Restore, err = e.coordinator.Assign(t.subtask); err != nil {
		return err
	}
	e.env.Send(e.slots[t.subtask.Index], message)
	return nil
}

// channels returns the number of channels that an edge has at each downstream subtask.
func (e *execution) channels(edge dataflow.Edge) int {
	if edge.Partitioning == dataflow.Forward {
		return 1
	}
	return e.job.Parallelism
}

func (e *execution) output(t *deployed, down dataflow.Vertex, edge dataflow.Edge, before int) protocol.Output {
	o := protocol.Output{Partitioning: edge.Partitioning, Channel: before}
	if edge.Partitioning != dataflow.Forward {
		o.Channel += t.subtask.Index
	}
	for _, to := range e.tasks {
		if to.subtask.UID == down.UID && (edge.Partitioning != dataflow.Forward || to.subtask.Index == t.subtask.Index) {
			o.To = append(o.To, to.address)
		}
	}
	return o
}
