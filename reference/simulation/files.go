package simulation

import (
	"io"

	"github.com/snapback/snapback/storage/filesystem"
)

// slowFiles is the world's storage as one task sees it: each operation takes
// time, and happens at the end of that time or, if the process is killed
// meanwhile, never.
type slowFiles struct{ task *task }

func (s slowFiles) wait() filesystem.FileSystem {
	s.task.block(s.task.world.between(storageLatency))
	return s.task.world.files
}

func (s slowFiles) Create(name string) (filesystem.File, error) {
	file, err := s.wait().Create(name)
	if err != nil {
		return nil, err
	}
	return slowFile{s, file}, nil
}

func (s slowFiles) CreatesWhole(name string) bool                { return s.task.world.files.CreatesWhole(name) }
func (s slowFiles) Open(name string) (io.ReadCloser, error)      { return s.wait().Open(name) }
func (s slowFiles) Rename(oldName, newName string) error         { return s.wait().Rename(oldName, newName) }
func (s slowFiles) Remove(name string) error                     { return s.wait().Remove(name) }
func (s slowFiles) MkdirAll(name string) error                   { return s.wait().MkdirAll(name) }
func (s slowFiles) List(name string) ([]filesystem.Entry, error) { return s.wait().List(name) }
func (s slowFiles) Stat(name string) (filesystem.Entry, error)   { return s.wait().Stat(name) }
func (s slowFiles) SyncDir(name string) error                    { return s.wait().SyncDir(name) }

type slowFile struct {
	slowFiles
	file filesystem.File
}

func (f slowFile) Write(data []byte) (int, error) {
	f.wait()
	return f.file.Write(data)
}

func (f slowFile) Sync() error {
	f.wait()
	return f.file.Sync()
}

func (f slowFile) Close() error {
	f.wait()
	return f.file.Close()
}

func (f slowFile) Abort() {
	if !f.task.killed { // a deferred one, of a process that is no more
		f.file.Abort()
	}
}
