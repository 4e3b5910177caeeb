// Package protocol defines the messages between the processes of the reference engine. Every
// message is a value with exported fields only, so that it can cross a real network as well as a
// simulated one.
//
// Each file holds the messages between two parties, in both directions:
//
//	client_jobmanager.go       a client asks for jobs, checkpoints and savepoints
//	jobmanager_taskmanager.go  a TaskManager offers slots, heartbeats
//	jobmanager_master.go       the master of a job asks for slots and reports its status
//	master_taskmanager.go      the master deploys subtasks
//	master_subtask.go          a checkpoint: Trigger, Acknowledge, Complete
//	subtask_subtask.go         records, barriers and credit
//
// Start with master_subtask.go.
package protocol

import (
	"fmt"

	"github.com/snapback/snapback/reference/environment"
)

// Subtask names one of the parallel instances of an operator.
type Subtask struct {
	UID   string
	Index int
}

func (s Subtask) String() string { return fmt.Sprintf("%s-%d", s.UID, s.Index) }

// Messages returns one message of each type, for runtimes that must know the types.
func Messages() []environment.Message {
	return []environment.Message{
		Register{},
		Registered{},
		Heartbeat{},
		Forgotten{},
		Deploy{},
		RequestSlots{},
		Slots{},
		ReleaseSlots{},
		TaskManagerLost{},
		JobRefused{},
		JobEnded{},
		JobStatus{},
		Deposed{},
		TaskRunning{},
		Start{},
		Trigger{},
		Acknowledge{},
		Decline{},
		Aborted{},
		Complete{},
		EndOfInput{},
		Finish{},
		Cancel{},
		TaskEnded{},
		Data{},
		Credit{},
		Written{},
		Submit{},
		Query{},
		CancelJob{},
		SuspendJob{},
		TriggerCheckpoint{},
		TakeSavepoint{},
		QueryCheckpoints{},
		Answer{},
		Forwarded{},
	}
}
