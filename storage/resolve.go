package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// Pointer says where a checkpoint is. It does not show whether the checkpoint can be read.
type Pointer struct {
	Location string // name of the checkpoint's directory
	Metadata string // name of the checkpoint's metadata file
}

// PointerTo returns the pointer to the checkpoint in a directory.
func PointerTo(location string) Pointer {
	return Pointer{Location: location, Metadata: filesystem.Join(location, MetadataName)}
}

// NotFoundError says that no checkpoint exists at the place that a user named.
type NotFoundError struct{ Why string }

func (e *NotFoundError) Error() string { return e.Why }

// UnreachableError says that storage could not be read, so that it is unknown whether the named
// checkpoint exists.
type UnreachableError struct {
	What string
	Err  error
}

func (e *UnreachableError) Error() string {
	var inner *fs.PathError
	if errors.As(e.Err, &inner) {
		return e.What + ": " + inner.Err.Error() // the field What already names the path
	}
	return e.What + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Find finds the checkpoint that a user names. It applies Flink's rule: the pointer is a path or a
// URL, and names either the directory of a checkpoint or its metadata file, which may have any
// name.
func Find(files filesystem.FileSystem, pointer string) (Pointer, error) {
	name, err := filesystem.ParseName(pointer)
	if err != nil {
		return Pointer{}, &NotFoundError{fmt.Sprintf("checkpoint: %v", err)}
	}
	entry, err := files.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Pointer{}, &NotFoundError{fmt.Sprintf("cannot find checkpoint %q: no such file or directory", pointer)}
	case err != nil:
		return Pointer{}, &UnreachableError{fmt.Sprintf("find checkpoint %q", pointer), err}
	case !entry.Directory:
		return Pointer{Location: filesystem.Dir(name), Metadata: name}, nil
	}
	found := PointerTo(name)
	_, err = files.Stat(found.Metadata)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Pointer{}, &NotFoundError{fmt.Sprintf("cannot find meta data file '%s' in directory %q: it holds no completed checkpoint", MetadataName, pointer)}
	case err != nil:
		return Pointer{}, &UnreachableError{fmt.Sprintf("find checkpoint %q", pointer), err}
	}
	return found, nil
}

// Read reads the checkpoint's metadata.
func (p Pointer) Read(files filesystem.FileSystem) (Completed, error) {
	data, err := filesystem.ReadFile(files, p.Metadata, metadata.SizeMax)
	if err != nil {
		return Completed{}, err
	}
	checkpoint, err := metadata.Decode(data)
	if err != nil {
		return Completed{}, fmt.Errorf("%s: %w", p.Metadata, err)
	}
	return Completed{Location: p.Location, Checkpoint: checkpoint}, nil
}

// Resolve finds and reads the checkpoint that a user names.
func Resolve(files filesystem.FileSystem, pointer string) (Completed, error) {
	found, err := Find(files, pointer)
	if err != nil {
		return Completed{}, err
	}
	completed, err := found.Read(files)
	if err != nil {
		return Completed{}, fmt.Errorf("find checkpoint %q: %w", pointer, err)
	}
	return completed, nil
}

// CheckpointIDs returns the ids of the checkpoints in a job's directory that have `_metadata`,
// newest first.
func CheckpointIDs(files filesystem.FileSystem, job string) ([]int64, error) {
	entries, err := files.List(job)
	if err != nil {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	var ids []int64
	for _, entry := range entries {
		id, ok := ParseCheckpointName(path.Base(entry.Name))
		if !ok {
			continue
		}
		if _, err := files.Stat(filesystem.Join(job, entry.Name, MetadataName)); err == nil {
			ids = append(ids, id)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("list checkpoints: %w", err)
		}
	}
	slices.SortFunc(ids, func(a, b int64) int { return int(b - a) })
	return ids, nil
}
