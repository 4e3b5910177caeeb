package storage_test

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

const job = "0123456789abcdef0123456789abcdef"

func checkpointed(t *testing.T, files filesystem.FileSystem, id int64) string {
	t.Helper()
	place, err := storage.NewFileSystemCheckpointStorage(files, "file:///checkpoints", job)
	must(t, err)
	must(t, place.Prepare())
	location, err := place.Begin(id)
	must(t, err)
	handle, err := storage.WriteState(files, location, "state-0", []byte("state"))
	must(t, err)
	must(t, storage.Publish(files, location, "0", describe(id, handle)))
	return location
}

func describe(id int64, handle metadata.Handle) metadata.Checkpoint {
	return metadata.Checkpoint{ID: id, Operators: []metadata.Operator{
		{UID: "counter", Parallelism: 1, Subtasks: []metadata.Subtask{{State: handle}}},
	}}
}

func TestPublishedCheckpointIsFoundByDirectoryFileAndURL(t *testing.T) {
	files := filesystem.NewMemory()
	location := checkpointed(t, files, 3)
	for _, pointer := range []string{location, location + "/_metadata", "file://" + location, "file://" + location + "/_metadata"} {
		found, err := storage.Resolve(files, pointer)
		must(t, err)
		state, err := storage.ReadState(files, found.Location, found.Checkpoint.Files()[0])
		must(t, err)
		if found.Checkpoint.ID != 3 || string(state) != "state" {
			t.Errorf("%s: want checkpoint 3 with its state, got %d with %q", pointer, found.Checkpoint.ID, state)
		}
	}
}

func TestNewestCompletedCheckpointIsByNumberAndHasMetadata(t *testing.T) {
	files := filesystem.NewMemory()
	for _, id := range []int64{2, 9, 10} {
		checkpointed(t, files, id)
	}
	must(t, files.MkdirAll(path.Join("/checkpoints", job, "chk-11"))) // begun, never completed
	must(t, files.MkdirAll(path.Join("/checkpoints", job, "chk-012")))
	ids, err := storage.CompletedCheckpoints(files, path.Join("/checkpoints", job))
	must(t, err)
	if !slices.Equal(ids, []int64{10, 9, 2}) {
		t.Errorf("want [10 9 2], got %v", ids)
	}
}

func TestARetainedCheckpointOfAnEarlierRunIsNotOverwritten(t *testing.T) {
	files := filesystem.NewMemory()
	checkpointed(t, files, 1)
	place, err := storage.NewFileSystemCheckpointStorage(files, "file:///checkpoints", job)
	must(t, err)
	if _, err := place.Begin(1); err == nil || !strings.Contains(err.Error(), "belongs to an earlier run") {
		t.Errorf("want a refusal, got %v", err)
	}
}

// interrupted fails from its n-th mutation on, as a killed process would.
type interrupted struct {
	*filesystem.Memory
	left int
}

func (i *interrupted) Remove(name string) error {
	if i.left--; i.left < 0 {
		return io.ErrClosedPipe
	}
	return i.Memory.Remove(name)
}

func TestDiscardCanBeInterruptedAnywhereAndRepeated(t *testing.T) {
	for n := range 4 {
		files := filesystem.NewMemory()
		location := checkpointed(t, files, 1)
		found, err := storage.Resolve(files, location)
		must(t, err)

		err = storage.Discard(&interrupted{files, n}, location, found.Checkpoint)
		if finished := n >= 3; finished != (err == nil) { // _metadata, state-0, the directory
			t.Fatalf("interrupted at %d: got %v", n, err)
		}
		if _, err := storage.Resolve(files, location); n > 0 && err == nil {
			t.Errorf("interrupted at %d: half a checkpoint is taken for a whole one", n)
		}
		must(t, storage.Discard(files, location, found.Checkpoint))
		if _, err := files.Stat(location); err == nil {
			t.Errorf("interrupted at %d, then repeated: %s is still there", n, location)
		}
	}
}

// A publish that fails at its last step is undone like a discard.
func TestAbandonTakesMetadataFirst(t *testing.T) {
	files := filesystem.NewMemory()
	location := checkpointed(t, files, 1) // state-0 would go before _metadata by name
	must(t, filesystem.WriteFile(files, path.Join(location, "0"), nil))
	if err := storage.Abandon(&interrupted{files, 1}, location); err == nil {
		t.Fatal("it was not interrupted")
	}
	if _, err := storage.Resolve(files, location); err == nil {
		t.Error("half a checkpoint is taken for a whole one")
	}
	must(t, storage.Abandon(files, location))
}

func TestBadDirectoriesAreRefused(t *testing.T) {
	for dir, wanted := range map[string]string{
		"/tmp/x":            "the scheme is missing",
		"file:///":          "the root directory cannot hold checkpoints",
		"file:rel/path":     "want an absolute path",
		"file://host/x":     "want no host in a file URL, got host; write file:///host/x for a local path",
		"nosuch://x/y":      "want the scheme file, got nosuch",
		"file:///a\x7f":     "invalid control character",
		"file:///a/../../.": "the root directory cannot hold checkpoints",
	} {
		if _, err := storage.ParseDir(dir); err == nil || !strings.Contains(err.Error(), wanted) {
			t.Errorf("%q: want an error with %q, got %v", dir, wanted, err)
		}
	}
}

func TestBadPointersAreRefused(t *testing.T) {
	files := filesystem.NewMemory()
	must(t, files.MkdirAll("/empty"))
	must(t, filesystem.WriteFile(files, "/torn", []byte("{")))
	for pointer, wanted := range map[string]string{
		"":         "want a path or a URL, got nothing",
		"/nowhere": `cannot find checkpoint "/nowhere": no such file or directory`,
		"/empty":   `cannot find meta data file '_metadata' in directory "/empty"`,
		"/torn":    `find checkpoint "/torn": decode _metadata at offset`,
	} {
		if _, err := storage.Resolve(files, pointer); err == nil || !strings.Contains(err.Error(), wanted) {
			t.Errorf("%q: want an error with %q, got %v", pointer, wanted, err)
		}
	}
}

func TestRetention(t *testing.T) {
	for mode, keeps := range map[storage.Retention][3]bool{ // canceled, failed, finished
		storage.RetainOnCancellation:     {true, true, false},
		storage.DeleteOnCancellation:     {false, true, false},
		storage.NoExternalizedCheckpoint: {false, false, false},
	} {
		for i, status := range []storage.JobStatus{storage.Canceled, storage.Failed, storage.Finished} {
			if mode.Keeps(status) != keeps[i] {
				t.Errorf("%s, %s: want keeps = %v", mode, status, keeps[i])
			}
		}
		if !mode.Keeps(storage.Running) {
			t.Errorf("%s lets go of the checkpoints of a running job", mode)
		}
	}
	for _, bad := range []string{"KEEP", "retain_on_cancellation", ""} {
		if mode, err := storage.ParseRetention(bad); err == nil {
			t.Errorf("%q was taken for %s", bad, mode)
		}
	}
}

func TestStateOfTheWrongSizeIsRefused(t *testing.T) {
	files := filesystem.NewMemory()
	must(t, filesystem.WriteFile(files, "/state", []byte("four")))
	for _, size := range []int64{3, 5} {
		if _, err := storage.ReadState(files, "/", metadata.Handle{File: "state", Size: size}); err == nil {
			t.Errorf("4 bytes were accepted for %d", size)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ExamplePublish() {
	files := filesystem.NewMemory()
	place, _ := storage.NewFileSystemCheckpointStorage(files, "file:///checkpoints", job)
	_ = place.Prepare()
	location, _ := place.Begin(1)
	handle, _ := storage.WriteState(files, location, "state-0", []byte("state"))
	_ = storage.Publish(files, location, "0", describe(1, handle))
	_ = filesystem.Walk(files, "/checkpoints/"+job, func(name string, _ filesystem.Entry) error {
		fmt.Println(name)
		return nil
	})
	// Output:
	// chk-1
	// chk-1/_metadata
	// chk-1/state-0
	// shared
	// taskowned
}
