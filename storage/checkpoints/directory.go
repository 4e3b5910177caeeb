package checkpoints

import (
	"fmt"
	"slices"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// jobDirectory is the directory of one job's checkpoints.
type jobDirectory struct {
	files filesystem.FileSystem
	name  string // {dir}/{job-id}; in a flat directory, {dir}
	flat  bool   // true if several jobs may share the directory
}

func newJobDirectory(files filesystem.FileSystem, dir, job string, flat bool) (jobDirectory, error) {
	root, err := storage.ParseDir(dir)
	if err != nil {
		return jobDirectory{}, err
	}
	if !storage.ValidJobID(job) {
		return jobDirectory{}, fmt.Errorf("job id: want 32 hexadecimal digits, got %q", job)
	}
	if flat {
		return jobDirectory{files: files, name: root, flat: true}, nil
	}
	return jobDirectory{files: files, name: filesystem.Join(root, job)}, nil
}

// begin creates the directory of a checkpoint.
func (d jobDirectory) begin(id int64) (location string, err error) {
	location = filesystem.Join(d.name, storage.CheckpointName(id))
	if err := mustNotExist(d.files, location); err != nil {
		return "", fmt.Errorf("begin %s: %w", storage.CheckpointName(id), err)
	}
	if err := d.files.MkdirAll(location); err != nil {
		return "", fmt.Errorf("begin %s: %w", storage.CheckpointName(id), err)
	}
	return location, nil
}

// find reads the job's checkpoints that have `_metadata`, newest first.
func (d jobDirectory) find() ([]storage.Completed, error) {
	ids, err := storage.CheckpointIDs(d.files, d.name)
	if err != nil {
		return nil, filesystem.IgnoreNotExist(err)
	}
	var found []storage.Completed
	for _, id := range ids {
		read, err := storage.PointerTo(filesystem.Join(d.name, storage.CheckpointName(id))).Read(d.files)
		if err != nil {
			return nil, err
		}
		found = append(found, read)
	}
	return found, nil
}

// discardOthers discards the completed checkpoints that are not in the list "kept". In a flat
// directory a checkpoint may belong to another job, so discardOthers does nothing there.
func (d jobDirectory) discardOthers(kept []storage.Completed) error {
	if d.flat {
		return nil
	}
	found, err := d.find()
	if err != nil {
		return err
	}
	for _, c := range found {
		if slices.ContainsFunc(kept, func(k storage.Completed) bool { return k.Location == c.Location }) {
			continue
		}
		if err := DeleteDirectory(d.files, c.Location); err != nil {
			return fmt.Errorf("discard %s: %w", filesystem.URL(c.Location), err)
		}
	}
	return nil
}

// deleteUnreferenced deletes the files to which no checkpoint in the list "kept" refers. In a flat
// directory a file may belong to another job, so deleteUnreferenced does nothing there.
func (d jobDirectory) deleteUnreferenced(kept []storage.Completed) error {
	if d.flat {
		return nil
	}
	used, err := filesInUse(kept)
	if err != nil {
		return err
	}
	entries, err := d.files.List(d.name)
	if err != nil {
		return filesystem.IgnoreNotExist(err)
	}
	for _, entry := range entries {
		_, checkpoint := storage.ParseCheckpointName(entry.Name)
		if !entry.Directory || (!checkpoint && entry.Name != storage.SharedName) {
			continue // this is a seal, or a file that the engine did not write
		}
		directory := filesystem.Join(d.name, entry.Name)
		if err := d.deleteUnused(directory, used, checkpoint); err != nil {
			return fmt.Errorf("delete unreferenced files in %s: %w", filesystem.URL(directory), err)
		}
	}
	return nil
}

// filesInUse returns the names of the files that the kept checkpoints use, `_metadata` included.
func filesInUse(kept []storage.Completed) (map[string]bool, error) {
	used := map[string]bool{}
	for _, c := range kept {
		names, err := filesOf(c)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			used[name] = true
		}
		used[filesystem.Join(c.Location, storage.MetadataName)] = true
	}
	return used, nil
}

// deleteUnused deletes the unused files of one directory. The parameter "checkpoint" says whether
// this is the directory of a checkpoint. If it is true, an unused `_metadata` is deleted first, so
// that a crash leaves no checkpoint without its files. At the end the directory itself is deleted
// if it is empty.
func (d jobDirectory) deleteUnused(directory string, used map[string]bool, checkpoint bool) error {
	if checkpoint && !used[filesystem.Join(directory, storage.MetadataName)] {
		if err := unpublish(d.files, directory); err != nil {
			return err
		}
	}
	entries, err := d.files.List(directory)
	if err != nil {
		return filesystem.IgnoreNotExist(err)
	}
	left := 0
	for _, entry := range entries {
		name := filesystem.Join(directory, entry.Name)
		if used[name] || entry.Directory {
			left++
			continue
		}
		if err := filesystem.IgnoreNotExist(d.files.Remove(name)); err != nil {
			return err
		}
	}
	if checkpoint && left == 0 {
		return filesystem.IgnoreNotExist(d.files.Remove(directory))
	}
	return nil
}

// mustNotExist returns an error if the directory exists. Then an earlier run with the same job id
// has left it. (Flink writes into that directory, fails at the end, and deletes the checkpoint that
// the earlier run retained.)
func mustNotExist(files filesystem.FileSystem, location string) error {
	_, err := files.Stat(location)
	if err == nil {
		return fmt.Errorf("%s exists; it belongs to an earlier run of the job", location)
	}
	return filesystem.IgnoreNotExist(err)
}

func beginSavepoint(files filesystem.FileSystem, dir, job, name string) (location string, err error) {
	root, err := storage.ParseDir(dir)
	if err != nil {
		return "", fmt.Errorf("savepoint: %w", err)
	}
	location = filesystem.Join(root, fmt.Sprintf("savepoint-%.6s-%.12s", job, name))
	if err := mustNotExist(files, location); err != nil {
		return "", fmt.Errorf("savepoint: %w", err)
	}
	if err := filesystem.MkdirDurably(files, location); err != nil {
		return "", fmt.Errorf("savepoint: %w", err)
	}
	return location, nil
}
