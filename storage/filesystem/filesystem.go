// Package filesystem is the one interface through which Snapback's engine code
// touches storage, and its implementations: [Local] for a real directory tree
// and [Memory] for the simulator.
//
// It is not a general virtual file system: it has the operations that a
// checkpoint needs and no others, so that every one of them can be numbered,
// delayed, failed or lost by whoever stands between an engine and its storage.
//
// Start with [FileSystem].
package filesystem

import (
	"io"
	"path"
	"strings"
)

// FileSystem is a tree of files and directories. Names are slash-separated
// absolute paths.
//
// Errors wrap [io/fs.ErrNotExist] and [io/fs.ErrExist] where those apply.
//
// What is NOT guaranteed: nothing survives a power loss until it was synced. A
// file's bytes need [File.Sync]; its name, a rename and a removal need
// [FileSystem.SyncDir] of the directory that holds the name.
type FileSystem interface {
	// Create makes a new file. It never replaces one, and does not make parent
	// directories: a writer that outlived its checkpoint must not resurrect it.
	Create(name string) (File, error)

	// Open reads a file from its beginning.
	Open(name string) (io.ReadCloser, error)

	// Rename moves a file atomically, replacing newName if it exists.
	Rename(oldName, newName string) error

	// Remove deletes a file or an empty directory.
	Remove(name string) error

	// MkdirAll makes a directory and its missing parents. A directory that
	// exists is no error.
	MkdirAll(name string) error

	// List returns what a directory holds, sorted by name.
	List(name string) ([]Entry, error)

	// Stat describes one file or directory.
	Stat(name string) (Entry, error)

	// SyncDir makes durable the names that a directory holds.
	SyncDir(name string) error
}

// File is a file being written. It is not safe for concurrent use. Closing it
// does not make it durable.
type File interface {
	io.Writer
	// Sync makes the bytes written so far durable, not the file's name.
	Sync() error
	Close() error
}

// Entry describes a file or a directory.
type Entry struct {
	Name      string // last element of the path
	Size      int64  // bytes; 0 for a directory
	Directory bool
}

// ReadFile reads a whole file of at most limit bytes. A longer file is an
// error, not a short read.
func ReadFile(files FileSystem, name string, limit int64) ([]byte, error) {
	reader, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = reader.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(reader, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &TooLargeError{Name: name, Limit: limit}
	}
	return data, nil
}

// WriteFile creates a file with the given content and makes its bytes, not its
// name, durable.
func WriteFile(files FileSystem, name string, data []byte) error {
	file, err := files.Create(name)
	if err != nil {
		return err
	}
	if _, err := file.Write(data); err != nil {
		_ = file.Close() // the write's error says more
		return err
	}
	if err := file.Sync(); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

// RemoveAll deletes a file or a directory with all that it holds. A name that
// does not exist is no error, so an interrupted removal can be repeated.
func RemoveAll(files FileSystem, name string) error {
	entry, err := files.Stat(name)
	if err != nil {
		return ignoreNotExist(err)
	}
	if entry.Directory {
		held, err := files.List(name)
		if err != nil {
			return ignoreNotExist(err)
		}
		for _, e := range held {
			if err := RemoveAll(files, path.Join(name, e.Name)); err != nil {
				return err
			}
		}
	}
	return ignoreNotExist(files.Remove(name))
}

// Walk calls visit for everything below root, parents first and siblings by
// name, with paths relative to root. A root that does not exist is empty. What
// disappears during the walk is left out.
func Walk(files FileSystem, root string, visit func(relative string, entry Entry) error) error {
	entries, err := files.List(root)
	if err != nil {
		return ignoreNotExist(err)
	}
	for _, entry := range entries {
		if err := visit(entry.Name, entry); err != nil {
			return err
		}
		if !entry.Directory {
			continue
		}
		below := func(relative string, e Entry) error { return visit(path.Join(entry.Name, relative), e) }
		if err := Walk(files, path.Join(root, entry.Name), below); err != nil {
			return err
		}
	}
	return nil
}

func clean(name string) string {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	return path.Clean(name)
}
