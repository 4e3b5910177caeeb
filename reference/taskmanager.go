package reference

import (
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/task"
)

// TaskManager runs a TaskManager that offers slots to a JobManager. It never
// returns: when the JobManager falls silent it cancels what it runs, and offers
// its slots again.
func TaskManager(env environment.Environment, jobManager environment.Address, slots int) {
	var started []environment.Address
	heard := env.Now() - 2*protocol.HeartbeatTimeout // never
	for {
		if env.Now()-heard > protocol.HeartbeatTimeout {
			for _, running := range started {
				env.Send(running, protocol.Cancel{})
			}
			started = nil
			env.Send(jobManager, protocol.Register{Slots: slots})
		}
		envelope, ok := env.Receive(protocol.HeartbeatInterval)
		if !ok {
			continue
		}
		heard = env.Now()
		switch message := envelope.Message.(type) {
		case protocol.Heartbeat:
			env.Send(envelope.From, protocol.Heartbeat{})
		case protocol.Deploy: // may overtake the answer to the offer
			name := task.Name(message.Job.ID, message.Subtask, message.Attempt)
			started = append(started, env.Spawn(name, func(env environment.Environment) { task.Run(env, message) }))
		}
	}
}
