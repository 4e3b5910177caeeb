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

// Retained is a completed checkpoint found on storage.
type Retained struct {
	Location   string // path of the directory that holds `_metadata`
	Checkpoint metadata.Checkpoint
}

// Resolve finds the checkpoint that a pointer names: the directory of a
// checkpoint or its `_metadata` file, as a path or a URL.
func Resolve(files filesystem.FileSystem, pointer string) (Retained, error) {
	name, err := pointerPath(pointer)
	if err != nil {
		return Retained{}, err
	}
	entry, err := files.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Retained{}, fmt.Errorf("cannot find checkpoint %q: no such file or directory", pointer)
	case err != nil:
		return Retained{}, fmt.Errorf("find checkpoint %q: %w", pointer, err)
	}
	location := path.Dir(name)
	if entry.Directory {
		location, name = name, path.Join(name, MetadataName)
	}
	data, err := filesystem.ReadFile(files, name, metadata.SizeMax)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Retained{}, fmt.Errorf("cannot find meta data file '%s' in directory %q: it holds no completed checkpoint", MetadataName, pointer)
	case err != nil:
		return Retained{}, fmt.Errorf("find checkpoint %q: %w", pointer, err)
	}
	checkpoint, err := metadata.Decode(data)
	if err != nil {
		return Retained{}, fmt.Errorf("find checkpoint %q: %w", pointer, err)
	}
	return Retained{Location: location, Checkpoint: checkpoint}, nil
}

// CompletedCheckpoints returns the ids of the checkpoints in the directory of a
// job that have `_metadata`, newest first.
func CompletedCheckpoints(files filesystem.FileSystem, job string) ([]int64, error) {
	entries, err := files.List(job)
	if err != nil {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	var ids []int64
	for _, entry := range entries {
		id, ok := ParseCheckpointName(entry.Name)
		if !ok {
			continue
		}
		if _, err := files.Stat(path.Join(job, entry.Name, MetadataName)); err == nil {
			ids = append(ids, id)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("list checkpoints: %w", err)
		}
	}
	slices.SortFunc(ids, func(a, b int64) int { return int(b - a) })
	return ids, nil
}
