package coordinator

import "fmt"

// Reason is why a checkpoint failed. The names are Flink's.
type Reason string

// The reasons. The first four count towards the failures that a job tolerates.
const (
	IOException     Reason = "IO_EXCEPTION"               // it could not be begun
	AsyncException  Reason = "CHECKPOINT_ASYNC_EXCEPTION" // a subtask could not write its state
	Expired         Reason = "CHECKPOINT_EXPIRED"
	FinalizeFailure Reason = "FINALIZE_CHECKPOINT_FAILURE"
	Subsumed        Reason = "CHECKPOINT_SUBSUMED" // a later one was complete first
	Failover        Reason = "JOB_FAILOVER_REGION"
	ShutDown        Reason = "CHECKPOINT_COORDINATOR_SHUTDOWN"
)

// Bounds of what a coordinator holds: requests that wait, and checkpoints of which it
// keeps statistics.
const (
	requestsMax   = 1000
	statisticsMax = 10
)

// Counted says whether a failure for this reason counts.
func (r Reason) Counted() bool {
	switch r {
	case IOException, AsyncException, Expired, FinalizeFailure:
		return true
	}
	return false
}

// IntolerableError says that more checkpoints failed in a row than the job tolerates.
type IntolerableError struct {
	Failures, Tolerable int
	Last                string // why the last one did
}

func (e *IntolerableError) Error() string {
	return fmt.Sprintf("%d checkpoints in a row failed, and %d are tolerable (execution.checkpointing.tolerable-failed-checkpoints); the last: %s",
		e.Failures, e.Tolerable, e.Last)
}
