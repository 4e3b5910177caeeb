package reference

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/coordinator"
	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/task"
	"github.com/snapback/snapback/storage"
)

// execution is all subtasks of a job, where they run, and what becomes of them when
// some fail: those of a region restart together, from the latest checkpoint.
type execution struct {
	*master
	graph   dataflow.Graph
	regions int
	slots   []environment.Address // TaskManagers by index; empty where there is none
	tasks   []*deployed           // vertex by vertex
	attempt int
}

// deployed is a subtask, where it was deployed last.
type deployed struct {
	subtask protocol.Subtask
	address environment.Address
	attempt string
	state   taskState
}

type taskState int

const (
	absent   taskState = iota // not deployed, or gone for good or ill
	starting                  // deployed, and not heard of since
	running
	finished // its last state is in a complete checkpoint
)

// execute runs the job until it ends for good. An error means that this JobManager
// leads no longer.
func (m *master) execute() (ended storage.JobStatus, cause string, err error) {
	graph, err := m.job.Workload.Graph()
	if err != nil {
		return storage.Failed, err.Error(), nil
	}
	e := &execution{master: m, graph: graph, regions: graph.Regions(m.job.Parallelism), slots: make([]environment.Address, m.job.Parallelism)}
	for _, vertex := range graph {
		for i := range m.job.Parallelism {
			e.tasks = append(e.tasks, &deployed{subtask: protocol.Subtask{UID: vertex.UID, Index: i}})
		}
	}
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
		case m.ending != "":
			if m.ending == storage.Canceled {
				m.setStatus(storage.Cancelling, "")
			}
			e.giveUp(failure)
			return m.ending, "", nil
		}
		if ended, cause, failed := e.failed(failure); failed {
			return ended, cause, nil
		}
	}
}

// failed handles a failure: what is to be restarted is stopped, and waited for as long
// as the restart strategy says. The job has failed if it is not to be restarted.
func (e *execution) failed(failure error) (ended storage.JobStatus, cause string, failed bool) {
	cause = failure.Error()
	e.setStatus(storage.Failing, "")
	wait, restart := e.restarts.Failed(e.env.Now())
	if path, stopped := e.coordinator.Stopped(); stopped {
		// FLINK-26783: restarted from an older checkpoint, it would put out again what was
		// committed with the savepoint.
		restart, cause = false, fmt.Sprintf("%s, while it stopped with savepoint %s, which is complete", cause, path)
	}
	if !restart {
		e.giveUp(failure)
		return storage.Failed, cause, true
	}
	// Given up first: an acknowledgement that comes while subtasks are being stopped must
	// not complete a checkpoint of theirs.
	e.coordinator.Failover("attempt ended: " + cause)
	restarted := e.unfinishedRegions()
	var intolerable *coordinator.IntolerableError
	if errors.As(failure, &intolerable) {
		restarted = e.tasks
	}
	e.stop(restarted)
	e.setStatus(storage.Restarting, cause)
	deadline := e.env.Now() + wait
	for e.env.Now() < deadline && e.ending == "" && !e.deposed {
		_, _ = e.receive(deadline) // whatever it is, the next start says so
	}
	return "", "", false
}

// giveUp stops everything: the job will not run again.
func (e *execution) giveUp(failure error) {
	e.coordinator.Failover("the job ends: " + failure.Error())
	e.stop(e.tasks)
}

// region says which region a subtask belongs to.
func (e *execution) region(t *deployed) int { return t.subtask.Index % e.regions }

// unfinishedRegions returns the subtasks that are to be restarted: all of each region
// of which one is gone.
func (e *execution) unfinishedRegions() []*deployed {
	broken := map[int]bool{}
	for _, t := range e.tasks {
		if t.state == absent {
			broken[e.region(t)] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(e.tasks), func(t *deployed) bool { return !broken[e.region(t)] })
}

// start deploys what does not run, and waits until all of it does.
func (e *execution) start() error {
	if e.ending != "" {
		return errEnding
	}
	if err := e.acquire(); err != nil {
		return err
	}
	deploying := e.unfinishedRegions()
	e.attempt++
	if latest, ok := e.coordinator.Latest(); ok && (e.attempt > 1 || e.recovered()) {
		e.logRestored(latest)
		e.coordinator.Restored(latest.Checkpoint.ID)
	}
	for _, t := range deploying {
		t.attempt = fmt.Sprintf("%d.%d", e.term, e.attempt)
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
	e.setStatus(storage.Running, "")
	e.coordinator.Run()
	for _, t := range deploying {
		e.env.Send(t.address, protocol.Start{}) // what sources send finds a receiver now
	}
	return nil
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

// acquire waits until there is a slot for each index.
func (e *execution) acquire() error {
	deadline := e.env.Now() + slotsTimeout
	if e.missing() > 0 {
		e.env.Send(e.jobManager, protocol.RequestSlots{Slots: len(e.slots)})
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

// give fills the slots that are missing.
func (e *execution) give(slots protocol.Slots) {
	for i := range e.slots {
		if e.slots[i] == (environment.Address{}) && len(slots.TaskManagers) > 0 {
			e.slots[i], slots.TaskManagers = slots.TaskManagers[0], slots.TaskManagers[1:]
		}
	}
}

// deploy starts a subtask, with what it is restored from.
func (e *execution) deploy(t *deployed) error {
	vertex, _ := e.graph.Vertex(t.subtask.UID)
	message := protocol.Deploy{
		Term: e.term, Job: e.job, Groups: e.groups, Subtask: t.subtask, Attempt: t.attempt, Master: e.env.Self(),
	}
	for i, edge := range vertex.Inputs {
		for range e.channels(edge) {
			message.Inputs = append(message.Inputs, protocol.Input{Edge: i})
		}
	}
	for _, down := range e.graph {
		before := 0 // channels of earlier inputs
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

// channels is how many channels an edge has at each subtask downstream.
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

// supervise sees the job through until all subtasks are finished, or something fails.
func (e *execution) supervise() error {
	for e.count(finished) < len(e.tasks) {
		wait, err := e.coordinator.Act()
		if err != nil {
			return e.broken(err)
		}
		deadline := environment.Forever
		if wait < environment.Forever {
			deadline = e.env.Now() + wait
		}
		if _, err := e.receive(deadline); err != nil {
			return err
		}
	}
	return nil
}

// broken tells what fails the whole job from what ends this JobManager's lead.
func (e *execution) broken(err error) error {
	var intolerable *coordinator.IntolerableError
	if errors.As(err, &intolerable) {
		return err
	}
	e.depose()
	return fmt.Errorf("%w: %w", errDeposed, err)
}

// depose stops the whole JobManager: it may lead no longer.
func (m *master) depose() {
	m.deposed = true
	m.env.Send(m.jobManager, protocol.Deposed{})
}

// receive handles the next message, if one comes before the deadline.
func (e *execution) receive(deadline time.Duration) (got bool, err error) {
	wait := environment.Forever
	if deadline < environment.Forever {
		wait = max(0, deadline-e.env.Now())
	}
	envelope, ok := e.env.Receive(wait)
	if !ok {
		return false, nil
	}
	return true, e.handle(envelope.Message)
}

func (e *execution) handle(message environment.Message) error {
	switch message := message.(type) {
	case protocol.TaskRunning:
		if t := e.current(message.Subtask, message.Attempt); t != nil && t.state == starting {
			t.state = running
		}
	case protocol.Acknowledge:
		if e.current(message.Subtask, message.Attempt) != nil {
			return e.coordinated(e.coordinator.Acknowledge(message))
		}
	case protocol.Decline:
		if e.current(message.Subtask, message.Attempt) != nil {
			return e.coordinated(e.coordinator.Decline(message))
		}
	case protocol.EndOfInput:
		if e.current(message.Subtask, message.Attempt) != nil {
			e.coordinator.Ended(message.Subtask)
		}
	case protocol.TaskEnded:
		return e.taskEnded(message)
	case protocol.Slots:
		e.give(message)
	case protocol.TaskManagerLost:
		return e.taskManagerLost(message.TaskManager)
	case protocol.Forwarded:
		e.request(message)
		if e.ending != "" {
			return errEnding
		}
	case protocol.Deposed:
		e.deposed = true
	}
	if e.deposed {
		return errDeposed
	}
	return nil
}

func (e *execution) coordinated(err error) error {
	if err == nil {
		return nil
	}
	return e.broken(err)
}

// current returns the subtask, if what is said of it is of its latest attempt.
func (e *execution) current(subtask protocol.Subtask, attempt string) *deployed {
	for _, t := range e.tasks {
		if t.subtask == subtask && t.attempt == attempt {
			return t
		}
	}
	return nil
}

func (e *execution) taskEnded(message protocol.TaskEnded) error {
	t := e.current(message.Subtask, message.Attempt)
	if t == nil || t.state == absent {
		return nil
	}
	e.gone(t)
	if message.Status == storage.Finished {
		t.state = finished
		return nil
	}
	return fmt.Errorf("%s: %s", message.Subtask, message.Error)
}

// gone notes that a subtask runs no more.
func (e *execution) gone(t *deployed) {
	t.state = absent
	e.coordinator.Gone(t.subtask)
}

// taskManagerLost gives up what ran there.
func (e *execution) taskManagerLost(lost environment.Address) (err error) {
	for i, slot := range e.slots {
		if slot == lost {
			e.slots[i] = environment.Address{}
		}
	}
	for _, t := range e.tasks {
		if t.address.Process == lost.Process && (t.state == starting || t.state == running) {
			e.gone(t)
			err = fmt.Errorf("TaskManager %s is lost", lost.Process)
		}
	}
	if err == nil && e.missing() > 0 && e.count(finished) < len(e.tasks) {
		e.env.Send(e.jobManager, protocol.RequestSlots{Slots: len(e.slots)}) // should we be waiting for it
	}
	return err
}

// stop cancels subtasks and waits for their end, so that nobody writes into a
// checkpoint that is being deleted. Who does not answer is left behind: it belongs to
// an attempt that nobody listens to any more.
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
