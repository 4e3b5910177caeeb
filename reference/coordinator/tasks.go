package coordinator

import (
	"slices"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
)

// task is a subtask that takes part in checkpoints. Its last four fields become true one after the
// other, from the first to the last.
type task struct {
	Subtask  protocol.Subtask
	Address  environment.Address
	ended    bool // the subtask emits nothing any more
	final    bool // a complete checkpoint holds the subtask's last state
	finished bool // the coordinator told the subtask to finish
	gone     bool // the subtask said that it has finished
}

// Deployed notes the address of a newly deployed subtask. The subtask does not take part in
// checkpoints that are already in progress.
func (c *Coordinator) Deployed(subtask protocol.Subtask, address environment.Address) {
	if t := c.task(subtask); t != nil {
		*t = task{Subtask: subtask, Address: address}
		return
	}
	c.tasks = append(c.tasks, &task{Subtask: subtask, Address: address})
}

// Ended notes that a subtask emits nothing any more.
func (c *Coordinator) Ended(subtask protocol.Subtask) {
	if t := c.task(subtask); t != nil {
		t.ended = true
	}
}

// Gone notes that a subtask does not run any more. It writes nothing any more, so the deletion of
// aborted checkpoints does not wait for its answer.
func (c *Coordinator) Gone(subtask protocol.Subtask) {
	for _, t := range c.tasks {
		t.gone = t.gone || (t.finished && t.Subtask == subtask)
	}
	for _, p := range c.aborted {
		p.answered[subtask] = true
	}
	c.deleteAborted()
}

func (c *Coordinator) task(subtask protocol.Subtask) *task {
	at := slices.IndexFunc(c.tasks, func(t *task) bool { return t.Subtask == subtask })
	if at < 0 {
		return nil
	}
	return c.tasks[at]
}

// allEnded says whether every subtask has come to the end of its input, and no checkpoint is in
// progress. Then only the last checkpoint of the job is missing.
func (c *Coordinator) allEnded() bool {
	return len(c.pending) == 0 && !slices.ContainsFunc(c.tasks, func(t *task) bool { return !t.ended && !t.finished })
}

// begins says whether a checkpoint begins at this subtask. A checkpoint begins there if no subtask
// upstream still runs: then no subtask sends a barrier to this one, so the coordinator sends a
// Trigger.
func (c *Coordinator) begins(t *task) bool {
	vertex, _ := c.graph.Vertex(t.Subtask.UID)
	for _, edge := range vertex.Inputs {
		for _, up := range c.tasks {
			if up.Subtask.UID == edge.From && !up.finished && (edge.Partitioning != dataflow.Forward || up.Subtask.Index == t.Subtask.Index) {
				return false
			}
		}
	}
	return true
}

// finish tells subtasks to finish if a complete checkpoint holds their last state. While another
// checkpoint is in progress, the subtasks stay, because that checkpoint needs their
// acknowledgements.
func (c *Coordinator) finish() {
	if len(c.pending) > 0 {
		return
	}
	for _, t := range c.tasks {
		if t.final && !t.finished {
			t.finished = true
			c.env.Send(t.Address, protocol.Finish{})
		}
	}
}

// finishing says whether some subtasks are about to finish. No checkpoint begins until these
// subtasks have said that they finished. The reason: the message that tells them what to commit may
// be lost. A new checkpoint would treat these subtasks as finished. It would subsume the checkpoint
// that says what they must commit.
func (c *Coordinator) finishing() bool {
	return slices.ContainsFunc(c.tasks, func(t *task) bool { return t.final && !t.gone })
}
