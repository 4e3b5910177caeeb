package filesystem

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Local is the machine's own file system, as the operating system mounts it.
type Local struct{}

// Create implements [FileSystem].
func (Local) Create(name string) (File, error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return localFile{file}, nil
}

// localFile is a file that is open for writing. It does no harm to close the file twice.
type localFile struct{ *os.File }

func (f localFile) Abort() { _ = f.Close() }

// CreatesWhole implements [FileSystem].
func (Local) CreatesWhole(string) bool { return false }

// Open implements [FileSystem]. It returns an error for a pipe or a device, because a read from
// such a file may wait forever.
func (Local) Open(name string) (io.ReadCloser, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		return nil, Failure("open", name, errors.New("it is not a regular file"))
	}
	return os.Open(name)
}

// Rename implements [FileSystem].
func (Local) Rename(oldName, newName string) error { return os.Rename(oldName, newName) }

// Remove implements [FileSystem].
func (Local) Remove(name string) error { return os.Remove(name) }

// MkdirAll implements [FileSystem].
func (Local) MkdirAll(name string) error { return os.MkdirAll(name, 0o755) }

// List implements [FileSystem].
func (Local) List(name string) ([]Entry, error) {
	directory, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = directory.Close() }() // an error of Close does no harm, because the directory was only read
	entries := []Entry{}
	for {
		// Each call reads only a part of the directory, because a FileInfo needs more memory than
		// an Entry.
		held, err := directory.ReadDir(1 << 10)
		for _, h := range held {
			info, err := h.Info()
			if os.IsNotExist(err) {
				continue // the file was removed after the directory was read
			}
			if err != nil {
				return nil, err
			}
			entries = append(entries, entryOf(info))
		}
		if errors.Is(err, io.EOF) {
			slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Stat implements [FileSystem].
func (Local) Stat(name string) (Entry, error) {
	info, err := os.Stat(name)
	if err != nil {
		return Entry{}, err
	}
	return entryOf(info), nil
}

// SyncDir implements [FileSystem].
func (Local) SyncDir(name string) error {
	directory, err := os.Open(name)
	if err != nil {
		return err
	}
	if err := directory.Sync(); err != nil {
		_ = directory.Close() // the error of Sync says more than the error of Close
		return err
	}
	return directory.Close()
}

func entryOf(info os.FileInfo) Entry {
	entry := Entry{Name: info.Name(), Directory: info.IsDir(), Modified: info.ModTime(), Link: info.Mode()&os.ModeSymlink != 0}
	if !entry.Directory {
		entry.Size = info.Size()
	}
	if system, ok := info.Sys().(*syscall.Stat_t); ok {
		entry.ID = FileID{Device: uint64(system.Dev), Inode: system.Ino} //nolint:unconvert // Dev is an int32 on darwin
	}
	return entry
}
