package storage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

const dir = "/checkpoints/0123456789abcdef0123456789abcdef"

// publish writes the `_metadata` of a checkpoint. Its only state, the text "state", is inline.
func publish(t testing.TB, files filesystem.FileSystem, id int64) (location string) {
	t.Helper()
	checkpoint := metadata.Checkpoint{Version: metadata.Version, ID: id, Properties: storage.RetainOnCancellation.Properties(), Operators: []metadata.Operator{{
		UID: "op", ID: metadata.NewOperatorID("op"), Parallelism: 1, MaxParallelism: 1,
		Subtasks: []metadata.Subtask{{ManagedOperator: &metadata.OperatorList{Stream: &metadata.ByteStream{Name: "s", Data: []byte("state")}}}},
	}}}
	encoded, err := metadata.Encode(checkpoint)
	must(t, err)
	location = filesystem.Join(dir, storage.CheckpointName(id))
	must(t, files.MkdirAll(location))
	must(t, filesystem.WriteFile(files, filesystem.Join(location, storage.MetadataName), encoded))
	return location
}

func TestTheNewestCheckpointIsByNumberAndHasMetadata(t *testing.T) {
	files := filesystem.NewMemory()
	for _, id := range []int64{2, 9, 10} {
		publish(t, files, id)
	}
	must(t, files.MkdirAll(dir+"/chk-11")) // a checkpoint in progress
	must(t, files.MkdirAll(dir+"/chk-012"))
	found, err := storage.CheckpointIDs(files, dir)
	must(t, err)
	if !slices.Equal(found, []int64{10, 9, 2}) {
		t.Errorf("got %v", found)
	}
}

func TestPointersThatLeadNowhere(t *testing.T) {
	files := filesystem.NewMemory()
	inProgress, broken := dir+"/chk-2", publish(t, files, 1)+"/broken"
	must(t, files.MkdirAll(inProgress))
	must(t, filesystem.WriteFile(files, broken, []byte("no metadata")))
	for pointer, want := range map[string]string{
		"":         "checkpoint: want a path or a URL, got nothing",
		"chk-1":    `checkpoint: "chk-1": want an absolute path, or a URL`,
		"/nowhere": `cannot find checkpoint "/nowhere": no such file or directory`,
		inProgress: "cannot find meta data file '_metadata' in directory",
		broken:     "magic number at offset 0: want 0x4960672d, got 0x6e6f206d",
	} {
		if _, err := storage.Resolve(files, pointer); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %s, got %v", pointer, want, err)
		}
	}
}

func TestDirectoriesAreValidatedByFlinksRules(t *testing.T) {
	for dir, want := range map[string]string{
		"/tmp/x":            `checkpoint directory "/tmp/x": the scheme is missing; write it out`,
		"":                  `checkpoint directory "": the scheme is missing`,
		"file:///":          `checkpoint directory "file:///": the root directory cannot hold checkpoints`,
		"s3://bucket":       "the root directory cannot hold checkpoints",
		"s3://bucket/":      "the root directory cannot hold checkpoints",
		"file:rel/path":     "want an absolute path after the scheme",
		"file://host/x":     "want no host in a file URL, got host",
		"hdfs:///x":         "", // Hadoop's configuration names the NameNode
		"s3:///x":           "want a bucket or a container after s3://",
		"hdfs://n:40010/x":  "",
		"file:///a":         "",
		"s3://bucket/a/b/c": "",
	} {
		_, err := storage.ParseDir(dir)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: want %q, got %v", dir, want, err)
		}
	}
}

func TestStateOfAnotherSizeThanRecordedIsAnError(t *testing.T) {
	files := filesystem.NewMemory()
	must(t, files.MkdirAll("/chk-1"))
	must(t, filesystem.WriteFile(files, "/chk-1/f", []byte("four")))
	for size, want := range map[int64]string{3: "want 3 bytes, got more", 4: "", 5: "want 5 bytes, got 4"} {
		_, err := storage.ReadState(files, "/chk-1", &metadata.RelativeFile{Path: "f", Size: size})
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), "/chk-1/f: "+want)) {
			t.Errorf("size %d: want %q, got %v", size, want, err)
		}
	}
	state, err := storage.ReadState(files, "/elsewhere", &metadata.Segment{Start: 1, Size: 2, Path: "file:/chk-1/f"})
	if err != nil || string(state) != "ou" {
		t.Errorf("a segment: got %q, %v", state, err)
	}
}

func TestWhatIsKeptAtTheEnd(t *testing.T) {
	// This is the table of Flink's CheckpointRetentionPolicy. Each row is a state of the job. Each
	// column is a retention mode.
	for ended, want := range map[storage.JobStatus][]bool{
		storage.Canceled:  {true, false, false},
		storage.Suspended: {true, false, false},
		storage.Failed:    {true, true, false},
		storage.Finished:  {false, false, false},
		storage.Running:   {true, true, true},
	} {
		for i, retention := range storage.Retentions() {
			if got := retention.Keeps(ended); got != want[i] {
				t.Errorf("%s, %s: want %v, got %v", ended, retention, want[i], got)
			}
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ExampleResolve() {
	files := filesystem.NewMemory()
	publish(&testing.T{}, files, 7)
	completed, _ := storage.Resolve(files, "file://"+dir+"/chk-7")
	for reference := range completed.Checkpoint.References() {
		state, _ := storage.ReadState(files, completed.Location, reference.Stream)
		fmt.Println(completed.Checkpoint.ID, string(state))
	}
	// Output: 7 state
}
