package coordinator

import (
	"slices"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/metadata"
)

// inputState is the name of the master state in `_metadata` that describes the job's input.
const inputState = "input"

// describe returns the content of a checkpoint's `_metadata`.
func (c *Coordinator) describe(p *pending) metadata.Checkpoint {
	checkpoint := metadata.Checkpoint{
		Version: metadata.Version, ID: p.id, Properties: c.job.Checkpoints.Retention.Properties(),
		MasterStates: []metadata.MasterState{{Version: 1, Name: inputState, Data: []byte(c.job.Workload.Input())}},
	}
	if p.kind().savepoint() {
		checkpoint.Properties = storage.SavepointProperties(p.kind().Stop != protocol.GoOn, p.kind().Stop == protocol.Drain)
	}
	for _, vertex := range c.graph {
		checkpoint.Operators = append(checkpoint.Operators, c.describeOperator(p, vertex))
	}
	return checkpoint
}

// describeOperator returns the state of one operator. If the coordinator did not ask a subtask for
// its state, the subtask had finished before the checkpoint began.
func (c *Coordinator) describeOperator(p *pending, vertex dataflow.Vertex) metadata.Operator {
	operator := metadata.Operator{
		Name: vertex.UID, UID: vertex.UID, ID: metadata.NewOperatorID(vertex.UID),
		Parallelism: int32(c.job.Parallelism), MaxParallelism: int32(c.groups),
	}
	finished := 0
	for i := range c.job.Parallelism {
		subtask := protocol.Subtask{UID: vertex.UID, Index: i}
		handles, acknowledged := p.states[subtask]
		handles.Index = int32(i)
		if !acknowledged && !slices.ContainsFunc(p.asked, func(t *task) bool { return t.Subtask == subtask }) {
			handles.Finished = true
			finished++
		}
		operator.Subtasks = append(operator.Subtasks, handles)
	}
	if finished == c.job.Parallelism {
		operator.FullyFinished, operator.Subtasks = true, nil
	}
	return operator
}
