package reference

import (
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/task"
)

// TaskManager runs a TaskManager. It never returns. It offers its slots to the JobManager with the
// given address. If there is a highly available store, it offers them to the leader instead. If the
// TaskManager does not hear from the JobManager for too long, it cancels its tasks and offers its
// slots again.
func TaskManager(env environment.Environment, jobManager environment.Address, slots int) {
	t := &taskManagerProcess{env: env, jobManager: jobManager, slots: slots, heard: env.Now() - 2*protocol.HeartbeatTimeout}
	for {
		if env.Now()-t.heard > protocol.HeartbeatTimeout {
			t.offer()
		}
		if envelope, ok := env.Receive(protocol.HeartbeatInterval); ok {
			t.handle(envelope)
		}
	}
}

// taskManagerProcess is the state of a TaskManager.
type taskManagerProcess struct {
	env        environment.Environment
	jobManager environment.Address
	slots      int
	term       int64                 // the latest term that a message contained
	heard      time.Duration         // the time at which a message of the JobManager arrived last
	running    []environment.Address // the tasks that run
	ran        []string              // the ids of the jobs whose tasks ran here since the slots were offered last
	offerAt    time.Duration         // after a cancellation: the time from which slots are offered even if tasks still run
}

// taskGone is the last message of a task to its TaskManager.
type taskGone struct{ task environment.Address }

// offer cancels all tasks, since their JobManager is gone, and registers with a JobManager as soon
// as the slots are free.
func (t *taskManagerProcess) offer() {
	t.cancelAll()
	if len(t.running) > 0 && t.env.Now() < t.offerAt {
		return
	}
	if store := t.env.Store(); store != nil {
		leader, err := store.Leader()
		if err != nil || leader == "" {
			return
		}
		t.jobManager = environment.Address{Process: leader, Task: JobManagerTask}
	}
	t.env.Watch(t.jobManager.Process)
	t.env.Send(t.jobManager, protocol.Register{Slots: t.slots, Ran: t.ran})
}

// cancelAll cancels all tasks. After a cancellation it does nothing until cancelTimeout has
// passed, so that the canceled tasks have time to end. Then it cancels the tasks that still run
// once more.
func (t *taskManagerProcess) cancelAll() {
	if t.env.Now() < t.offerAt {
		return
	}
	for _, running := range t.running {
		t.env.Send(running, protocol.Cancel{})
	}
	if len(t.running) > 0 {
		t.offerAt = t.env.Now() + cancelTimeout
	}
}

func (t *taskManagerProcess) handle(envelope environment.Envelope) {
	switch message := envelope.Message.(type) {
	case protocol.Registered:
		if t.listen(message.Term) {
			t.ran = nil
		}
	case taskGone:
		t.running = slices.DeleteFunc(t.running, func(r environment.Address) bool { return r == message.task })
	case protocol.Heartbeat:
		if t.listen(message.Term) {
			t.env.Send(envelope.From, protocol.Heartbeat{Term: message.Term})
		}
	case protocol.Deploy: // this message may arrive before Registered
		if t.listen(message.Term) {
			t.deploy(message)
		}
	case protocol.Forgotten:
		t.heard = t.env.Now() - 2*protocol.HeartbeatTimeout
	case environment.Unreachable:
		if message.Process == t.jobManager.Process {
			t.heard = t.env.Now() - 2*protocol.HeartbeatTimeout
		}
	}
}

// listen says whether the TaskManager obeys a message with this term. It obeys if no earlier
// message had a later term. A later term means that another JobManager leads now, so listen cancels
// the tasks of the earlier JobManager.
func (t *taskManagerProcess) listen(term int64) bool {
	if term < t.term {
		return false
	}
	if term > t.term {
		t.cancelAll()
	}
	t.term, t.heard = term, t.env.Now()
	return true
}

func (t *taskManagerProcess) deploy(deploy protocol.Deploy) {
	name, self := task.Name(deploy.Job.ID, deploy.Subtask, deploy.Attempt), t.env.Self()
	address := t.env.Spawn(name, func(env environment.Environment) {
		task.Run(env, deploy)
		env.Send(self, taskGone{env.Self()})
	})
	t.running = append(t.running, address)
	t.offerAt = 0 // the new task was not canceled
	if !slices.Contains(t.ran, deploy.Job.ID) {
		t.ran = append(t.ran, deploy.Job.ID)
	}
}
