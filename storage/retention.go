package storage

import (
	"fmt"

	"github.com/snapback/snapback/storage/metadata"
)

// Retention says whether a job's completed checkpoints stay when the job ends. The names are
// Flink's.
type Retention string

// The retention modes.
const (
	RetainOnCancellation     Retention = "RETAIN_ON_CANCELLATION"
	DeleteOnCancellation     Retention = "DELETE_ON_CANCELLATION"
	NoExternalizedCheckpoint Retention = "NO_EXTERNALIZED_CHECKPOINTS"
)

// Retentions lists the modes. The first mode keeps checkpoints most often. The last mode keeps no
// checkpoint of a job that has ended.
func Retentions() []Retention {
	return []Retention{RetainOnCancellation, DeleteOnCancellation, NoExternalizedCheckpoint}
}

// ParseRetention parses the name of a mode.
func ParseRetention(name string) (Retention, error) {
	for _, mode := range Retentions() {
		if name == string(mode) {
			return mode, nil
		}
	}
	return "", fmt.Errorf("retention: want one of %v, got %q", Retentions(), name)
}

// Properties returns the properties of a periodic checkpoint under this mode.
func (r Retention) Properties() *metadata.Properties {
	return &metadata.Properties{
		Name: "Checkpoint", Sharing: "FORWARD_BACKWARD", DiscardSubsumed: true,
		DiscardFinished: !r.Keeps(Finished), DiscardCanceled: !r.Keeps(Canceled), DiscardFailed: !r.Keeps(Failed), DiscardSuspended: !r.Keeps(Suspended),
	}
}

// SavepointProperties returns the properties of a savepoint. Only its owner, a user, deletes it. If
// the parameter "stop" is true, the job stops after the savepoint. If the parameter "drain" is
// true, the job stops too, and is drained first, as by Flink's stop --drain: its input ends before
// the savepoint, so that event time ends and open windows are written out.
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

// Keeps says whether completed checkpoints stay when the job has ended in the given state. In the
// state FINISHED no mode keeps them. Keeps returns true for a state in which the job has not ended.
func (r Retention) Keeps(ended JobStatus) bool {
	switch ended {
	case Canceled, Suspended: // FLINK-5007: a suspension is handled like a cancellation
		return r == RetainOnCancellation
	case Failed:
		return r == RetainOnCancellation || r == DeleteOnCancellation
	case Finished:
		return false
	default:
		return true // the job has not ended
	}
}
