// Package filesystem is the one interface through which Snapback touches storage,
// and two of its implementations: [Local] for the machine's own directories and
// [Memory] for the simulator, which knows what a power loss would leave. Those for
// HDFS and for object stores are packages of their own; package schemes has them all
// behind one.
//
// It is not a general virtual file system: it has the operations that a
// checkpoint needs and no others, so that every one of them can be numbered,
// delayed, failed or lost by whoever stands between an engine and its storage.
//
// Start with [FileSystem].
package filesystem

import (
	"io"
	"time"
)

// FileSystem is a tree of files and directories. Names are absolute paths of the
// machine's own file system or, for another one, URLs without an escape, as in
// hdfs://namenode:40010/checkpoints or s3://bucket/checkpoints; see [ParseName]. A place
// may have several names; package place says which of them are one.
//
// Errors wrap [io/fs.ErrNotExist], [io/fs.ErrExist] and [io/fs.ErrPermission] where
// those apply. No operation waits forever for a server.
//
// What is NOT guaranteed: nothing survives a power loss until it was synced. A
// file's bytes need [File.Sync]; its name, a rename and a removal need
// [FileSystem.SyncDir] of the directory that holds the name. HDFS and object stores
// give more: there a name is durable with the operation that makes it.
type FileSystem interface {
	// Create makes a new file. It never replaces one, and does not make parent
	// directories: a writer that outlived its checkpoint must not resurrect it.
	// (Object stores have no directories, and say only at Close that a file exists.)
	Create(name string) (File, error)

	// CreatesWhole says whether a file that is created there appears at Close, whole
	// and durable, or never: the way of object stores, which cannot rename. Elsewhere
	// a half-written file is visible.
	CreatesWhole(name string) bool

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
	// Sync makes the bytes written so far durable, not the file's name. Where files
	// are created whole it does nothing: Close does it.
	Sync() error
	Close() error
	// Abort closes the file without completing it. What there is of it may stay;
	// where files are created whole nothing does. After Close it does nothing.
	Abort()
}

// Entry describes a file or a directory.
type Entry struct {
	Name      string // last element of the path
	Size      int64  // bytes; 0 for a directory
	Directory bool
	Modified  time.Time // zero if it is not known
	ID        FileID    // zero where the name alone says which file it is
	Link      bool      // a symbolic link, as [FileSystem.List] returns it; Stat follows links
}

// FileID identifies a file or directory of the machine's own file system, whatever name
// it was reached by: through links, or through several mounts of one directory.
type FileID struct{ Device, Inode uint64 }

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
	defer file.Abort()
	if _, err := file.Write(data); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return file.Close()
}

// WriteWhole creates a file that appears with all of its content or not at all, and makes
// it durable. Where files are not created whole it is written beside its place first,
// under the temporary name, in the same directory.
func WriteWhole(files FileSystem, name, temporary string, data []byte) error {
	if files.CreatesWhole(name) {
		return WriteFile(files, name, data)
	}
	if err := WriteFile(files, temporary, data); err != nil {
		return err
	}
	// From here on the file exists for whoever looks for it.
	if err := files.Rename(temporary, name); err != nil {
		return err
	}
	// Only after this does it also exist after a power loss.
	return files.SyncDir(Dir(name))
}

// MkdirDurably makes a directory and its missing parents, and their names durable.
func MkdirDurably(files FileSystem, dir string) error {
	var made []string
	for missing := dir; !IsRoot(missing); missing = Dir(missing) {
		_, err := files.Stat(missing)
		if err == nil {
			break
		}
		if err := IgnoreNotExist(err); err != nil {
			return err
		}
		made = append(made, missing)
	}
	if err := files.MkdirAll(dir); err != nil {
		return err
	}
	for _, name := range made {
		if err := files.SyncDir(Dir(name)); err != nil {
			return err
		}
	}
	return nil
}

// RemoveAll deletes a file or a directory with all that it holds. A name that
// does not exist is no error, so an interrupted removal can be repeated.
func RemoveAll(files FileSystem, name string) error {
	entry, err := files.Stat(name)
	if err != nil {
		return IgnoreNotExist(err)
	}
	if entry.Directory {
		held, err := files.List(name)
		if err != nil {
			return IgnoreNotExist(err)
		}
		for _, e := range held {
			if err := RemoveAll(files, Join(name, e.Name)); err != nil {
				return err
			}
		}
	}
	return IgnoreNotExist(files.Remove(name))
}

// Walk calls visit for everything below root, parents first and siblings by
// name, with paths relative to root. A root that does not exist is empty. What
// disappears during the walk is left out.
func Walk(files FileSystem, root string, visit func(relative string, entry Entry) error) error {
	return walk(files, root, "", visit)
}

func walk(files FileSystem, dir, prefix string, visit func(relative string, entry Entry) error) error {
	entries, err := files.List(dir)
	if err != nil {
		return IgnoreNotExist(err)
	}
	for _, entry := range entries {
		if err := visit(prefix+entry.Name, entry); err != nil {
			return err
		}
		if !entry.Directory {
			continue
		}
		if err := walk(files, Join(dir, entry.Name), prefix+entry.Name+"/", visit); err != nil {
			return err
		}
	}
	return nil
}
