package protocol

import (
	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/state"
)

// Messages of the master of a job to a TaskManager.
type (
	// Deploy starts a subtask. A TaskManager ignores a Deploy of an earlier term.
	Deploy struct {
		Term    int64
		Job     job.Job
		Groups  int // number of key groups of the job
		Subtask Subtask
		Attempt string // makes the task's name different in each attempt
		Master  environment.Address
		Inputs  []Input
		Outputs []Output
		Restore state.Restore
	}

	// Input is a channel from upstream.
	Input struct{ Edge int }

	// Output is an edge to downstream, with a channel to each subtask there.
	Output struct {
		Partitioning dataflow.Partitioning
		To           []environment.Address
		Channel      int // number of this channel among the receiver's inputs
	}
)
