// Package filesystem defines one interface to storage, [FileSystem]. Snapback uses storage only
// through this interface. The package has two implementations. [Local] is the machine's own file
// system. [Memory] is for the simulator, and models what a power loss leaves. HDFS and object
// stores have packages of their own. Package schemes combines all implementations into one.
//
// It is not a general virtual file system. It has only the operations that a checkpoint needs. So
// the tap, which stands between an engine and its storage, can number, delay, fail or lose each
// operation.
//
// Start with [FileSystem].
package filesystem

import (
	"io"
	"time"
)

// FileSystem is a tree of files and directories. A name is an absolute path on the machine's own
// file system, or a URL on another file system. A URL contains no escapes such as %20:
// hdfs://namenode:40010/checkpoints or s3://bucket/checkpoints; see [ParseName]. One file may have
// several names. Package place says which names mean the same place.
//
// If an error means the same as [io/fs.ErrNotExist], [io/fs.ErrExist] or [io/fs.ErrPermission], it
// wraps that error. No operation waits forever for a server.
//
// What is NOT guaranteed: a change survives a power loss only after a sync. For a file's bytes, the
// sync is [File.Sync]. For a file's name, a rename and a removal, the sync is [FileSystem.SyncDir]
// of the directory that contains the name. HDFS and object stores guarantee more: an operation on a
// name is durable when it returns.
type FileSystem interface {
	// Create creates a new file. It never replaces a file and never creates parent directories. So
	// a writer that still runs after its checkpoint was deleted cannot create the checkpoint's
	// directory again. An object store has no directories. There, an existing file becomes an error
	// only in Close.
	Create(name string) (File, error)

	// CreatesWhole says how a new file under this name appears. If it is true, the file appears
	// only when Close succeeds, and is then complete and durable. Object stores, which cannot
	// rename, do this. If it is false, readers can see a half-written file.
	CreatesWhole(name string) bool

	// Open opens a file for reading from its beginning.
	Open(name string) (io.ReadCloser, error)

	// Rename moves a file atomically. If newName exists, Rename replaces it.
	Rename(oldName, newName string) error

	// Remove deletes a file or an empty directory.
	Remove(name string) error

	// MkdirAll creates a directory and its missing parents. It succeeds if the directory exists.
	MkdirAll(name string) error

	// List returns the entries of a directory, sorted by name.
	List(name string) ([]Entry, error)

	// Stat describes one file or directory.
	Stat(name string) (Entry, error)

	// SyncDir makes the names in a directory durable: after it they survive a power loss.
	SyncDir(name string) error
}

// File is a file that is open for writing. It is not safe for concurrent use. Close does not make
// the file durable.
type File interface {
	io.Writer
	// Sync makes the bytes written so far durable. It does not make the file's name durable. Where
	// [FileSystem.CreatesWhole] is true, Sync does nothing, and Close makes the file durable.
	Sync() error
	Close() error
	// Abort closes the file without completing it. A part of the file may stay on storage. Where
	// [FileSystem.CreatesWhole] is true, no part stays. After Close, Abort does nothing.
	Abort()
}

// Entry describes a file or a directory.
type Entry struct {
	Name      string // the last element of the path
	Size      int64  // size in bytes; 0 for a directory
	Directory bool
	Modified  time.Time // time of the last change; zero if unknown
	ID        FileID    // zero if only the name identifies the file
	Link      bool      // whether this is a symbolic link; only [FileSystem.List] reports links, because Stat follows them
}

// FileID identifies a file or directory of the machine's own file system. One file may have several
// names: links, and paths through different mounts of one directory. All these names have the same
// FileID.
type FileID struct{ Device, Inode uint64 }

// ReadFile reads a whole file. If the file has more than limit bytes, ReadFile returns an error,
// and never a part of the file.
func ReadFile(files FileSystem, name string, limit int64) ([]byte, error) {
	reader, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = reader.Close() }() // an error of Close does no harm, because the file was only read
	data, err := io.ReadAll(io.LimitReader(reader, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &TooLargeError{Name: name, Limit: limit}
	}
	return data, nil
}

// WriteFile creates a file with the given content. It makes the file's bytes durable, but not the
// file's name.
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

// WriteWhole creates a durable file. Readers see the file with all of its content or do not see it.
// Where [FileSystem.CreatesWhole] is false, WriteWhole first writes the file under the temporary
// name and then renames the file. Both names must be in one directory.
func WriteWhole(files FileSystem, name, temporary string, data []byte) error {
	if files.CreatesWhole(name) {
		return WriteFile(files, name, data)
	}
	if err := WriteFile(files, temporary, data); err != nil {
		return err
	}
	// After this rename, readers find the file.
	if err := files.Rename(temporary, name); err != nil {
		return err
	}
	// After this sync, the file also survives a power loss.
	return files.SyncDir(Dir(name))
}

// MkdirDurably creates a directory and its missing parents, and makes their names durable.
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

// RemoveAll deletes a file, or a directory and everything below it. It succeeds if the name does
// not exist, so a caller can repeat RemoveAll after an interruption.
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

// Walk calls the function visit for each file and directory below root. It visits a directory
// before the directory's content, and the entries of one directory in the order of their names. The
// paths are relative to root. If root does not exist, Walk visits nothing. If a directory
// disappears during the walk, Walk treats the directory as empty.
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
