package reference

import (
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/coordinator"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/task"
	"github.com/snapback/snapback/storage"
)

// attempt is one deployment of all subtasks of a job, until the first of them
// fails or all are finished.
type attempt struct {
	*master
	number int
	tasks  []deployed

	deadline   time.Duration // for all subtasks to run or, after the last checkpoint, to finish
	running    int
	endOfInput map[protocol.Subtask]bool // sources without more records
	final      bool                      // the last checkpoint was begun
	retryAt    time.Duration             // not before that after one that was declined
	ended      int
	finished   int
}

type deployed struct {
	coordinator.Task
	taskManager environment.Address
	ended       bool
}

// attempt deploys the job, sees it through, and leaves nothing of it running.
func (m *master) attempt(number int) (ended storage.JobStatus, cause string) {
	slots, err := m.acquire()
	if err != nil {
		m.env.Send(m.jobManager, protocol.ReleaseSlots{})
		return failure(err)
	}
	a := &attempt{master: m, number: number, deadline: m.env.Now() + deployTimeout, endOfInput: map[protocol.Subtask]bool{}}
	if number > 1 {
		if latest, ok := m.coordinator.Latest(); ok {
			m.logRestored(latest)
		}
	}
	if err = a.deploy(slots); err == nil {
		err = a.supervise()
	}
	ended, cause = failure(err)
	// Given up first: an acknowledgement that comes while the subtasks are being
	// stopped must not complete it.
	m.coordinator.Abort(fmt.Sprintf("attempt %d ended: %s", number, cause))
	if a.finished < len(a.tasks) {
		a.stop(ended)
	}
	m.coordinator.Abandon()
	m.refuseRequests(fmt.Sprintf("the checkpoint was aborted: %s", cause))
	m.env.Send(m.jobManager, protocol.ReleaseSlots{})
	return ended, cause
}

func failure(err error) (storage.JobStatus, string) {
	if err != nil {
		return storage.Failed, err.Error()
	}
	return storage.Finished, ""
}

// deploy starts every subtask, with its state in the latest checkpoint.
func (a *attempt) deploy(slots []environment.Address) error {
	var coordinated []coordinator.Task
	vertices := job.Vertices()
	for _, vertex := range vertices {
		for i, taskManager := range slots {
			subtask := protocol.Subtask{UID: vertex.UID, Index: i}
			t := coordinator.Task{Subtask: subtask, Address: a.address(subtask, taskManager)}
			coordinated = append(coordinated, t)
			a.tasks = append(a.tasks, deployed{Task: t, taskManager: taskManager})
		}
	}
	a.coordinator.Begin(coordinated)
	for v, vertex := range vertices {
		for i, taskManager := range slots {
			deploy := protocol.Deploy{
				Job: a.job, Subtask: protocol.Subtask{UID: vertex.UID, Index: i}, Attempt: a.number, Master: a.env.Self(),
			}
			if v > 0 {
				deploy.Inputs = a.inputs(vertices[v-1].Output)
			}
			if vertex.Output != job.Nowhere {
				deploy.Channel, deploy.Downstream = a.downstream(vertex.Output, vertices[v+1].UID, i, slots)
			}
			if err := a.restore(&deploy); err != nil {
				return err
			}
			a.env.Send(taskManager, deploy)
		}
	}
	return nil
}

func (a *attempt) address(subtask protocol.Subtask, taskManager environment.Address) environment.Address {
	return environment.Address{Process: taskManager.Process, Task: task.Name(a.job.ID, subtask, a.number)}
}

func (a *attempt) inputs(partitioning job.Partitioning) int {
	if partitioning == job.Forward {
		return 1
	}
	return a.job.Parallelism
}

// downstream returns where the subtask with index i sends to, and which of their
// input channels it is.
func (a *attempt) downstream(partitioning job.Partitioning, uid string, i int, slots []environment.Address) (int, []environment.Address) {
	if partitioning == job.Forward {
		return 0, []environment.Address{a.address(protocol.Subtask{UID: uid, Index: i}, slots[i])}
	}
	var all []environment.Address
	for index, taskManager := range slots {
		all = append(all, a.address(protocol.Subtask{UID: uid, Index: index}, taskManager))
	}
	return i, all
}

func (a *attempt) restore(deploy *protocol.Deploy) error {
	latest, ok := a.coordinator.Latest()
	if !ok {
		return nil
	}
	operator, err := latest.Checkpoint.Operator(deploy.Subtask.UID)
	if err != nil {
		return err
	}
	deploy.Restore = protocol.Restore{Restored: true, Location: latest.Location, State: operator.Subtask(deploy.Subtask.Index)}
	return nil
}

// supervise handles what comes until all subtasks are finished, or the attempt
// cannot go on.
func (a *attempt) supervise() error {
	for a.finished < len(a.tasks) {
		a.trigger()
		wait, err := a.wait()
		if err != nil {
			return err
		}
		envelope, ok := a.env.Receive(wait)
		if !ok {
			continue
		}
		if err := a.handle(envelope.Message); err != nil {
			return err
		}
		if a.ending != "" {
			return errEnding
		}
	}
	return nil
}

// wait says how long nothing needs to be done, or what took too long.
func (a *attempt) wait() (time.Duration, error) {
	now := a.env.Now()
	if a.running < len(a.tasks) {
		if now >= a.deadline {
			return 0, fmt.Errorf("%d of %d subtasks run after %s", a.running, len(a.tasks), deployTimeout)
		}
		return a.deadline - now, nil
	}
	if id, deadline, pending := a.coordinator.Pending(); pending {
		if now >= deadline {
			return 0, fmt.Errorf("checkpoint %d expired after %s", id, a.job.Timeout)
		}
		return deadline - now, nil
	}
	if !a.canCheckpoint() { // the last checkpoint is complete
		if now >= a.deadline {
			return 0, fmt.Errorf("%d of %d subtasks are finished %s after the last checkpoint", a.finished, len(a.tasks), finishTimeout)
		}
		return a.deadline - now, nil
	}
	return max(0, a.due()-now), nil
}

// due is when the next checkpoint is to begin: at once if there is a reason, but a
// while after one that was declined.
func (a *attempt) due() time.Duration {
	if a.allInputEnded() || len(a.requests) > 0 {
		return a.retryAt
	}
	return a.nextTrigger
}

func (a *attempt) allInputEnded() bool { return len(a.endOfInput) == a.job.Parallelism }

// trigger begins a checkpoint if it is time for one: the final one at the end of
// all input, one that was asked for, or a periodic one.
func (a *attempt) trigger() {
	if _, _, pending := a.coordinator.Pending(); pending || !a.canCheckpoint() || a.env.Now() < a.due() {
		return
	}
	a.nextTrigger = a.env.Now() + a.job.Interval
	// A savepoint is a checkpoint of its own; all who want a plain one share it.
	stop := slices.IndexFunc(a.requests, func(r request) bool { return r.savepointDir != "" })
	if stop >= 0 {
		a.served = []request{a.requests[stop]}
		a.requests = slices.Delete(a.requests, stop, stop+1)
		a.final = true
		a.begin(coordinator.Request{Final: true, SavepointDir: a.served[0].savepointDir})
		return
	}
	a.served, a.requests = a.requests, nil
	a.final = a.allInputEnded()
	a.begin(coordinator.Request{Final: a.final})
}

// begin begins a checkpoint, or tells those who asked for it why not. The job goes on.
func (a *attempt) begin(request coordinator.Request) {
	if _, err := a.coordinator.Trigger(request); err != nil {
		a.declined(err.Error())
	}
}

// declined tells those who asked for the checkpoint that there is none; the next one is
// not tried at once.
func (a *attempt) declined(why string) {
	a.refuse(a.served, "the checkpoint was declined: "+why)
	a.served, a.final, a.retryAt = nil, false, a.env.Now()+a.job.Interval
}

// canCheckpoint says whether all subtasks run, and there is not yet a last
// checkpoint.
func (a *attempt) canCheckpoint() bool {
	return a.running == len(a.tasks) && a.ended == 0 && !a.final
}

func (a *attempt) handle(message environment.Message) error {
	switch message := message.(type) {
	case protocol.TaskRunning:
		if message.Attempt == a.number {
			a.running++
			a.startWhenAllRun()
		}
	case protocol.Acknowledge:
		if message.Attempt == a.number {
			return a.acknowledge(message)
		}
	case protocol.Decline:
		if message.Attempt == a.number {
			return a.decline(message)
		}
	case protocol.EndOfInput:
		if message.Attempt == a.number {
			a.endOfInput[message.Subtask] = true
		}
	case protocol.TaskEnded:
		return a.taskEnded(message)
	case protocol.TaskManagerLost:
		return a.taskManagerLost(message)
	case protocol.Forwarded:
		a.request(message, a.canCheckpoint())
	}
	return nil
}

// startWhenAllRun lets the sources begin: what they send finds a receiver now.
func (a *attempt) startWhenAllRun() {
	if a.running < len(a.tasks) {
		return
	}
	a.setStatus(storage.Running, "")
	a.nextTrigger = a.env.Now() + a.job.Interval
	for _, t := range a.tasks {
		a.env.Send(t.Address, protocol.Start{})
	}
}

func (a *attempt) acknowledge(ack protocol.Acknowledge) error {
	if ack.EndOfInput {
		a.endOfInput[ack.Subtask] = true
	}
	outcome, err := a.coordinator.Acknowledge(ack)
	if err != nil {
		return err
	}
	a.checkpointEnded(ack.Checkpoint, outcome)
	return nil
}

func (a *attempt) decline(decline protocol.Decline) error {
	if decline.EndOfInput {
		a.endOfInput[decline.Subtask] = true
	}
	outcome, err := a.coordinator.Decline(decline)
	if err != nil {
		return err
	}
	a.checkpointEnded(decline.Checkpoint, outcome)
	return nil
}

// checkpointEnded tells those who asked for the checkpoint, if it has come to its end.
func (a *attempt) checkpointEnded(checkpoint int64, outcome coordinator.Outcome) {
	switch {
	case !outcome.Ended:
		return
	case outcome.Declined != "":
		a.declined(outcome.Declined)
		return
	}
	for _, r := range a.served {
		a.env.Send(r.client, protocol.Answer{Checkpoint: checkpoint, Path: outcome.Path})
	}
	a.served = nil
	if a.final {
		a.savepoint = outcome.Path
		a.deadline = a.env.Now() + finishTimeout
	}
}

func (a *attempt) taskEnded(message protocol.TaskEnded) error {
	if message.Attempt != a.number {
		return nil
	}
	for i := range a.tasks {
		if a.tasks[i].Subtask == message.Subtask && !a.tasks[i].ended {
			a.tasks[i].ended = true
			a.ended++
		}
	}
	if message.Status == storage.Finished {
		a.finished++
		return nil
	}
	return fmt.Errorf("%s: %s", message.Subtask, message.Error)
}

// taskManagerLost gives up the subtasks that ran there.
func (a *attempt) taskManagerLost(message protocol.TaskManagerLost) error {
	var lost error
	for i := range a.tasks {
		if a.tasks[i].taskManager == message.TaskManager && !a.tasks[i].ended {
			a.tasks[i].ended = true
			a.ended++
			lost = fmt.Errorf("TaskManager %s is lost", message.TaskManager.Process)
		}
	}
	return lost
}

// stop cancels what still runs and waits for its end, so that nobody writes into
// a checkpoint that is being deleted. Who does not answer is left behind: it
// belongs to an attempt that nobody listens to any more.
func (a *attempt) stop(ended storage.JobStatus) {
	switch {
	case a.ending == storage.Canceled:
		a.setStatus(storage.Cancelling, "")
	case ended == storage.Failed && a.ending == "":
		a.setStatus(storage.Failing, "")
	}
	for _, t := range a.tasks {
		if !t.ended {
			a.env.Send(t.Address, protocol.Cancel{})
		}
	}
	deadline := a.env.Now() + cancelTimeout
	for a.ended < len(a.tasks) {
		envelope, ok := a.env.Receive(deadline - a.env.Now())
		if !ok {
			return
		}
		_ = a.handle(envelope.Message) // the attempt has failed already
	}
}
