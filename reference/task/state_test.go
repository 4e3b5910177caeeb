package task

import (
	"errors"
	"fmt"
	"testing"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/simulation"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// inSubtask runs a test as a subtask of an operator, the second of two.
func inSubtask(t *testing.T, uid string, body func(s *subtask)) {
	t.Helper()
	files := filesystem.NewMemory()
	if err := files.MkdirAll("/chk-1"); err != nil {
		t.Fatal(err)
	}
	world := simulation.New(1, files, nil)
	world.Start("task", func(env environment.Environment) {
		body(&subtask{env: env, deploy: protocol.Deploy{Subtask: protocol.Subtask{UID: uid, Index: 1}, Job: job.Job{Parallelism: 2}}})
	})
	for world.Step() {
		continue
	}
}

func TestStateComesBackPartByPart(t *testing.T) {
	for _, target := range []storage.Target{{Exclusive: "/chk-1"}, {InlineMax: 1 << 20, MessageMax: 1 << 20}} {
		for _, uid := range []string{job.SourceUID, job.CounterUID} {
			for _, state := range []job.State{{}, {nil, nil}, {[]byte("a"), nil, []byte("bcd"), nil}} {
				inSubtask(t, uid, func(s *subtask) { writeAndRead(t, s, target, state) })
			}
		}
	}
}

func writeAndRead(t *testing.T, s *subtask, target storage.Target, state job.State) {
	t.Helper()
	handle, err := s.writeState(target, state)
	if err != nil {
		t.Fatal(err)
	}
	read, err := readState(s.env.Files(), protocol.Restore{Restored: true, Location: "/chk-1", State: handle})
	if err != nil {
		t.Fatal(err)
	}
	if len(state) < 3 { // nothing was written
		state = job.State{}
	}
	if fmt.Sprintf("%q", read) != fmt.Sprintf("%q", state) {
		t.Errorf("want %q, got %q", state, read)
	}
	if keyed, ok := handle.ManagedKeyed.(*metadata.KeyGroups); ok && keyed.Start != job.ParallelismMax/2 {
		t.Errorf("want the key groups of subtask 1 of 2, got those from %d", keyed.Start)
	}
}

// State up to the limits goes through, with a byte more it is refused: the maximum
// size, and the frame that the message must fit into.
func TestTheLimitsOfStateInAMessage(t *testing.T) {
	for _, c := range []struct {
		size                 int
		maxState, maxMessage int64
		limit                int64 // that is broken; 0 for none
		name                 string
	}{
		{5 << 20, 5 << 20, 10 << 20, 0, ""},
		{5<<20 + 1, 5 << 20, 10 << 20, 5 << 20, "the maximum state size"},
		{10<<20 - messageOverhead, 20 << 20, 10 << 20, 0, ""},
		{10<<20 - messageOverhead + 1, 20 << 20, 10 << 20, 10 << 20, "the frame size of messages"},
	} {
		inSubtask(t, job.CounterUID, func(s *subtask) {
			_, err := s.writeState(storage.Target{InlineMax: c.maxState, MessageMax: c.maxMessage}, job.State{make([]byte, c.size)})
			var limit *storage.LimitError
			if errors.As(err, &limit) != (c.limit > 0) || (limit != nil && (limit.Limit != c.limit || limit.Name != c.name)) {
				t.Errorf("%d bytes, at most %d of state and %d of a message: got %v", c.size, c.maxState, c.maxMessage, err)
			}
		})
	}
}

func TestStateThatIsNotThisEnginesIsRefused(t *testing.T) {
	files := filesystem.NewMemory()
	inline := &metadata.ByteStream{Data: []byte("abc")}
	for _, state := range []metadata.Subtask{
		{ManagedKeyed: &metadata.Incremental{}},
		{ManagedOperator: &metadata.FileMergingOperator{}},
		{ManagedOperator: &metadata.OperatorList{Stream: inline, States: []metadata.NamedState{{Name: "other"}}}},
		{ManagedKeyed: &metadata.KeyGroups{Stream: inline, Offsets: []int64{2, 1}}},
		{ManagedKeyed: &metadata.KeyGroups{Stream: inline, Offsets: []int64{0, 4}}},
	} {
		if _, err := readState(files, protocol.Restore{State: state}); err == nil {
			t.Errorf("%+v was read", state)
		}
	}
}
