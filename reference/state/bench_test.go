package state_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// BenchmarkThroughput writes and syncs 1 GiB of keyed state with two subtasks, in values of 64 KiB,
// and reads it back. Between these rounds it measures the disk: it writes two files in pieces of 64
// KiB, syncs them, and reads them.
func BenchmarkThroughput(b *testing.B) {
	const subtasks, values, valueSize = 2, 8192, 64 << 10
	dir := b.TempDir()
	files := filesystem.Local{}
	value := make([]byte, valueSize)
	for i := range value {
		value[i] = byte(i * 7)
	}
	var all [subtasks]*state.Subtask
	for i := range all {
		all[i] = keyed(state.Full, i*groups/subtasks, (i+1)*groups/subtasks-1)
		for n := range values {
			group := i*groups/subtasks + n%(groups/subtasks)
			all[i].Keyed.SetKey(int32(n), group)
			all[i].Keyed.Value("value").Set(value)
		}
	}
	parallel := func(work func(i int) error) time.Duration {
		began := time.Now()
		var wait sync.WaitGroup
		for i := range subtasks {
			wait.Go(func() {
				if err := work(i); err != nil {
					b.Error(err)
				}
			})
		}
		wait.Wait()
		return time.Since(began)
	}
	var ours, raw, restored, read time.Duration
	rounds := 0
	for b.Loop() {
		rounds++
		chk := filepath.Join(dir, fmt.Sprintf("chk-%d", rounds))
		if err := os.MkdirAll(chk, 0o755); err != nil {
			b.Fatal(err)
		}
		target := checkpoints.Target{Exclusive: chk, Shared: chk, WriteBuffer: checkpoints.DefaultFileSystemOptions().WriteBuffer}
		var handles [subtasks]metadata.Subtask
		write := func() {
			ours += parallel(func(i int) (err error) {
				handles[i], err = all[i].Snapshot(int64(rounds), state.Checkpoint).Write(files, target, func() string { return fmt.Sprintf("state-%d", i) })
				return err
			})
		}
		writeRaw := func() {
			raw += parallel(func(i int) error { return rawWrite(filepath.Join(chk, fmt.Sprintf("raw-%d", i)), value, values) })
		}
		if rounds%2 == 0 { // so that neither write nor writeRaw is always first
			writeRaw()
			write()
		} else {
			write()
			writeRaw()
		}
		restored += parallel(func(i int) error {
			again := keyed(state.Full, i*groups/subtasks, (i+1)*groups/subtasks-1)
			return again.Restore(files, state.Restore{Restored: true, Location: chk, Keyed: []metadata.KeyedHandle{handles[i].ManagedKeyed}})
		})
		read += parallel(func(i int) error {
			file, err := os.Open(filepath.Join(chk, fmt.Sprintf("raw-%d", i)))
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }() // an error does not matter, because the file was only read
			_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, file, make([]byte, valueSize))
			return err
		})
		if err := os.RemoveAll(chk); err != nil {
			b.Fatal(err)
		}
	}
	speed := func(took time.Duration) float64 {
		return float64(rounds) * subtasks * values * valueSize / took.Seconds() / 1e6
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(speed(ours), "write-MB/s")
	b.ReportMetric(speed(raw), "raw-write-MB/s")
	b.ReportMetric(raw.Seconds()/ours.Seconds(), "write-ratio")
	b.ReportMetric(speed(restored), "restore-MB/s")
	b.ReportMetric(speed(read), "raw-read-MB/s")
}

func rawWrite(name string, piece []byte, pieces int) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // an error does not matter, because the data were synced
	for range pieces {
		if _, err := file.Write(piece); err != nil {
			return err
		}
	}
	return file.Sync()
}
