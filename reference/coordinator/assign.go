package coordinator

import (
	"fmt"
	"slices"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/metadata"
)

// Compatible says whether a job can be restored from a checkpoint, and returns the job's number of
// key groups. The number comes from the checkpoint, because it never changes.
func Compatible(j job.Job, checkpoint metadata.Checkpoint) (groups int, err error) {
	graph, err := j.Workload.Graph()
	if err != nil {
		return 0, err
	}
	for _, operator := range checkpoint.Operators {
		known := slices.ContainsFunc(graph, func(v dataflow.Vertex) bool { return metadata.NewOperatorID(v.UID) == operator.ID })
		if !known && !j.Restore.AllowNonRestored && holdsState(operator) {
			return 0, fmt.Errorf("the checkpoint has state of operator %s, which workload %s has not; to leave it behind, allow non-restored state",
				operator.Label(), j.Workload.Name)
		}
		if !known {
			continue
		}
		recorded := int(operator.MaxParallelism)
		if j.ParallelismMax != 0 && j.ParallelismMax != recorded {
			return 0, fmt.Errorf("operator %s: the checkpoint has maximum parallelism %d, the job %d; it cannot change", operator.Label(), recorded, j.ParallelismMax)
		}
		if j.Parallelism > recorded {
			return 0, fmt.Errorf("operator %s: parallelism %d is above the checkpoint's maximum parallelism of %d", operator.Label(), j.Parallelism, recorded)
		}
		groups = recorded
	}
	if groups == 0 {
		return 0, fmt.Errorf("the checkpoint has no state of any operator of workload %s", j.Workload.Name)
	}
	for _, master := range checkpoint.MasterStates {
		if master.Name == inputState && string(master.Data) != j.Workload.Input() {
			return 0, fmt.Errorf("the checkpoint is of another input: %s; the job's is %s", master.Data, j.Workload.Input())
		}
	}
	return groups, nil
}

func holdsState(operator metadata.Operator) bool {
	return operator.Coordinator != nil || slices.ContainsFunc(operator.Subtasks, func(s metadata.Subtask) bool {
		return s.ManagedOperator != nil || s.RawOperator != nil || s.ManagedKeyed != nil || s.RawKeyed != nil || len(s.Inputs)+len(s.Outputs) > 0
	})
}

// Assign returns the part of the latest checkpoint from which a subtask is restored. The checkpoint
// may have been taken with another parallelism.
func (c *Coordinator) Assign(subtask protocol.Subtask) (state.Restore, error) {
	latest, ok := c.completed.Latest()
	if !ok {
		return state.Restore{}, nil
	}
	a := assignment{checkpoint: latest.Checkpoint, graph: c.graph, parallelism: c.job.Parallelism, index: subtask.Index}
	operator, err := latest.Checkpoint.Operator(subtask.UID)
	if err != nil {
		return state.Restore{}, nil // the operator is new in this job and starts empty
	}
	restore := state.Restore{Restored: true, Location: latest.Location, Exact: c.owns(latest) && int(operator.Parallelism) == c.job.Parallelism}
	if restore.Operator, err = a.lists(operator); err != nil {
		return state.Restore{}, fmt.Errorf("operator %s: %w", subtask.UID, err)
	}
	first, last := dataflow.KeyGroups(subtask.Index, c.job.Parallelism, c.groups)
	for _, old := range operator.Subtasks {
		if old.ManagedKeyed != nil && overlaps(old.Index, operator, first, last) {
			restore.Keyed = append(restore.Keyed, old.ManagedKeyed)
		}
	}
	restore.InFlight = a.inFlight(subtask.UID, operator)
	return restore, nil
}

// owns says whether the job's own checkpoints may refer to files of `latest`, the checkpoint from
// which the job is restored. Under NO_CLAIM they must not, unless the checkpoint is one of the
// job's own.
func (c *Coordinator) owns(latest storage.Completed) bool {
	return c.job.Restore.ClaimMode != storage.NoClaim || slices.ContainsFunc(c.completed.Kept(), func(k storage.Completed) bool {
		return k.Location == latest.Location && k.Checkpoint.ID == latest.Checkpoint.ID
	})
}

func overlaps(index int32, operator *metadata.Operator, first, last int) bool {
	from, to := dataflow.KeyGroups(int(index), int(operator.Parallelism), int(operator.MaxParallelism))
	return from <= last && first <= to
}

// assignment finds the state of one subtask in a checkpoint. The checkpoint may have another
// parallelism than the job.
type assignment struct {
	checkpoint  metadata.Checkpoint
	graph       dataflow.Graph
	parallelism int // the parallelism of the job
	index       int // the index of the subtask
}

// lists returns the elements of operator lists that the subtask gets. Each element of a split list
// goes to one subtask. If the parallelism is the same, this is the earlier owner of the element.
// Otherwise the subtasks receive the elements in turn. Each subtask gets all elements of a union
// list. Each subtask gets a broadcast list from one earlier subtask.
func (a assignment) lists(operator *metadata.Operator) ([]metadata.OperatorHandle, error) {
	var handles []metadata.OperatorHandle
	turns := map[string]int{} // the key is the name of a list, the value is the number of its elements seen so far
	for _, old := range operator.Subtasks {
		if old.ManagedOperator == nil {
			continue
		}
		list, ok := old.ManagedOperator.(*metadata.OperatorList)
		if !ok {
			return nil, fmt.Errorf("operator state as %T is not this engine's", old.ManagedOperator)
		}
		var ours []metadata.NamedState
		for _, named := range list.States {
			if offsets := a.offsets(operator, old, named, turns); len(offsets) > 0 {
				ours = append(ours, metadata.NamedState{Name: named.Name, Mode: named.Mode, Offsets: offsets})
			}
		}
		if len(ours) > 0 {
			handles = append(handles, &metadata.OperatorList{States: ours, Stream: list.Stream})
		}
	}
	return handles, nil
}

func (a assignment) offsets(operator *metadata.Operator, old metadata.Subtask, named metadata.NamedState, turns map[string]int) []int64 {
	same := int(operator.Parallelism) == a.parallelism
	switch {
	case named.Mode == metadata.Union:
		return named.Offsets
	case named.Mode == metadata.Broadcast:
		if int(old.Index) == a.index%int(operator.Parallelism) {
			return named.Offsets
		}
		return nil
	case same && int(old.Index) == a.index:
		return named.Offsets
	case same:
		return nil
	}
	var ours []int64
	for _, offset := range named.Offsets {
		if turns[named.Name]%a.parallelism == a.index {
			ours = append(ours, offset)
		}
		turns[named.Name]++
	}
	return ours
}

// inFlight returns the records that were on their way to the subtask when an unaligned barrier
// overtook them: first the records that it had received, then the records that were still upstream.
// The subtask itself skips records of keys that it does not own.
func (a assignment) inFlight(uid string, operator *metadata.Operator) []state.InFlight {
	vertex, _ := a.graph.Vertex(uid)
	var all []state.InFlight
	for i, edge := range vertex.Inputs {
		if edge.Partitioning != dataflow.ByKey {
			continue // barriers overtake no records on such an edge
		}
		for _, old := range operator.Subtasks {
			if a.takes(int(old.Index), operator) {
				all = append(all, parts(old.Inputs, i, func(part metadata.ChannelPart) bool { return int(part.Gate) == i })...)
			}
		}
		upstream, err := a.checkpoint.Operator(edge.From)
		if err != nil {
			continue // the operator upstream is new in this job
		}
		out := a.outputOf(edge.From, uid, i)
		for _, old := range upstream.Subtasks {
			all = append(all, parts(old.Outputs, i, func(part metadata.ChannelPart) bool {
				return int(part.Gate) == out && a.takes(int(part.Channel), operator)
			})...)
		}
	}
	return all
}

// takes says whether the subtask reads the records that were on their way to the subtask with the
// index `old`. After a change of parallelism, it reads the records that were on their way to any
// subtask, and skips the records whose keys it does not own.
func (a assignment) takes(old int, operator *metadata.Operator) bool {
	return int(operator.Parallelism) != a.parallelism || old == a.index
}

// outputOf returns the position of an edge among all edges that leave the operator `from`. The edge
// leads to the operator `to`, and has the number `input` among the inputs of this operator.
func (a assignment) outputOf(from, to string, input int) int {
	number := 0
	for _, vertex := range a.graph {
		for i, edge := range vertex.Inputs {
			if vertex.UID == to && i == input {
				return number
			}
			if edge.From == from {
				number++
			}
		}
	}
	return number
}

func parts(channels []metadata.Channel, edge int, ours func(metadata.ChannelPart) bool) []state.InFlight {
	var all []state.InFlight
	for _, channel := range channels {
		for _, part := range channel.Channels {
			if ours(part) && len(part.Offsets) > 0 {
				all = append(all, state.InFlight{Edge: edge, Stream: channel.Stream, Offset: part.Offsets[0], Size: part.Size})
			}
		}
	}
	return all
}
