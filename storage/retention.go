package storage

import (
	"fmt"

	"github.com/snapback/snapback/storage/metadata"
)

// Retention says what becomes of a job's completed checkpoints when the job ends.
// The names are Flink's.
type Retention string

// The three modes.
const (
	RetainOnCancellation     Retention = "RETAIN_ON_CANCELLATION"
	DeleteOnCancellation     Retention = "DELETE_ON_CANCELLATION"
	NoExternalizedCheckpoint Retention = "NO_EXTERNALIZED_CHECKPOINTS"
)

// Retentions lists the modes, from the one that keeps most.
func Retentions() []Retention {
	return []Retention{RetainOnCancellation, DeleteOnCancellation, NoExternalizedCheckpoint}
}

// ParseRetention reads the name of a mode.
func ParseRetention(name string) (Retention, error) {
	for _, mode := range Retentions() {
		if name == string(mode) {
			return mode, nil
		}
	}
	return "", fmt.Errorf("retention: want one of %v, got %q", Retentions(), name)
}

// JobStatus is a state in the life of a job. The names are Flink's.
type JobStatus string

// The states.
const (
	Created    JobStatus = "CREATED"
	Running    JobStatus = "RUNNING"
	Restarting JobStatus = "RESTARTING"
	Failing    JobStatus = "FAILING"
	Cancelling JobStatus = "CANCELLING"
	Canceled   JobStatus = "CANCELED"
	Failed     JobStatus = "FAILED"
	Finished   JobStatus = "FINISHED"
	Suspended  JobStatus = "SUSPENDED"
)

// JobStatuses lists the states.
func JobStatuses() []JobStatus {
	return []JobStatus{Created, Running, Restarting, Failing, Cancelling, Canceled, Failed, Finished, Suspended}
}

// Terminal says whether a job in this state will never leave it.
func (s JobStatus) Terminal() bool {
	return s == Canceled || s == Failed || s == Finished || s == Suspended
}

// Properties are those of a periodic checkpoint under this mode.
func (r Retention) Properties() *metadata.Properties {
	return &metadata.Properties{
		Name: "Checkpoint", Sharing: "FORWARD_BACKWARD", DiscardSubsumed: true,
		DiscardFinished: !r.Keeps(Finished), DiscardCanceled: !r.Keeps(Canceled), DiscardFailed: !r.Keeps(Failed), DiscardSuspended: !r.Keeps(Suspended),
	}
}

// SavepointProperties are those of a savepoint: nothing but its owner ever deletes it.
// The job may stop with it, and may be drained before.
func SavepointProperties(stop, drain bool) *metadata.Properties {
	name, action := "Savepoint", "NONE"
	switch {
	case drain:
		name, action = "Terminate Savepoint", "TERMINATE"
	case stop:
		name, action = "Suspend Savepoint", "SUSPEND"
	}
	return &metadata.Properties{
		Name: name, Savepoint: true, Sharing: "NO_SHARING", Format: "NATIVE", PostAction: action, Forced: true,
	}
}

// Keeps says whether completed checkpoints outlive a job that ended in the given
// terminal state. No mode keeps any when the job finished.
func (r Retention) Keeps(ended JobStatus) bool {
	switch ended {
	case Canceled, Suspended: // FLINK-5007: a suspension is handled like a cancellation
		return r == RetainOnCancellation
	case Failed:
		return r == RetainOnCancellation || r == DeleteOnCancellation
	case Finished:
		return false
	default:
		return true // not at its end: nothing may go
	}
}
