package audit

import (
	"errors"
	"fmt"
	"slices"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// find returns the checkpoint that a user names. If the place is not a checkpoint, but contains
// checkpoints, the error describes these checkpoints.
func (a *Auditor) find(pointer string) (storage.Pointer, error) {
	name, err := a.name(pointer)
	if err != nil {
		return storage.Pointer{}, &storage.NotFoundError{Why: fmt.Sprintf("checkpoint: %v", err)}
	}
	if parsed, _ := filesystem.ParseName(pointer); parsed != name {
		pointer = filesystem.URL(name) // a move from --rebase has replaced the name
	}
	found, err := storage.Find(a.Files, pointer)
	var none *storage.NotFoundError
	if errors.As(err, &none) {
		if text := a.below(name); text != "" {
			return storage.Pointer{}, &storage.NotFoundError{Why: fmt.Sprintf("%q is not a checkpoint, but holds %s", pointer, text)}
		}
	}
	return found, err
}

// below describes the checkpoints in a job's directory, or the jobs in a checkpoint directory. The
// text is empty if the directory contains no checkpoints and no jobs.
func (a *Auditor) below(dir string) string {
	entries, err := a.Files.List(dir)
	if err != nil {
		return ""
	}
	var ids []int64
	jobs := 0
	for _, entry := range entries {
		id, ok := storage.ParseCheckpointName(entry.Name)
		if _, err := a.Files.Stat(filesystem.Join(dir, entry.Name, storage.MetadataName)); ok && err == nil {
			ids = append(ids, id)
		}
		if entry.Directory && storage.ValidJobID(entry.Name) {
			jobs++
		}
	}
	slices.Sort(ids)
	switch n := len(ids); {
	case n == 0 && jobs == 0:
		return ""
	case n == 0:
		return fmt.Sprintf("directories of %d jobs: see snapback ls %s", jobs, filesystem.URL(dir))
	case n == 1:
		return filesystem.URL(filesystem.Join(dir, storage.CheckpointName(ids[0])))
	default:
		return fmt.Sprintf("%d checkpoints, from %s to %s: see snapback ls %s", n, storage.CheckpointName(ids[0]), storage.CheckpointName(ids[n-1]), filesystem.URL(dir))
	}
}

// read finds and reads the checkpoint that a user names.
func (a *Auditor) read(pointer string) (storage.Pointer, storage.Completed, error) {
	found, err := a.find(pointer)
	if err != nil {
		return storage.Pointer{}, storage.Completed{}, err
	}
	completed, err := found.Read(a.Files)
	if err != nil {
		err = fmt.Errorf("read checkpoint %q: %w", pointer, err)
	}
	return found, completed, err
}
