package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// FileSystemCheckpointStorage keeps the checkpoints of one job in a directory of
// a file system: state in files, and a `_metadata` file that refers to them.
type FileSystemCheckpointStorage struct {
	files filesystem.FileSystem
	job   string // path of {dir}/{job-id}
}

// NewFileSystemCheckpointStorage returns the storage of one job. It validates,
// and touches nothing. The directory is a URL; job is a job id.
func NewFileSystemCheckpointStorage(files filesystem.FileSystem, dir, job string) (*FileSystemCheckpointStorage, error) {
	root, err := ParseDir(dir)
	if err != nil {
		return nil, err
	}
	if !ValidJobID(job) {
		return nil, fmt.Errorf("job id: want 32 hexadecimal digits, got %q", job)
	}
	return &FileSystemCheckpointStorage{files: files, job: path.Join(root, job)}, nil
}

// Prepare makes the directories that all checkpoints of the job have in common,
// and their names durable. The checkpoint directory itself is the user's.
func (s *FileSystemCheckpointStorage) Prepare() error {
	for _, name := range []string{SharedName, TaskOwnedName} {
		if err := s.files.MkdirAll(path.Join(s.job, name)); err != nil {
			return fmt.Errorf("prepare checkpoint storage: %w", err)
		}
	}
	for _, dir := range []string{s.job, path.Dir(s.job)} {
		if err := s.files.SyncDir(dir); err != nil {
			return fmt.Errorf("prepare checkpoint storage: %w", err)
		}
	}
	return nil
}

// Begin makes the directory of a checkpoint and returns its path. A directory
// that exists belongs to an earlier run with the same job id, and is refused:
// Flink goes on, fails at the end, and deletes what the earlier run retained.
func (s *FileSystemCheckpointStorage) Begin(id int64) (string, error) {
	location := path.Join(s.job, CheckpointName(id))
	_, err := s.files.Stat(location)
	switch {
	case err == nil:
		return "", fmt.Errorf("begin %s: %s exists; it belongs to an earlier run of job %s", CheckpointName(id), location, path.Base(s.job))
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("begin %s: %w", CheckpointName(id), err)
	}
	if err := s.files.MkdirAll(location); err != nil {
		return "", fmt.Errorf("begin %s: %w", CheckpointName(id), err)
	}
	return location, nil
}

// WriteState writes one piece of exclusive state into a checkpoint's directory.
// When it returns the bytes are durable; the file's name is only after [Publish].
//
// FLINK-36421: synced before it is acknowledged.
func WriteState(files filesystem.FileSystem, location, name string, state []byte) (metadata.Handle, error) {
	if err := filesystem.WriteFile(files, path.Join(location, name), state); err != nil {
		return metadata.Handle{}, fmt.Errorf("write state: %w", err)
	}
	return metadata.Handle{File: name, Size: int64(len(state))}, nil
}

// ReadState reads a piece of state and checks that it has the size recorded.
func ReadState(files filesystem.FileSystem, location string, handle metadata.Handle) ([]byte, error) {
	name := path.Join(location, handle.File)
	state, err := filesystem.ReadFile(files, name, handle.Size)
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	if int64(len(state)) != handle.Size {
		return nil, fmt.Errorf("read state: %s: want %d bytes, got %d", name, handle.Size, len(state))
	}
	return state, nil
}

// Publish turns a directory of state files into a checkpoint. The attempt is a
// name for the temporary file that no other attempt uses.
//
// The order leaves no crash after which `_metadata` exists and something that it
// refers to does not.
func Publish(files filesystem.FileSystem, location, attempt string, checkpoint metadata.Checkpoint) error {
	if err := publish(files, location, attempt, checkpoint); err != nil {
		return fmt.Errorf("publish %s: %w", CheckpointName(checkpoint.ID), err)
	}
	return nil
}

func publish(files filesystem.FileSystem, location, attempt string, checkpoint metadata.Checkpoint) error {
	encoded, err := metadata.Encode(checkpoint)
	if err != nil {
		return err
	}
	// The state files' names and the checkpoint's own become durable first. A crash
	// here leaves a directory without `_metadata`, which is no checkpoint.
	if err := files.SyncDir(location); err != nil {
		return err
	}
	if err := files.SyncDir(path.Dir(location)); err != nil {
		return err
	}
	// FLINK-17808: written beside its place, so that half of it is never visible.
	temporary := path.Join(location, inProgressPrefix+attempt)
	if err := filesystem.WriteFile(files, temporary, encoded); err != nil {
		return err
	}
	// From here on the checkpoint exists for whoever looks for one.
	if err := files.Rename(temporary, path.Join(location, MetadataName)); err != nil {
		return err
	}
	// Only after this does it also exist after a power loss.
	return files.SyncDir(location)
}

// Discard deletes a completed checkpoint. It can be interrupted anywhere and
// repeated: `_metadata` goes first, so what is left of the directory is never
// taken for a checkpoint.
func Discard(files filesystem.FileSystem, location string, checkpoint metadata.Checkpoint) error {
	if err := discard(files, location, checkpoint); err != nil {
		return fmt.Errorf("discard %s: %w", CheckpointName(checkpoint.ID), err)
	}
	return nil
}

func discard(files filesystem.FileSystem, location string, checkpoint metadata.Checkpoint) error {
	remove := func(name string) error {
		err := files.Remove(path.Join(location, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := remove(MetadataName); err != nil {
		return err
	}
	// Its removal is durable before that of any state: no crash brings it back alone.
	if err := files.SyncDir(location); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, handle := range checkpoint.Files() {
		if err := remove(handle.File); err != nil {
			return err
		}
	}
	return remove("") // the directory itself
}

// Abandon deletes what there is of a checkpoint that was never completed. Its
// publish may have failed after `_metadata` was in place, so that goes first here
// too.
func Abandon(files filesystem.FileSystem, location string) error {
	if err := filesystem.RemoveAll(files, path.Join(location, MetadataName)); err != nil {
		return fmt.Errorf("abandon %s: %w", path.Base(location), err)
	}
	if err := filesystem.RemoveAll(files, location); err != nil {
		return fmt.Errorf("abandon %s: %w", path.Base(location), err)
	}
	return nil
}
