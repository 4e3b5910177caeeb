package crashpoints_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

const job = "0123456789abcdef0123456789abcdef"

// enumeration counts the states that power losses during one checkpoint may leave.
type enumeration struct {
	points, raw, distinct, bad int
	took                       time.Duration
}

// enumerate takes two checkpoints. The second checkpoint has n state files, and its completion
// discards the first checkpoint. After each operation on storage, enumerate visits every state in
// which a power loss at this moment may leave storage. The parameter mount returns the file system
// that the checkpoints use.
func enumerate(t *testing.T, n int, level filesystem.Level, mount func(*filesystem.Memory) filesystem.FileSystem) (e enumeration) {
	t.Helper()
	memory := filesystem.NewMemory()
	files := mount(memory)
	own := configuration.Configuration{configuration.Dir.Key: "file:///checkpoints", configuration.InlineMax.Key: "0"}
	place, err := checkpoints.Select(files, nil, own, job)
	must(t, err)
	must(t, filesystem.MkdirDurably(memory, "/checkpoints"))
	must(t, place.Prepare())
	store := checkpoints.NewRegistry(files, 1)
	take(t, files, place, store, 1, n)
	began, newest := time.Now(), int64(1)
	seen := map[filesystem.Digest]bool{}
	memory.Observe(func(filesystem.Operation) {
		e.points++
		memory.EveryCrash(filesystem.Model{Level: level, TearsMax: 1}, func(_ uint64, after *filesystem.Memory) bool {
			e.raw++
			if digest := after.Digest(); !seen[digest] {
				seen[digest] = true
				if restorable(after) < newest {
					e.bad++
				}
			}
			return true
		})
	})
	target, checkpoint := write(t, files, place, 2, n)
	done, err := place.Complete(target, "attempt", checkpoint)
	must(t, err)
	newest = 2 // from now on checkpoint 2 counts as complete
	subsumed, err := store.Add(done)
	must(t, err)
	for _, old := range subsumed {
		must(t, store.Discard(old))
	}
	e.distinct, e.took = len(seen), time.Since(began)
	return e
}

func write(t *testing.T, files filesystem.FileSystem, place checkpoints.Storage, id int64, n int) (checkpoints.Target, metadata.Checkpoint) {
	t.Helper()
	target, err := place.Begin(id)
	must(t, err)
	operator := metadata.Operator{UID: "op", ID: metadata.NewOperatorID("op"), Parallelism: int32(n), MaxParallelism: int32(n)}
	for i := range n {
		stream := target.Create(files, checkpoints.Exclusive, func() string { return fmt.Sprintf("state-%d-%d", id, i) })
		_, err := io.WriteString(stream, "state")
		must(t, err)
		handle, err := stream.Close()
		must(t, err)
		operator.Subtasks = append(operator.Subtasks, metadata.Subtask{Index: int32(i), ManagedOperator: &metadata.OperatorList{
			States: []metadata.NamedState{{Name: "s", Offsets: []int64{0}}}, Stream: handle,
		}})
	}
	return target, metadata.Checkpoint{Version: metadata.Version, ID: id, Properties: storage.RetainOnCancellation.Properties(), Operators: []metadata.Operator{operator}}
}

func take(t *testing.T, files filesystem.FileSystem, place checkpoints.Storage, store *checkpoints.Registry, id int64, n int) {
	t.Helper()
	target, checkpoint := write(t, files, place, id, n)
	done, err := place.Complete(target, "attempt", checkpoint)
	must(t, err)
	_, err = store.Add(done)
	must(t, err)
}

// restorable returns the id of the newest checkpoint. It returns 0 if no checkpoint exists, and -1
// if a checkpoint exists but cannot be restored.
func restorable(files filesystem.FileSystem) int64 {
	found, err := storage.CheckpointIDs(files, "/checkpoints/"+job)
	if err != nil || len(found) == 0 {
		return 0
	}
	for _, id := range found {
		completed, err := storage.Resolve(files, fmt.Sprintf("/checkpoints/%s/chk-%d", job, id))
		if err != nil {
			return -1
		}
		for reference := range completed.Checkpoint.References() {
			if _, err := storage.ReadState(files, completed.Location, reference.Stream); err != nil {
				return -1
			}
		}
	}
	return found[0]
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func asItIs(m *filesystem.Memory) filesystem.FileSystem { return m }

func TestEveryStateOfACheckpointIsVisited(t *testing.T) {
	for _, level := range filesystem.Levels() {
		for n := 1; n <= 8; n++ {
			e := enumerate(t, n, level, asItIs)
			t.Logf("%s, %d state files: %d crash points, %d states, %d distinct, %d bad, %s", level, n, e.points, e.raw, e.distinct, e.bad, e.took.Round(time.Millisecond))
			if e.bad > 0 || e.distinct < e.points/2 {
				t.Errorf("%s, %d state files: %+v", level, n, e)
			}
		}
	}
}

// hasty is a file system with a mistake: it ignores the sync of a checkpoint's directory until
// `_metadata` is in that directory.
type hasty struct{ *filesystem.Memory }

func (h hasty) SyncDir(name string) error {
	if _, err := h.Stat(name + "/" + storage.MetadataName); err != nil && strings.Contains(name, "chk-") {
		return nil
	}
	return h.Memory.SyncDir(name)
}

func TestWithoutTheSyncBeforePublishThereAreBadStates(t *testing.T) {
	for n := 1; n <= 8; n++ {
		e := enumerate(t, n, filesystem.POSIX, func(m *filesystem.Memory) filesystem.FileSystem { return hasty{m} })
		t.Logf("%d state files: %d of %d distinct states are bad", n, e.bad, e.distinct)
		if e.bad == 0 {
			t.Error(errors.New("no bad state was found"))
		}
	}
}

func BenchmarkEnumerate(b *testing.B) {
	for _, level := range filesystem.Levels() {
		b.Run(string(level), func(b *testing.B) {
			states := 0
			for b.Loop() {
				t := &testing.T{}
				states += enumerate(t, 8, level, asItIs).raw
			}
			b.ReportMetric(float64(states)/b.Elapsed().Seconds(), "states/s")
		})
	}
}
