package coordinator

import "fmt"

// Reason says why a checkpoint was aborted. The names are Flink's.
type Reason string

// The reasons. The first four count as failures, of which a job tolerates only some.
const (
	IOException     Reason = "IO_EXCEPTION"               // its directory could not be created
	AsyncException  Reason = "CHECKPOINT_ASYNC_EXCEPTION" // a subtask could not write its state
	Expired         Reason = "CHECKPOINT_EXPIRED"
	FinalizeFailure Reason = "FINALIZE_CHECKPOINT_FAILURE"
	Subsumed        Reason = "CHECKPOINT_SUBSUMED" // a later checkpoint was complete first
	Failover        Reason = "JOB_FAILOVER_REGION"
	ShutDown        Reason = "CHECKPOINT_COORDINATOR_SHUTDOWN"
)

// counted says whether this reason counts as a failure.
func (r Reason) counted() bool {
	switch r {
	case IOException, AsyncException, Expired, FinalizeFailure:
		return true
	}
	return false
}

// IntolerableError says that more checkpoints failed in a row than the job tolerates.
type IntolerableError struct {
	Failures, Tolerable int
	Last                string // why the last checkpoint failed
}

func (e *IntolerableError) Error() string {
	return fmt.Sprintf("%d checkpoints in a row failed, and %d are tolerable (execution.checkpointing.tolerable-failed-checkpoints); the last: %s",
		e.Failures, e.Tolerable, e.Last)
}
