package coordinator

import "fmt"

// abortReason says why a checkpoint was aborted. The names are Flink's.
type abortReason string

// The reasons. The first four count as failures. If too many checkpoints in a row fail, the job
// fails.
const (
	ioException         abortReason = "IO_EXCEPTION"               // the directory of the checkpoint could not be created
	asyncException      abortReason = "CHECKPOINT_ASYNC_EXCEPTION" // a subtask could not write its state
	checkpointExpired   abortReason = "CHECKPOINT_EXPIRED"
	finalizeFailure     abortReason = "FINALIZE_CHECKPOINT_FAILURE"
	checkpointSubsumed  abortReason = "CHECKPOINT_SUBSUMED" // a later checkpoint was complete first
	jobFailover         abortReason = "JOB_FAILOVER_REGION"
	coordinatorShutDown abortReason = "CHECKPOINT_COORDINATOR_SHUTDOWN"
)

// counted says whether this reason counts as a failure.
func (r abortReason) counted() bool {
	switch r {
	case ioException, asyncException, checkpointExpired, finalizeFailure:
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
