package checkpoints

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// Registry knows the completed checkpoints that one job keeps, and which of these checkpoints uses
// which file. A file stays as long as a checkpoint refers to the file, whatever the file's
// directory is. Only the job's coordinator uses the registry.
type Registry struct {
	files    filesystem.FileSystem
	retained int
	kept     []storage.Completed // the checkpoints that the job keeps, oldest first
	origin   *storage.Completed  // checkpoint from which the job was restored and which the job must not delete; else nil

	users     map[string]map[int64]bool // for each file name, the ids of the checkpoints that refer to the file
	unclaimed map[string]bool           // files that the job must not delete
	garbage   []string                  // files that must be deleted, because no checkpoint refers to them
	emptied   []string                  // directories of discarded checkpoints; each is deleted when it is empty
}

// NewRegistry returns the registry of a job. The parameter retained is the number of checkpoints
// that the job keeps: always the newest.
func NewRegistry(files filesystem.FileSystem, retained int) *Registry {
	return &Registry{files: files, retained: retained, users: map[string]map[int64]bool{}, unclaimed: map[string]bool{}}
}

// Restore registers the checkpoint from which the job is restored. In the mode CLAIM, the job keeps
// this checkpoint and discards it later, like its own. In any other mode, the job never deletes it
// or its files.
func (r *Registry) Restore(from storage.Completed, mode storage.ClaimMode) error {
	if mode == storage.Claim {
		r.kept = append(r.kept, from)
		if err := r.spareSiblings(from, []storage.Completed{from}); err != nil {
			return err
		}
		return r.register(from)
	}
	r.origin = &from
	return r.spare(from)
}

// Recover registers the checkpoints that an earlier JobManager of the job kept, oldest first. If
// the job was restored from a checkpoint, call Recover after [Registry.Restore].
func (r *Registry) Recover(kept []storage.Completed) error {
	r.kept = slices.Clone(kept)
	for _, c := range kept {
		// The job may have claimed this checkpoint. Then it may share files with checkpoints that
		// the job did not claim.
		if err := r.spareSiblings(c, kept); err != nil {
			return err
		}
		if err := r.register(c); err != nil {
			return err
		}
	}
	return nil
}

// Kept returns the checkpoints that the job keeps, oldest first.
func (r *Registry) Kept() []storage.Completed { return slices.Clone(r.kept) }

// Latest returns the checkpoint from which the job recovers. The result ok is false if no such
// checkpoint exists.
func (r *Registry) Latest() (latest storage.Completed, ok bool) {
	if len(r.kept) > 0 {
		return r.kept[len(r.kept)-1], true
	}
	if r.origin != nil {
		return *r.origin, true
	}
	return storage.Completed{}, false
}

// Add keeps a checkpoint and returns the older checkpoints that it subsumes. The registry does not
// keep the subsumed checkpoints any more, and the caller discards them.
func (r *Registry) Add(completed storage.Completed) (subsumed []storage.Completed, err error) {
	if err := r.register(completed); err != nil {
		return nil, err
	}
	r.kept = append(r.kept, completed)
	n := max(0, len(r.kept)-r.retained)
	subsumed = slices.Clone(r.kept[:n])
	r.kept = slices.Delete(r.kept, 0, n)
	return subsumed, nil
}

// ShutDown returns the checkpoints that must be discarded when the job has ended in the given
// state. All other checkpoints stay on storage, and no job owns them any more.
func (r *Registry) ShutDown(ended storage.JobStatus, retention storage.Retention) (discarded []storage.Completed) {
	if !retention.Keeps(ended) {
		discarded = r.kept
	}
	r.kept = nil
	return discarded
}

// register records which files a checkpoint refers to.
func (r *Registry) register(c storage.Completed) error {
	names, err := filesOf(c)
	if err != nil {
		return err
	}
	for _, name := range names {
		if r.users[name] == nil {
			r.users[name] = map[int64]bool{}
		}
		r.users[name][c.Checkpoint.ID] = true
	}
	return nil
}

// filesOf lists the names of the files that a checkpoint refers to, except files in the task-owned
// directory.
func filesOf(c storage.Completed) ([]string, error) {
	taskOwned := filesystem.Join(filesystem.Dir(c.Location), storage.TaskOwnedName)
	var names []string
	for reference := range c.Checkpoint.References() {
		name, _, err := storage.FileOf(c.Location, reference.Stream)
		if err != nil {
			return nil, err
		}
		if name != "" && filesystem.Dir(name) != taskOwned {
			names = append(names, name)
		}
	}
	return names, nil
}

// Discard deletes a checkpoint that the job does not keep any more, and the files to which only
// this checkpoint refers. `_metadata` is deleted first, so that a crash leaves no checkpoint
// without its files. If a deletion fails, the next call of Discard tries that deletion again.
//
// (Flink deletes the shared files first. If it crashes before it deletes `_metadata`, an old
// checkpoint stays that has `_metadata` but cannot be restored.)
func (r *Registry) Discard(c storage.Completed) error {
	if err := r.discard(c); err != nil {
		return fmt.Errorf("discard %s: %w", storage.CheckpointName(c.Checkpoint.ID), err)
	}
	return nil
}

func (r *Registry) discard(c storage.Completed) error {
	if c.Location != "" {
		if err := unpublish(r.files, c.Location); err != nil {
			return err // an error here means that the checkpoint is still whole
		}
		if !slices.Contains(r.emptied, c.Location) {
			r.emptied = append(r.emptied, c.Location)
		}
	}
	r.release(c.Checkpoint.ID)
	return r.deleteGarbage()
}

// release ends a checkpoint's use of its files.
func (r *Registry) release(id int64) {
	for _, name := range slices.Sorted(maps.Keys(r.users)) {
		users := r.users[name]
		if !users[id] {
			continue
		}
		delete(users, id)
		if len(users) == 0 {
			delete(r.users, name)
			// FLINK-26985: the job does not own the files of an unclaimed checkpoint.
			if !r.unclaimed[name] {
				r.garbage = append(r.garbage, name)
			}
		}
	}
}

// DeleteAborted deletes the files that tasks wrote and acknowledged for a checkpoint that was then
// aborted. A file stays if a completed checkpoint refers to the file.
func (r *Registry) DeleteAborted(location string, written metadata.Checkpoint) error {
	names, err := filesOf(storage.Completed{Location: location, Checkpoint: written})
	if err != nil {
		return err
	}
	for _, name := range names {
		// FLINK-25395: a completed checkpoint may refer to the file by now.
		if r.users[name] == nil && !r.unclaimed[name] && !slices.Contains(r.garbage, name) {
			r.garbage = append(r.garbage, name)
		}
	}
	return r.deleteGarbage()
}

// deleteGarbage deletes the files to which no checkpoint refers, and then each emptied directory.
func (r *Registry) deleteGarbage() error {
	var failed error
	remove := func(name string) bool {
		err := filesystem.IgnoreNotExist(r.files.Remove(name))
		failed = errors.Join(failed, err)
		return err == nil
	}
	r.garbage = slices.DeleteFunc(r.garbage, remove)
	r.emptied = slices.DeleteFunc(r.emptied, func(location string) bool {
		held, err := r.files.List(location)
		if err == nil && len(held) > 0 {
			return false // the directory contains files that are still in use
		}
		return remove(location)
	})
	return failed
}
