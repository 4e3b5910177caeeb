// Package protocol is what the processes of the reference engine say to each
// other. Every message is a value with exported fields only, so that it crosses a
// network as well as a simulated one.
//
// Start with the life of a checkpoint: [Trigger], [Barrier], [Acknowledge],
// [Complete].
package protocol

import (
	"fmt"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/metadata"
)

// A TaskManager and the JobManager.
type (
	// Register offers the slots of a TaskManager.
	Register struct{ Slots int }
	// Registered accepts them; heartbeats follow.
	Registered struct{}
	// Heartbeat must be answered in kind.
	Heartbeat struct{}
	// Deploy starts a subtask.
	Deploy struct {
		Job        job.Job
		Subtask    Subtask
		Attempt    int
		Master     environment.Address
		Inputs     int                   // channels from upstream
		Downstream []environment.Address // one channel to each
		Channel    int                   // which of its input channels this subtask is to those
		Restore    Restore               // if its subtask's state is to be restored
	}
	// Restore is the state of a subtask in the checkpoint that is restored.
	Restore struct {
		Restored bool
		Location string // directory of the checkpoint
		State    metadata.Subtask
	}
)

// The JobManager and the master of a job.
type (
	// RequestSlots asks for slots, and is answered once there are as many.
	RequestSlots struct{ Slots int }
	// Slots are TaskManagers, one for each slot given.
	Slots struct{ TaskManagers []environment.Address }
	// ReleaseSlots gives back all slots of a job.
	ReleaseSlots struct{}
	// TaskManagerLost says that slots of a job are gone.
	TaskManagerLost struct{ TaskManager environment.Address }
	// JobRefused says that there is no such job after all.
	JobRefused struct{ Job string }
	// JobEnded answers a terminal JobStatus: no request for the job follows.
	JobEnded struct{}
	// JobStatus is the master's view of its job.
	JobStatus struct {
		Job    string
		Status storage.JobStatus
		Error  string
	}
)

// The master of a job and its subtasks.
type (
	// TaskRunning says that a subtask is restored and ready for data.
	TaskRunning struct {
		Subtask Subtask
		Attempt int
	}
	// Start lets the sources begin, once all subtasks run.
	Start struct{}
	// Trigger makes a source take part in a checkpoint.
	Trigger struct{ Barrier Barrier }
	// Acknowledge says that a subtask's state is durable.
	Acknowledge struct {
		Subtask    Subtask
		Attempt    int
		Checkpoint int64
		State      metadata.Subtask
		EndOfInput bool // of a source; said again, should [EndOfInput] be lost
	}
	// Decline says that a subtask has no part in a checkpoint, and goes on.
	Decline struct {
		Subtask    Subtask
		Attempt    int
		Checkpoint int64
		Reason     string
		EndOfInput bool
	}
	// Aborted says that a checkpoint was given up.
	Aborted struct{ Checkpoint int64 }
	// Complete says that a checkpoint is published.
	Complete struct{ Checkpoint int64 }
	// EndOfInput says that a source has no more records.
	EndOfInput struct {
		Subtask Subtask
		Attempt int
	}
	// Cancel ends a subtask.
	Cancel struct{}
	// TaskEnded is the last word of a subtask: Finished, Canceled or Failed.
	TaskEnded struct {
		Subtask Subtask
		Attempt int
		Status  storage.JobStatus
		Error   string
	}
)

// One subtask and another.
type (
	// Data is a record on a channel or, if the barrier has a checkpoint, that
	// barrier. Elements of a channel are numbered from 1, so that a lost one is
	// noticed.
	Data struct {
		Channel int
		Number  uint64
		Record  job.Record
		Barrier Barrier
	}
	// Credit allows that many more records on the sender's channel.
	Credit struct{ Records int }
)

// A client and the JobManager. Each request is answered by one [Answer].
type (
	// Submit asks for a job to be run.
	Submit struct{ Job job.Job }
	// Query asks for the status of a job.
	Query struct{ Job string }
	// CancelJob asks for a job to be canceled.
	CancelJob struct{ Job string }
	// SuspendJob asks for a job to be given up, for another JobManager to take.
	SuspendJob struct{ Job string }
	// TriggerCheckpoint asks for a checkpoint now, and is answered at its end.
	TriggerCheckpoint struct{ Job string }
	// StopWithSavepoint asks for a savepoint below a directory, after which the job
	// finishes. It is answered when the savepoint is complete.
	StopWithSavepoint struct{ Job, Dir string }
	// Answer is the JobManager's. Refused tells why not; then nothing was done.
	Answer struct {
		Refused    string
		Status     storage.JobStatus
		Error      string // why the job failed
		Checkpoint int64
		Path       string // of a savepoint
	}
	// Forwarded is a client's request on its way to a job's master.
	Forwarded struct {
		Client  environment.Address
		Request environment.Message
	}
)

// Subtask names one of the parallel instances of an operator.
type Subtask struct {
	UID   string
	Index int
}

func (s Subtask) String() string { return fmt.Sprintf("%s-%d", s.UID, s.Index) }

// Barrier separates the records before a checkpoint from those after it.
type Barrier struct {
	Checkpoint int64
	Target     storage.Target // for the state
	Final      bool           // no records follow; who completed it is finished
}

// Events in the engine's log, for those who watch it.
const (
	EventTaskManager         = "taskmanager"          // status: registered, lost
	EventJob                 = "job"                  // status, error
	EventRestored            = "restored"             // checkpoint, path
	EventCheckpointTriggered = "checkpoint triggered" // checkpoint
	EventCheckpointCompleted = "checkpoint completed" // checkpoint, path
	EventCheckpointAborted   = "checkpoint aborted"   // checkpoint, error
	EventSavepointCompleted  = "savepoint completed"  // checkpoint, path
	EventDiscarded           = "discarded"            // checkpoint, path, error
	EventListening           = "listening"            // path: host:port
)

// Messages returns one of each, for runtimes that must know the types.
func Messages() []environment.Message {
	return []environment.Message{
		Register{},
		Registered{},
		Heartbeat{},
		Deploy{},
		RequestSlots{},
		Slots{},
		ReleaseSlots{},
		TaskManagerLost{},
		JobStatus{},
		JobRefused{},
		JobEnded{},
		TaskRunning{},
		Start{},
		Trigger{},
		Acknowledge{},
		Decline{},
		Aborted{},
		Complete{},
		EndOfInput{},
		Cancel{},
		TaskEnded{},
		Data{},
		Credit{},
		Submit{},
		Query{},
		CancelJob{},
		SuspendJob{},
		StopWithSavepoint{},
		TriggerCheckpoint{},
		Answer{},
		Forwarded{},
	}
}

// HeartbeatInterval and HeartbeatTimeout are how often a TaskManager is asked
// whether it lives, and how long it may stay silent.
const (
	HeartbeatInterval = 100 * time.Millisecond
	HeartbeatTimeout  = time.Second
)
