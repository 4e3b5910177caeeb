package reference

import (
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/task"
)

// TaskManager runs a TaskManager that offers slots to a JobManager: the one at the
// address or, with a highly available store, the one that leads. It never returns: when
// the JobManager falls silent it cancels what it runs, and offers its slots again.
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

type taskManagerProcess struct {
	env        environment.Environment
	jobManager environment.Address
	slots      int
	term       int64 // of the JobManager that was last listened to
	heard      time.Duration
	running    []environment.Address
	ran        []string // jobs of which something ran since slots were last offered
	offerAt    time.Duration
}

// taskGone is a task's last word to its own TaskManager.
type taskGone struct{ task environment.Address }

// offer cancels what runs, for its JobManager is gone, and looks for another. Slots are
// offered once nothing runs in them any more.
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

// cancelAll cancels what runs. While the tasks end, that is not said again.
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
	case protocol.Deploy: // may overtake the answer to the offer
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

// listen says whether a term is the latest that was heard of. With a later one, what
// runs is of a JobManager that leads no longer, and is canceled.
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
	t.offerAt = 0 // this one was not told to end
	if !slices.Contains(t.ran, deploy.Job.ID) {
		t.ran = append(t.ran, deploy.Job.ID)
	}
}
