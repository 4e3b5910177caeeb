// Package schemes combines all file systems into one. It chooses the file system by the scheme and
// host of a name. It accepts every name of a place; see package place.
//
// Start with [New].
package schemes

import (
	"io"
	"sync"
	"syscall"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/hdfs"
	"github.com/snapback/snapback/storage/filesystem/object"
	"github.com/snapback/snapback/storage/filesystem/place"
)

// FileSystem is a [filesystem.FileSystem] for names of all schemes. It connects to a store when a
// caller first uses a name on this store. It is safe for concurrent use.
type FileSystem struct {
	places *place.Places
	mu     sync.Mutex
	opened map[string]filesystem.FileSystem // open file systems; the key is the first result of [filesystem.Split]
}

// New returns a file system that compares names without any configuration from the environment.
func New() *FileSystem { return At(&place.Places{}) }

// At returns a file system that compares names and finds NameNodes with the given places.
func At(places *place.Places) *FileSystem {
	return &FileSystem{places: places, opened: map[string]filesystem.FileSystem{"": filesystem.Local{}}}
}

// on returns the file system that contains the named file. It opens the file system at its first
// use.
func (f *FileSystem) on(name string) (filesystem.FileSystem, error) {
	on, _ := filesystem.Split(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if opened := f.opened[on]; opened != nil {
		return opened, nil
	}
	opened, err := f.open(name, on)
	if err != nil {
		return nil, err
	}
	f.opened[on] = opened
	return opened, nil
}

func (f *FileSystem) open(name, on string) (filesystem.FileSystem, error) {
	store, _ := filesystem.Split(f.places.Name(name))
	switch filesystem.Scheme(store) {
	case "hdfs":
		addresses, err := f.places.NameNodes(on)
		if err != nil {
			return nil, &place.UnknownError{Name: name, Err: err}
		}
		return hdfs.Open(on, addresses)
	case "s3", "gs", "azblob":
		return object.Open(on, store)
	}
	return nil, &place.UnknownError{Name: name}
}

// Create implements [filesystem.FileSystem].
func (f *FileSystem) Create(name string) (filesystem.File, error) {
	files, err := f.on(name)
	if err != nil {
		return nil, err
	}
	return files.Create(name)
}

// CreatesWhole implements [filesystem.FileSystem].
func (f *FileSystem) CreatesWhole(name string) bool {
	files, err := f.on(name)
	return err == nil && files.CreatesWhole(name)
}

// Open implements [filesystem.FileSystem].
func (f *FileSystem) Open(name string) (io.ReadCloser, error) {
	files, err := f.on(name)
	if err != nil {
		return nil, err
	}
	return files.Open(name)
}

// Rename implements [filesystem.FileSystem]. It fails if the two names are on different stores.
func (f *FileSystem) Rename(oldName, newName string) error {
	files, err := f.on(oldName)
	if err != nil {
		return err
	}
	from, _ := filesystem.Split(f.places.Name(oldName))
	if to, _ := filesystem.Split(f.places.Name(newName)); from != to {
		return filesystem.Failure("rename", oldName, syscall.EXDEV)
	}
	return files.Rename(oldName, newName)
}

// Remove implements [filesystem.FileSystem].
func (f *FileSystem) Remove(name string) error {
	files, err := f.on(name)
	if err != nil {
		return err
	}
	return files.Remove(name)
}

// MkdirAll implements [filesystem.FileSystem].
func (f *FileSystem) MkdirAll(name string) error {
	files, err := f.on(name)
	if err != nil {
		return err
	}
	return files.MkdirAll(name)
}

// List implements [filesystem.FileSystem].
func (f *FileSystem) List(name string) ([]filesystem.Entry, error) {
	files, err := f.on(name)
	if err != nil {
		return nil, err
	}
	return files.List(name)
}

// Stat implements [filesystem.FileSystem].
func (f *FileSystem) Stat(name string) (filesystem.Entry, error) {
	files, err := f.on(name)
	if err != nil {
		return filesystem.Entry{}, err
	}
	return files.Stat(name)
}

// SyncDir implements [filesystem.FileSystem].
func (f *FileSystem) SyncDir(name string) error {
	files, err := f.on(name)
	if err != nil {
		return err
	}
	return files.SyncDir(name)
}
