package checkpoints_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// BenchmarkSmallDurableCheckpoints takes checkpoints with four state files of 1 kB. It discards
// each checkpoint when the next one is complete. After each checkpoint it writes the same files
// with plain system calls, and with the fewest syncs that give the same durability. It reports the
// ratio of the two speeds.
func BenchmarkSmallDurableCheckpoints(b *testing.B) {
	dir, files := b.TempDir(), filesystem.Local{}
	place, err := checkpoints.NewFileSystemStorage(files, "file://"+dir+"/ours", strings.Repeat("0a", 16), checkpoints.FileSystemOptions{MessageMax: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	if err := place.Prepare(); err != nil {
		b.Fatal(err)
	}
	kept := checkpoints.NewRegistry(files, 1)
	state := make([]byte, 1000)
	var size int
	var ours, raw time.Duration
	id := int64(0)
	for b.Loop() {
		id++
		began := time.Now()
		checkpoint, err := take(place, kept, files, id, state)
		if err != nil {
			b.Fatal(err)
		}
		ours += time.Since(began)
		if size == 0 {
			encoded, err := metadata.Encode(checkpoint)
			if err != nil {
				b.Fatal(err)
			}
			size = len(encoded)
		}
		began = time.Now()
		if err := takeRaw(filepath.Join(dir, "raw"), id, state, make([]byte, size)); err != nil {
			b.Fatal(err)
		}
		raw += time.Since(began)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(id)/ours.Seconds(), "checkpoints/s")
	b.ReportMetric(float64(id)/raw.Seconds(), "raw/s")
	b.ReportMetric(raw.Seconds()/ours.Seconds(), "ratio")
}

func take(place checkpoints.Storage, kept *checkpoints.Registry, files filesystem.FileSystem, id int64, state []byte) (metadata.Checkpoint, error) {
	target, err := place.Begin(id)
	if err != nil {
		return metadata.Checkpoint{}, err
	}
	operator := metadata.Operator{UID: "counter", Name: "counter", Parallelism: 4, MaxParallelism: 128}
	for i := range 4 {
		stream := target.Create(files, checkpoints.Exclusive, func() string { return fmt.Sprintf("%032x", i) })
		if _, err := stream.Write(state); err != nil {
			return metadata.Checkpoint{}, err
		}
		closed, err := stream.Close()
		if err != nil {
			return metadata.Checkpoint{}, err
		}
		operator.Subtasks = append(operator.Subtasks, metadata.Subtask{Index: int32(i), ManagedOperator: &metadata.OperatorList{Stream: closed}})
	}
	checkpoint := metadata.Checkpoint{Version: metadata.Version, ID: id, Properties: storage.RetainOnCancellation.Properties(), Operators: []metadata.Operator{operator}}
	done, err := place.Complete(target, "attempt", checkpoint)
	if err != nil {
		return checkpoint, err
	}
	subsumed, err := kept.Add(done)
	if err != nil {
		return checkpoint, err
	}
	for _, old := range subsumed {
		if err := kept.Discard(old); err != nil {
			return checkpoint, err
		}
	}
	return checkpoint, nil
}

// takeRaw takes one checkpoint with plain system calls, and then deletes the previous checkpoint.
func takeRaw(root string, id int64, state, encoded []byte) error {
	chk := filepath.Join(root, storage.CheckpointName(id))
	if err := os.MkdirAll(chk, 0o755); err != nil {
		return err
	}
	write := func(name string, data []byte) error {
		file, err := os.Create(filepath.Join(chk, name))
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // an error of Close does no harm, because the data was synced
		if _, err := file.Write(data); err != nil {
			return err
		}
		return file.Sync()
	}
	sync := func(dir string) error {
		opened, err := os.Open(dir)
		if err != nil {
			return err
		}
		defer func() { _ = opened.Close() }() // an error of Close does no harm, because the directory was only synced
		return opened.Sync()
	}
	for i := range 4 {
		if err := write(fmt.Sprint(i), state); err != nil {
			return err
		}
	}
	for _, dir := range []string{chk, root} {
		if err := sync(dir); err != nil {
			return err
		}
	}
	if err := write("._metadata", encoded); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(chk, "._metadata"), filepath.Join(chk, storage.MetadataName)); err != nil {
		return err
	}
	if err := sync(chk); err != nil {
		return err
	}
	before := filepath.Join(root, storage.CheckpointName(id-1))
	if err := os.Remove(filepath.Join(before, storage.MetadataName)); err == nil {
		if err := sync(before); err != nil {
			return err
		}
	}
	return os.RemoveAll(before)
}
