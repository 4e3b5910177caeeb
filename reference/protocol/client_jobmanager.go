package protocol

import (
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/storage"
)

// Requests of a client to the JobManager. The JobManager, or the master of the job, answers each
// request with one [Answer].
type (
	// Submit asks to run a job.
	Submit struct{ Job job.Job }

	// Query asks for the status of a job.
	Query struct{ Job string }

	// CancelJob asks to cancel a job.
	CancelJob struct{ Job string }

	// SuspendJob asks to stop a job in such a way that another JobManager can recover it.
	SuspendJob struct{ Job string }

	// TriggerCheckpoint asks for a checkpoint now. The answer arrives when the checkpoint is
	// complete or aborted.
	TriggerCheckpoint struct{ Job string }

	// TakeSavepoint asks for a savepoint below a directory. The answer arrives when the savepoint
	// is complete or aborted. The job may stop with the savepoint.
	TakeSavepoint struct {
		Job, Dir string
		Stop     Stop
	}

	// QueryCheckpoints asks for the statistics of a job's checkpoints.
	QueryCheckpoints struct{ Job string }
)

// IsRequest says whether a message is a client's request.
func IsRequest(message environment.Message) bool {
	switch message.(type) {
	case Submit, Query, CancelJob, SuspendJob, TriggerCheckpoint, TakeSavepoint, QueryCheckpoints:
		return true
	}
	return false
}

// Answer answers a client's request. If Refused is not empty, the request was refused and nothing
// was done. Refused says why.
type Answer struct {
	Refused    string
	Elsewhere  bool   // this JobManager does not lead: the client must ask another one
	Leader     string // process of the leader; empty if unknown
	Status     storage.JobStatus
	Error      string // why the job failed
	Checkpoint int64
	Path       string // the path of the savepoint
	Statistics Statistics
}

// Stop says whether a job stops with a savepoint.
type Stop int

// The ways to stop.
const (
	GoOn    Stop = iota // the job does not stop
	Suspend             // Flink's stop with savepoint, without drain: the sources emit no more records after the savepoint
	Drain               // Flink's stop with savepoint, with drain: the sources end their input, so event time advances to its largest value
)

// Statistics are the figures of a job's checkpoints since its master started.
type Statistics struct {
	Triggered, InProgress, Completed, Failed int
	Restored                                 int64          // id of the checkpoint that was restored last
	Reasons                                  map[string]int // number of failures for each reason
	Latest                                   []CheckpointStatistics
}

// CheckpointStatistics are the figures of one complete checkpoint.
type CheckpointStatistics struct {
	ID       int64
	Path     string
	Took     time.Duration // the time from the trigger to the completion
	Bytes    int64         // bytes of all state to which the checkpoint refers
	Written  int64         // bytes of state that were written for the checkpoint
	InFlight int64         // bytes of the records that were in flight
}
