// Package task runs one subtask: restore, records, barriers, snapshots and commits.
//
// A subtask is one task of the environment. All messages arrive in its inbox: elements from
// upstream, and orders of the job's master. A subtask does one thing at a time. So no two calls of
// its operator overlap, and a snapshot is taken between two records. Only the writing of a snapshot
// runs in a task of its own.
//
// A subtask does not know whether a checkpoint is complete. The coordinator tells it.
//
// Start with [Run], then read subtask.act in act.go. Barriers wait or overtake in gate.go, and
// checkpoint.go takes the snapshots.
package task

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage"
)

var errCanceled = errors.New("canceled")

// Name returns the name of a subtask's task in its process.
func Name(jobID string, subtask protocol.Subtask, attempt string) string {
	return fmt.Sprintf("%s/%s#%s", jobID, subtask, attempt)
}

// Run runs a subtask until it ends, and tells the job's master how it ended.
func Run(env environment.Environment, deploy protocol.Deploy) {
	ended := protocol.TaskEnded{Subtask: deploy.Subtask, Attempt: deploy.Attempt, Status: storage.Finished}
	s := &subtask{env: env, deploy: deploy, snapshots: map[int64]*snapshot{}}
	err := s.run()
	s.awaitWriters()
	if errors.Is(err, errCanceled) {
		ended.Status = storage.Canceled
	} else if err != nil {
		ended.Status, ended.Error = storage.Failed, err.Error()
	}
	env.Send(deploy.Master, ended)
}

// subtask is a running subtask.
type subtask struct {
	env      environment.Environment
	deploy   protocol.Deploy
	vertex   dataflow.Vertex
	operator dataflow.Operator
	source   dataflow.Source // the operator as a source; nil if it is no source
	state    *state.Subtask
	gate     *gate
	outputs  []*output
	replay   []replayed // the restored records in flight that are not processed yet

	inOrder bool // whether barriers overtake nothing at this subtask: an input does not partition by key, or an output is broadcast

	started    bool
	nextRecord time.Duration // the time at which the source may emit its next record
	suspended  int64         // id of the checkpoint after which the source emits nothing
	drained    int64         // id of the checkpoint for which the source ended its input
	end        bool          // whether the subtask emits nothing any more
	finished   bool
	watermark  int64

	trigger   *alignment          // the checkpoint that begins at this subtask, until it is taken; nil if there is none
	snapshots map[int64]*snapshot // the snapshots for checkpoints that the subtask has not answered yet
}

func (s *subtask) run() error {
	if err := s.open(); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	s.env.Send(s.deploy.Master, protocol.TaskRunning{Subtask: s.deploy.Subtask, Attempt: s.deploy.Attempt})
	for !s.finished {
		acted, err := s.act()
		if err != nil {
			return err
		}
		wait := time.Duration(0) // with 0, receive handles only the messages that have arrived already
		if !acted {
			wait = s.idle()
		}
		if err := s.receive(wait); err != nil {
			return err
		}
	}
	return nil
}

// open creates the operator and restores its state.
func (s *subtask) open() error {
	graph, err := s.deploy.Job.Workload.Graph()
	if err != nil {
		return err
	}
	var known bool
	if s.vertex, known = graph.Vertex(s.deploy.Subtask.UID); !known {
		return fmt.Errorf("workload %s has no operator %q", s.deploy.Job.Workload.Name, s.deploy.Subtask.UID)
	}
	s.watermark = math.MinInt64
	s.gate = newGate(s.deploy.Inputs, s.deploy.Job.Checkpoints.AtLeastOnce)
	for _, o := range s.deploy.Outputs {
		s.outputs = append(s.outputs, newOutput(s.env, o, s.deploy.Groups))
		s.inOrder = s.inOrder || o.Partitioning == dataflow.Broadcast
	}
	for _, edge := range s.vertex.Inputs {
		s.inOrder = s.inOrder || edge.Partitioning != dataflow.ByKey
	}
	s.state = state.New(s.keyed())
	if err := s.state.Restore(s.env.Files(), s.deploy.Restore); err != nil {
		return err
	}
	if err := s.readInFlight(); err != nil {
		return err
	}
	s.env.Log(environment.Record{
		Event: protocol.EventSubtaskRestored, Job: s.deploy.Job.ID, Task: s.deploy.Subtask.String(), Status: s.deploy.Attempt, Path: s.deploy.Restore.Location,
	})
	s.operator = s.vertex.New()
	s.source, _ = s.operator.(dataflow.Source)
	err = s.operator.Open(dataflow.Context{
		Env: s.env, Index: s.deploy.Subtask.Index, Parallelism: s.deploy.Job.Parallelism, State: s.state,
		Restored: s.deploy.Restore.Restored, CommitWith: !s.deploy.Job.Checkpoints.AtLeastOnce,
		Emit: s.emit, Watermark: s.emitWatermark, RegisterTime: func(time int64) { s.state.Keyed.RegisterTimer(time) },
	})
	if name, unclaimed := s.state.Unclaimed(); err == nil && unclaimed {
		return fmt.Errorf("the checkpoint holds a list %q that the operator does not know", name)
	}
	return err
}

func (s *subtask) keyed() *state.Keyed {
	if !s.vertex.Keyed {
		return nil
	}
	first, last := dataflow.KeyGroups(s.deploy.Subtask.Index, s.deploy.Job.Parallelism, s.deploy.Groups)
	return state.NewKeyed(s.deploy.Job.Checkpoints.Backend, environment.NewID(s.env), first, last, s.deploy.Groups)
}

// receive waits for a message, and then handles all messages that have arrived.
func (s *subtask) receive(wait time.Duration) error {
	for {
		envelope, ok := s.env.Receive(wait)
		if !ok {
			return nil
		}
		if err := s.handle(envelope); err != nil {
			return err
		}
		wait = 0
	}
}

func (s *subtask) handle(envelope environment.Envelope) error {
	switch message := envelope.Message.(type) {
	case protocol.Start:
		s.started = true
	case protocol.Trigger:
		s.started = true // the message Start may be lost
		return s.begin(message.Barrier)
	case protocol.Data:
		return s.gate.push(s.env.Now(), envelope.From, message)
	case protocol.Credit:
		for _, o := range s.outputs {
			if o.credited(envelope.From, message.Records) {
				return nil
			}
		}
		return fmt.Errorf("got credit from %s, to which it has no channel", envelope.From)
	case protocol.Written:
		s.written(message)
	case protocol.Complete:
		return s.complete(message.Checkpoint)
	case protocol.Aborted:
		return s.abort(message.Checkpoint)
	case protocol.Finish:
		s.finished = true
	case protocol.Cancel:
		return errCanceled
	default:
		return fmt.Errorf("got a %T, which is not for a subtask", message)
	}
	return nil
}

// awaitWriters waits until no snapshot is being written. As soon as the coordinator learns that
// this subtask has ended, the coordinator may delete the files.
func (s *subtask) awaitWriters() {
	for _, checkpoint := range slices.Sorted(maps.Keys(s.snapshots)) {
		if !s.snapshots[checkpoint].writing {
			delete(s.snapshots, checkpoint)
		}
	}
	for len(s.snapshots) > 0 {
		envelope, _ := s.env.Receive(environment.Forever)
		if done, ok := envelope.Message.(protocol.Written); ok {
			delete(s.snapshots, done.Checkpoint)
		}
	}
}
