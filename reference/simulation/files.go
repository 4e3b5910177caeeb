package simulation

import (
	"fmt"
	"io"
	"syscall"

	"github.com/snapback/snapback/storage/filesystem"
)

// slowFiles is the world's storage for one task. Each operation takes time and happens at the end
// of that time. If the process is killed meanwhile, the operation never happens.
type slowFiles struct{ task *task }

// do waits and then does an operation. If the operation kills its own process, do never returns. If
// the connections to storage are reset while do waits, the operation fails.
func do[T any](s slowFiles, operation func(filesystem.FileSystem) (T, error)) (T, error) {
	t := s.task
	resets := t.world.network.resets
	t.block(t.world.between(storageLatency) + t.world.network.lag[StorageLink])
	for t.world.network.cut[StorageLink] {
		t.block(cutRetry)
	}
	if t.world.network.resets > resets {
		var none T
		return none, fmt.Errorf("storage: %w", syscall.ECONNRESET)
	}
	result, err := operation(t.files)
	t.refuseIfKilled()
	return result, err
}

func done(s slowFiles, operation func(filesystem.FileSystem) error) error {
	_, err := do(s, func(files filesystem.FileSystem) (struct{}, error) { return struct{}{}, operation(files) })
	return err
}

func (s slowFiles) CreatesWhole(name string) bool { return s.task.files.CreatesWhole(name) }

func (s slowFiles) Create(name string) (filesystem.File, error) {
	file, err := do(s, func(files filesystem.FileSystem) (filesystem.File, error) { return files.Create(name) })
	if err != nil {
		return nil, err
	}
	return slowFile{s, file}, nil
}

func (s slowFiles) Open(name string) (io.ReadCloser, error) {
	return do(s, func(files filesystem.FileSystem) (io.ReadCloser, error) { return files.Open(name) })
}

func (s slowFiles) Rename(oldName, newName string) error {
	return done(s, func(files filesystem.FileSystem) error { return files.Rename(oldName, newName) })
}

func (s slowFiles) Remove(name string) error {
	return done(s, func(files filesystem.FileSystem) error { return files.Remove(name) })
}

func (s slowFiles) MkdirAll(name string) error {
	return done(s, func(files filesystem.FileSystem) error { return files.MkdirAll(name) })
}

func (s slowFiles) List(name string) ([]filesystem.Entry, error) {
	return do(s, func(files filesystem.FileSystem) ([]filesystem.Entry, error) { return files.List(name) })
}

func (s slowFiles) Stat(name string) (filesystem.Entry, error) {
	return do(s, func(files filesystem.FileSystem) (filesystem.Entry, error) { return files.Stat(name) })
}

func (s slowFiles) SyncDir(name string) error {
	return done(s, func(files filesystem.FileSystem) error { return files.SyncDir(name) })
}

type slowFile struct {
	slowFiles
	file filesystem.File
}

func (f slowFile) Write(data []byte) (int, error) {
	return do(f.slowFiles, func(filesystem.FileSystem) (int, error) { return f.file.Write(data) })
}

func (f slowFile) Sync() error {
	return done(f.slowFiles, func(filesystem.FileSystem) error { return f.file.Sync() })
}

func (f slowFile) Close() error {
	return done(f.slowFiles, func(filesystem.FileSystem) error { return f.file.Close() })
}

func (f slowFile) Abort() {
	if !f.task.killed { // a deferred Abort of a killed process does nothing
		f.file.Abort()
	}
}
