package state_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

const groups = 16

// store holds the checkpoints of a test.
type store struct {
	t     *testing.T
	files *filesystem.Memory
	names int
}

func newStore(t *testing.T) *store {
	files := filesystem.NewMemory()
	must(t, files.MkdirAll("/chk"))
	must(t, files.MkdirAll("/shared"))
	return &store{t: t, files: files}
}

func (s *store) newID() string {
	s.names++
	return fmt.Sprintf("file-%03d", s.names)
}

func (s *store) take(from *state.Subtask, checkpoint int64, kind state.Kind) metadata.Subtask {
	s.t.Helper()
	handles, err := from.Snapshot(checkpoint, kind).Write(s.files, checkpoints.Target{Location: "/chk", Exclusive: "/chk", Shared: "/shared"}, s.newID)
	must(s.t, err)
	from.Written(checkpoint, handles)
	return handles
}

func (s *store) written() int {
	held, err := s.files.List("/shared")
	must(s.t, err)
	return len(held)
}

func keyed(backend state.Backend, first, last int) *state.Subtask {
	return state.New(state.NewKeyed(backend, "backend", first, last, groups))
}

func restored(t *testing.T, s *store, backend state.Backend, first int, exact bool, handles ...metadata.Subtask) *state.Subtask {
	t.Helper()
	from := state.Restore{Restored: true, Location: "/chk", Exact: exact}
	for _, h := range handles {
		if h.ManagedKeyed != nil {
			from.Keyed = append(from.Keyed, h.ManagedKeyed)
		}
		if h.ManagedOperator != nil {
			from.Operator = append(from.Operator, h.ManagedOperator)
		}
	}
	made := keyed(backend, first, groups-1)
	must(t, made.Restore(s.files, from))
	return made
}

func at(s *state.Subtask, key int32) *state.Keyed {
	s.Keyed.SetKey(key, dataflow.KeyGroup(key, groups))
	return s.Keyed
}

// content returns all state of the keys 0 to 19 whose key groups are between first and last.
func content(s *state.Subtask, first, last int) string {
	var text strings.Builder
	for key := range int32(20) {
		if group := dataflow.KeyGroup(key, groups); group < first || group > last {
			continue
		}
		k := at(s, key)
		members := k.Map("map")
		fmt.Fprintf(&text, "%d: %q %v %q", key, k.Value("value").Get(), k.Numbers("numbers", 2).Get(), k.List("list").All())
		for _, n := range members.Keys() {
			fmt.Fprintf(&text, " %d=%q", n, members.Get(n))
		}
		text.WriteString("\n")
	}
	return text.String()
}

// change makes one random change to the state of a key.
func change(s *state.Subtask, r *rand.Rand, key int32) {
	k := at(s, key)
	switch r.IntN(9) {
	case 0:
		k.Value("value").Set([]byte{byte(r.IntN(256))})
	case 1:
		k.Value("value").Clear()
	case 2:
		k.Numbers("numbers", 2).Set(int64(r.IntN(100)), -int64(r.IntN(100)))
	case 3:
		k.List("list").Add([]byte(fmt.Sprint(r.IntN(100))))
	case 4:
		k.List("list").Clear()
	case 5, 6:
		k.Map("map").Put(int64(r.IntN(5)-2), []byte{byte(r.IntN(256))})
	case 7:
		k.Map("map").Remove(int64(r.IntN(5) - 2))
	case 8:
		k.Reducing("sum", func(a, b int64) int64 { return a + b }).Add(int64(r.IntN(100)))
	}
}

// Each backend restores exactly the state of the checkpoint, at the same and at another
// parallelism. The state changes at random, and only some of the checkpoints become complete.
func TestKeyedStateComesBack(t *testing.T) {
	for _, backend := range state.Backends() {
		for seed := range uint64(200) {
			r := rand.New(rand.NewPCG(seed, 1))
			s := newStore(t)
			live := keyed(backend, 0, groups-1)
			for checkpoint := int64(1); checkpoint < 12; checkpoint++ {
				live = takeAndRestore(t, s, r, live, backend, checkpoint)
			}
			if t.Failed() {
				t.Fatalf("%s, seed %d", backend, seed)
			}
		}
	}
}

// takeAndRestore changes state, takes a checkpoint, restores it and compares. It returns the state
// with which the test continues.
func takeAndRestore(t *testing.T, s *store, r *rand.Rand, live *state.Subtask, backend state.Backend, checkpoint int64) *state.Subtask {
	t.Helper()
	for range r.IntN(20) {
		change(live, r, int32(r.IntN(20)))
	}
	want := content(live, 0, groups-1)
	kind := state.Checkpoint
	if r.IntN(5) == 0 {
		kind = state.Savepoint
	}
	handles := s.take(live, checkpoint, kind)
	change(live, r, 3) // later changes are not in the checkpoint
	if got := content(restored(t, s, backend, 0, true, handles), 0, groups-1); got != want {
		t.Errorf("checkpoint %d: want\n%s\ngot\n%s", checkpoint, want, got)
	}
	if half := content(restored(t, s, backend, groups/2, false, handles), groups/2, groups-1); !contains(want, half) {
		t.Errorf("checkpoint %d: want a part of\n%s\ngot\n%s", checkpoint, want, half)
	}
	if kind == state.Checkpoint && r.IntN(3) > 0 {
		live.Completed(checkpoint)
	}
	if r.IntN(6) == 0 { // the job fails, and continues from this checkpoint
		return restored(t, s, backend, 0, r.IntN(2) == 0, handles)
	}
	return live
}

func contains(all, part string) bool {
	for _, line := range strings.Split(part, "\n") {
		if !strings.Contains(all, line) {
			return false
		}
	}
	return true
}

// A checkpoint shares files with the checkpoint before it. If nothing has changed, no file is
// written.
func TestIncrementalCheckpointsShareFiles(t *testing.T) {
	for _, backend := range []state.Backend{state.Incremental, state.Changelog} {
		s := newStore(t)
		live := keyed(backend, 0, groups-1)
		at(live, 1).Value("value").Set([]byte("a"))
		s.take(live, 1, state.Checkpoint)
		live.Completed(1)
		s.take(live, 2, state.Checkpoint) // nothing changed
		live.Completed(2)
		if n := s.written(); n != 1 {
			t.Errorf("%s: want 1 file, got %d", backend, n)
		}
		at(live, 2).Value("value").Set([]byte("b"))
		third := s.take(live, 3, state.Checkpoint)
		alone := metadata.Checkpoint{Operators: []metadata.Operator{{Subtasks: []metadata.Subtask{third}}}}
		references := 0
		for range alone.References() {
			references++
		}
		if n := s.written(); n != 2 || references != 2 {
			t.Errorf("%s: want 2 files, and both referred to, got %d and %d", backend, n, references)
		}
	}
}

// FLINK-25395: changes are written again until a checkpoint that contains them is known to be
// complete.
func TestNothingIsBuiltUponACheckpointInProgress(t *testing.T) {
	s := newStore(t)
	live := keyed(state.Incremental, 0, groups-1)
	at(live, 1).Value("value").Set([]byte("a"))
	first := s.take(live, 1, state.Checkpoint)
	second := s.take(live, 2, state.Checkpoint)
	of := func(h metadata.Subtask) string {
		return fmt.Sprint(h.ManagedKeyed.(*metadata.Incremental).Shared[0].Stream.(*metadata.File).Path)
	}
	if of(first) == of(second) {
		t.Errorf("checkpoint 2 refers to %s of checkpoint 1", of(first))
	}
}

func TestTimersComeBackAndFireInOrder(t *testing.T) {
	s := newStore(t)
	live := keyed(state.Full, 0, groups-1)
	for key, time := range map[int32]int64{1: 30, 2: 10, 3: 20} {
		at(live, key).RegisterTimer(time)
		at(live, key).RegisterTimer(time) // this timer is registered twice, but must fire once
	}
	again := restored(t, s, state.Full, 0, true, s.take(live, 1, state.Checkpoint))
	var fired []string
	for time, due := again.Keyed.NextTimer(20); due; time, due = again.Keyed.NextTimer(20) {
		fired = append(fired, fmt.Sprintf("%d at %d", again.Keyed.Key(), time))
	}
	if got := strings.Join(fired, ", "); got != "2 at 10, 3 at 20" {
		t.Errorf("got %s", got)
	}
}

func TestListsComeBack(t *testing.T) {
	s := newStore(t)
	live := state.New(nil)
	live.List("a", metadata.SplitDistribute).Set([][]byte{[]byte("x"), {}, []byte("yz")})
	live.List("b", metadata.Union).Set([][]byte{[]byte("u")})
	handles := s.take(live, 1, state.Checkpoint)
	again := state.New(nil)
	must(t, again.Restore(s.files, state.Restore{Restored: true, Location: "/chk", Operator: []metadata.OperatorHandle{handles.ManagedOperator}}))
	if got := fmt.Sprintf("%q", again.List("a", metadata.SplitDistribute).Elements()); got != `["x" "" "yz"]` {
		t.Errorf("got %s", got)
	}
	if name, unclaimed := again.Unclaimed(); !unclaimed || name != "b" {
		t.Errorf("want list b unclaimed, got %q", name)
	}
}

func TestStateThatIsNotThisEnginesIsRefused(t *testing.T) {
	s := newStore(t)
	inline := &metadata.ByteStream{Data: []byte("abc")}
	for _, from := range []state.Restore{
		{Keyed: []metadata.KeyedHandle{&metadata.ChangelogBytes{}}},
		{Keyed: []metadata.KeyedHandle{&metadata.KeyGroups{Stream: inline}}},
		{Operator: []metadata.OperatorHandle{&metadata.FileMergingOperator{}}},
		{Operator: []metadata.OperatorHandle{&metadata.OperatorList{Stream: inline, States: []metadata.NamedState{{Name: "a", Offsets: []int64{4}}}}}},
		{Operator: []metadata.OperatorHandle{&metadata.OperatorList{Stream: inline, States: []metadata.NamedState{{Name: "a", Offsets: []int64{0}}}}}},
	} {
		from.Restored = true
		if err := keyed(state.Full, 0, groups-1).Restore(s.files, from); err == nil {
			t.Errorf("%+v was restored", from)
		}
	}
	if err := state.New(nil).Restore(s.files, state.Restore{Keyed: []metadata.KeyedHandle{&metadata.KeyGroups{}}}); err == nil {
		t.Error("an operator without keyed state took some")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ExampleKeyed() {
	keyed := state.NewKeyed(state.Full, "backend", 0, 127, 128)
	sum := keyed.Reducing("sum", func(a, b int64) int64 { return a + b })
	keyed.SetKey(42, dataflow.KeyGroup(42, 128))
	sum.Add(3)
	fmt.Println(sum.Add(4))
	// Output: 7
}
