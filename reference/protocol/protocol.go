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

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/metadata"
)

// A TaskManager and the JobManager.
type (
	// Register offers the slots of a TaskManager, and names the jobs of which something
	// ran there since it last did.
	Register struct {
		Slots int
		Ran   []string
	}
	// Registered accepts them; heartbeats follow. Of two JobManagers the one with the
	// later term is to be listened to.
	Registered struct{ Term int64 }
	// Heartbeat must be answered in kind.
	Heartbeat struct{ Term int64 }
	// Forgotten tells a TaskManager that was given up that its slots are to be offered
	// again.
	Forgotten struct{}
	// Deploy starts a subtask. One of an earlier term is ignored.
	Deploy struct {
		Term    int64
		Job     job.Job
		Groups  int // key groups of the job
		Subtask Subtask
		Attempt string // makes the subtask's task unlike that of any other attempt
		Master  environment.Address
		Inputs  []Input
		Outputs []Output
		Restore state.Restore
	}
	// Input is a channel from upstream.
	Input struct{ Edge int }
	// Output is an edge to downstream: one channel to each of the subtasks there.
	Output struct {
		Partitioning dataflow.Partitioning
		To           []environment.Address
		Channel      int // which of their input channels this subtask is
	}
)

// The JobManager and the master of a job.
type (
	// RequestSlots asks for so many slots in all. It takes the place of an earlier request,
	// and is answered with those that were missing once they are there.
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
		Kept   []string // locations of the checkpoints that outlive the job, once it has ended
	}
	// Deposed says that another JobManager leads. Who hears it stops, and takes back no
	// more than what nobody else knows of.
	Deposed struct{}
)

// The master of a job and its subtasks.
type (
	// TaskRunning says that a subtask is restored and ready for data.
	TaskRunning struct {
		Subtask Subtask
		Attempt string
	}
	// Start lets a source begin, once all subtasks run.
	Start struct{}
	// Trigger makes a subtask without running ones upstream take part in a checkpoint.
	Trigger struct{ Barrier Barrier }
	// Acknowledge says that a subtask's state is durable.
	Acknowledge struct {
		Subtask    Subtask
		Attempt    string
		Checkpoint int64
		State      metadata.Subtask
		EndOfInput bool // nothing comes out of the subtask any more
	}
	// Decline says that a subtask has no part in a checkpoint, and goes on. What it had
	// written is of no use to anybody.
	Decline struct {
		Subtask    Subtask
		Attempt    string
		Checkpoint int64
		Reason     string
		Written    metadata.Subtask
	}
	// Aborted says that a checkpoint was given up. Who has not answered for it does so
	// now, with a Decline.
	Aborted struct{ Checkpoint int64 }
	// Complete says that a checkpoint is published.
	Complete struct{ Checkpoint int64 }
	// EndOfInput says that nothing comes out of a subtask any more.
	EndOfInput struct {
		Subtask Subtask
		Attempt string
	}
	// Finish ends a subtask whose last state is in a complete checkpoint.
	Finish struct{}
	// Cancel ends a subtask.
	Cancel struct{}
	// TaskEnded is the last word of a subtask: Finished, Canceled or Failed.
	TaskEnded struct {
		Subtask Subtask
		Attempt string
		Status  storage.JobStatus
		Error   string
	}
)

// One subtask and another, and a subtask with its own snapshot.
type (
	// Data is an element on a channel. They are numbered from 1, so that a lost one is
	// noticed.
	Data struct {
		Channel int
		Number  uint64
		Element Element
	}
	// Element is a record or, if one of the other fields says so, that.
	Element struct {
		Record    dataflow.Record
		Barrier   *Barrier
		Watermark *int64
		End       bool // no records follow
	}
	// Credit allows that many more records on the sender's channel.
	Credit struct{ Records int }
	// Written says that a snapshot's asynchronous part is done.
	Written struct {
		Checkpoint int64
		State      metadata.Subtask
		Error      string
	}
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
	// TakeSavepoint asks for a savepoint below a directory, and is answered when it is
	// complete. The job may stop with it.
	TakeSavepoint struct {
		Job, Dir string
		Stop     Stop
	}
	// QueryCheckpoints asks for the statistics of a job's checkpoints.
	QueryCheckpoints struct{ Job string }
	// Answer is the JobManager's. Refused tells why not; then nothing was done.
	Answer struct {
		Refused    string
		Elsewhere  bool   // another JobManager leads, or will: ask that one
		Leader     string // its process; empty if nobody knows
		Status     storage.JobStatus
		Error      string // why the job failed
		Checkpoint int64
		Path       string // of a savepoint
		Statistics Statistics
	}
	// Forwarded is a client's request on its way to a job's master.
	Forwarded struct {
		Client  environment.Address
		Request environment.Message
	}
)

// IsRequest says whether a message is a client's and wants an answer.
func IsRequest(message environment.Message) bool {
	switch message.(type) {
	case Submit, Query, CancelJob, SuspendJob, TriggerCheckpoint, TakeSavepoint, QueryCheckpoints:
		return true
	}
	return false
}

// Statistics are what became of a job's checkpoints, since its master started.
type Statistics struct {
	Triggered, InProgress, Completed, Failed int
	Restored                                 int64          // id of the checkpoint that was last restored
	Reasons                                  map[string]int // of failures, and how often
	Latest                                   []CheckpointStatistics
}

// CheckpointStatistics are those of one checkpoint that was completed.
type CheckpointStatistics struct {
	ID       int64
	Path     string
	Took     time.Duration // from trigger to completion
	Bytes    int64         // of all state that it refers to
	Written  int64         // bytes of state written for it
	InFlight int64         // bytes of records that were on their way
}

// Subtask names one of the parallel instances of an operator.
type Subtask struct {
	UID   string
	Index int
}

func (s Subtask) String() string { return fmt.Sprintf("%s-%d", s.UID, s.Index) }

// IsRecord says whether an element is a record.
func (e Element) IsRecord() bool { return e.Barrier == nil && e.Watermark == nil && !e.End }

// Barrier separates the records before a checkpoint from those after it.
type Barrier struct {
	Checkpoint int64
	Newest     int64              // that was complete when this one was triggered
	Target     checkpoints.Target // for the state
	Kind       state.Kind
	Stop       Stop
	Unaligned  bool // it overtakes records
	// AlignmentTimeout is after how long it begins to; 0: never.
	AlignmentTimeout time.Duration
}

// Stop says whether a job ends with a checkpoint.
type Stop int

// The ways to stop.
const (
	GoOn    Stop = iota
	Suspend      // no records follow
	Drain        // as if the input ended here: event time comes to its end
)

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
	EventSwept               = "swept"                // task: the TaskManager that came back; error
	EventLeader              = "leader"               // status: elected, deposed
	EventListening           = "listening"            // path: host:port
)

// Messages returns one of each, for runtimes that must know the types.
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

// HeartbeatInterval and HeartbeatTimeout are how often a TaskManager is asked
// whether it lives, and how long it may stay silent.
const (
	HeartbeatInterval = 100 * time.Millisecond
	HeartbeatTimeout  = time.Second
)
