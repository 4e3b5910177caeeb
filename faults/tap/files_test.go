package tap_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/storage/filesystem"
)

// bench is a file system behind a tap with armed faults.
type bench struct {
	memory *filesystem.Memory
	tap    *tap.Tap
	files  filesystem.FileSystem
	fired  []string
	waited time.Duration
	stops  bool // whether a fault that fires stops the process
}

func newBench(t *testing.T, armed ...string) *bench {
	t.Helper()
	b := &bench{memory: filesystem.NewMemory(), tap: tap.New(layout{})}
	b.files = b.tap.Files(b.memory, "taskmanager-1", func(d time.Duration) { b.waited += d })
	must(t, b.memory.MkdirAll("/c/chk-1"))
	for _, text := range armed {
		fault, err := faults.Parse(text)
		must(t, err)
		must(t, b.tap.Arm(fault, func(faults.Event) int { return 4 }, func(o tap.Operation) bool {
			b.fired = append(b.fired, fmt.Sprint(o.Number, " ", o))
			return b.stops
		}))
	}
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// layout is the layout of the checkpoints in these tests: all files, also _metadata, are below
// chk-N.
type layout struct{}

func (l layout) Phase(kind faults.Kind, name, newName string) faults.Phase {
	_, number, inside := l.Checkpoint(name)
	switch own := strings.HasSuffix(name, fmt.Sprintf("/chk-%d", number)); {
	case !inside:
		return ""
	case own && kind == faults.Mkdir:
		return faults.Begin
	case kind == faults.Rename || kind == faults.SyncDir || (kind == faults.Put && strings.HasSuffix(name, "/_metadata")):
		return faults.Publish
	case strings.Contains(name, "_metadata"):
		return faults.Metadata
	}
	return faults.State
}

func (layout) Checkpoint(name string) (job string, number int64, ok bool) {
	job, rest, ok := strings.Cut(name, "/chk-")
	_, err := fmt.Sscanf(rest, "%d", &number)
	return job, number, ok && err == nil
}

// checkpoint writes a small checkpoint. It stops at the first error.
func (b *bench) checkpoint(dir string) error {
	if err := filesystem.WriteFile(b.files, dir+"/state", []byte("state")); err != nil {
		return err
	}
	return filesystem.WriteWhole(b.files, dir+"/_metadata", dir+"/._metadata.inprogress.x", []byte("metadata"))
}

func (b *bench) read(name string) string {
	data, err := filesystem.ReadFile(b.files, name, 1<<20)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// Every fault that changes operations fires, has the effect that it promises, and ends.
func TestEveryFaultOfOperations(t *testing.T) {
	seen := map[string]bool{} // the actions that were tested, by the names of their types
	for text, effect := range map[string]func(b *bench) string{
		`(Fail EIO (On (Any "*/chk-1/*")))`: func(b *bench) string {
			err := b.checkpoint("/c/chk-1")
			return want(errors.Is(err, syscall.EIO) && b.checkpoint("/c/chk-1") == nil, "EIO, then nothing", err)
		},
		`(Fail ENOSPC (On (Write "*/state" (Byte 3))))`: func(b *bench) string {
			err := b.checkpoint("/c/chk-1")
			return want(errors.Is(err, syscall.ENOSPC) && size(b, "/c/chk-1/state") == 0, "a full disk, and nothing written", err)
		},
		`(Drop (On (Sync "*/state")))`: func(b *bench) string {
			err := b.checkpoint("/c/chk-1")
			return want(errors.Is(err, syscall.EIO) && size(b, "/c/chk-1/state") == 0, "EIO, and nothing left", err)
		},
		`(Short 3 (On (Write "*/state")))`: func(b *bench) string {
			err := b.checkpoint("/c/chk-1")
			return want(errors.Is(err, syscall.ENOSPC) && size(b, "/c/chk-1/state") == 3, "a full disk after 3 bytes", err)
		},
		`(Flip 2 (On (Read "*/_metadata")))`: func(b *bench) string {
			err := b.checkpoint("/c/chk-1")
			first, second := b.read("/c/chk-1/_metadata"), b.read("/c/chk-1/_metadata")
			return want(err == nil && first == "meuadata" && second == "metadata", "one bit, once", err, first, second)
		},
		`(Truncate 4 (On (Get "*/_metadata")))`: func(b *bench) string {
			err := b.checkpoint("s3://b/chk-1")
			first, second := b.read("s3://b/chk-1/_metadata"), b.read("s3://b/chk-1/_metadata")
			return want(err == nil && first == "meta" && second == "metadata", "4 bytes, once", err, first, second)
		},
		`(Delay 50ms (On (Sync "*/chk-1/*")))`: func(b *bench) string {
			err := b.checkpoint("/c/chk-1")
			return want(err == nil && b.waited == 50*time.Millisecond, "50ms more", err, b.waited)
		},
		`(Lose (On (Put "*/_metadata")))`: func(b *bench) string {
			err := b.checkpoint("s3://b/chk-1")
			return want(errors.Is(err, tap.ErrLost) && size(b, "s3://b/chk-1/_metadata") == 8, "a lost answer, and the object", err)
		},
		`(Throttle 2 (On (Put "*")))`: func(b *bench) string {
			first, second, third := b.checkpoint("s3://b/chk-1"), b.checkpoint("s3://b/chk-1"), b.checkpoint("s3://b/chk-1")
			return want(errors.Is(first, tap.ErrThrottled) && errors.Is(second, tap.ErrThrottled) && third == nil, "503 twice", first, second, third)
		},
		`(Stale (On (List "*")))`: func(b *bench) string {
			err := b.checkpoint("/c/chk-1")
			first, _ := b.files.List("/c/chk-1")
			second, _ := b.files.List("/c/chk-1")
			return want(err == nil && len(first) == 1 && len(second) == 2, "a list without the newest, once", err, first, second)
		},
		`(Refuse (On (Put "*/_metadata")))`: func(b *bench) string {
			err := b.checkpoint("s3://b/chk-1")
			return want(errors.Is(err, fs.ErrExist) && size(b, "s3://b/chk-1/_metadata") < 0, "a refusal, and no object", err)
		},
		`(Leave (On (Put "*/chk-1/state")))`: func(b *bench) string {
			err := b.checkpoint("s3://b/chk-1")
			return want(errors.Is(err, syscall.EIO) && size(b, "s3://b/chk-1/state") < 0, "a failure, and no object", err)
		},
	} {
		fault, err := faults.Parse(text)
		must(t, err)
		seen[fmt.Sprintf("%T", fault.Action)] = true
		b := newBench(t, text)
		if wrong := effect(b); wrong != "" {
			t.Errorf("%s: %s", text, wrong)
		}
		if len(b.fired) != 1 {
			t.Errorf("%s: fired at %q", text, b.fired)
		}
	}
	for _, fault := range faults.Catalogue() {
		if fault.OfOperation() && !seen[fmt.Sprintf("%T", fault.Action)] {
			t.Errorf("%s is not tested", fault)
		}
	}
}

func want(holds bool, what string, got ...any) string {
	if holds {
		return ""
	}
	return fmt.Sprintf("want %s, got %v", what, got)
}

func size(b *bench, name string) int64 {
	entry, err := b.memory.Stat(name)
	if err != nil {
		return -1
	}
	return entry.Size
}

// If a process is stopped before an operation, the operation never happens. If it is stopped after
// the operation, the operation has happened.
func TestAStoppedProcessDoesNothingMore(t *testing.T) {
	for text, there := range map[string]bool{
		`(Kill taskmanager (Before (Rename "*/_metadata")))`: false,
		`(Kill taskmanager (After (Rename "*/_metadata")))`:  true,
	} {
		b := newBench(t, text)
		b.stops = true
		err := b.checkpoint("/c/chk-1")
		if !errors.Is(err, tap.ErrStopped) || (size(b, "/c/chk-1/_metadata") >= 0) != there {
			t.Errorf("%s: got %v, and a _metadata of %d bytes", text, err, size(b, "/c/chk-1/_metadata"))
		}
	}
}

func TestChangesAreNumberedAndWatched(t *testing.T) {
	b := newBench(t, `(Kill taskmanager (Before (Change (Nth 3))))`)
	var watched []string
	b.tap.Watch = func(o tap.Operation) {
		watched = append(watched, fmt.Sprintf("%d %s %s", o.Number, o.Kind, o.Phase))
	}
	must(t, b.checkpoint("/c/chk-1"))
	b.read("/c/chk-1/_metadata")
	got := strings.Join(watched, "; ")
	if want := "1 Create state; 2 Write state; 3 Sync state; 4 Close state; 5 Create metadata; 6 Write metadata; 7 Sync metadata; 8 Close metadata; 9 Rename publish; 10 SyncDir publish"; got != want {
		t.Errorf("want %s\ngot  %s", want, got)
	}
	if fmt.Sprint(b.fired) != "[3 Sync /c/chk-1/state]" {
		t.Errorf("fired at %q", b.fired)
	}
}

// A fault fires at the first operation at which the history meets the fault's condition. Here the
// history has four events of each kind.
func TestAnOperationWaitsForACondition(t *testing.T) {
	for condition, fires := range map[string]bool{
		`(Completed 4)`: true, `(Completed 5)`: false, `(And (Completed 4) (Not (Restored 5)))`: true, `(And (Completed 4) (Not (Restored 4)))`: false,
	} {
		b := newBench(t, `(Kill taskmanager (Before (Write "*" (Given `+condition+`))))`)
		must(t, b.checkpoint("/c/chk-1"))
		if (len(b.fired) == 1) != fires {
			t.Errorf("%s: fired at %q", condition, b.fired)
		}
	}
}

// The first step of a checkpoint is the creation of its directory. On an object store, which has no
// directories, the first step is the creation of the checkpoint's first object.
func TestStepsOfACheckpoint(t *testing.T) {
	for _, root := range []string{"/c", "s3://b"} {
		b := newBench(t, `(Kill taskmanager (After (Change (Step 2))))`)
		var steps []int
		b.tap.Watch = func(o tap.Operation) { steps = append(steps, o.Step) }
		for _, dir := range []string{root + "/0123456789abcdef0123456789abcdef/chk-1", root + "/0123456789abcdef0123456789abcdef/chk-2"} {
			must(t, b.files.MkdirAll(dir))
			must(t, b.checkpoint(dir))
		}
		want := "[1 2 3 4 5 6 7 8 9 10 11 1 2 3 4 5 6 7 8 9 10 11]"
		if root != "/c" {
			want = "[1 2 1 2]"
		}
		if fmt.Sprint(steps) != want || len(b.fired) != 1 {
			t.Errorf("%s: want %s, got %v, fired at %q", root, want, steps, b.fired)
		}
	}
}

func Example() {
	taps := tap.New(nil)
	files := taps.Files(filesystem.NewMemory(), "taskmanager-1", time.Sleep)
	fault, _ := faults.Parse(`(Fail ENOSPC (On (Write "*/state" (Nth 2))))`)
	_ = taps.Arm(fault, nil, func(o tap.Operation) bool {
		fmt.Println("fired at", o)
		return false
	})
	fmt.Println(filesystem.WriteFile(files, "/a/state", nil))
	_ = files.MkdirAll("/a")
	fmt.Println(filesystem.WriteFile(files, "/a/state", []byte("first")))
	fmt.Println(filesystem.WriteFile(files, "/b/state", []byte("second")))
	_ = files.MkdirAll("/b")
	fmt.Println(filesystem.WriteFile(files, "/b/state", []byte("second")))
	// Output:
	// create /a/state: file does not exist
	// <nil>
	// create /b/state: file does not exist
	// fired at Write /b/state
	// Write /b/state: no space left on device
}
