package storage

import (
	"fmt"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// Limits of a [JobManagerCheckpointStorage], in bytes.
const (
	DefaultMaxStateSize = 5 << 20
	DefaultBudget       = 1 << 30
)

// JobManagerOptions are how a [JobManagerCheckpointStorage] differs from its defaults,
// which are those of [DefaultJobManagerOptions].
type JobManagerOptions struct {
	MaxStateSize int64 // bytes of one piece of state
	MessageMax   int64 // bytes of a message, which limits state whatever else is set
	Budget       int64 // bytes of the state of one checkpoint

	FlatDirectory bool // checkpoints go into the directory itself, not into one for each job
}

// DefaultJobManagerOptions are Flink's.
func DefaultJobManagerOptions() JobManagerOptions {
	return JobManagerOptions{MaxStateSize: DefaultMaxStateSize, MessageMax: DefaultMessageMax, Budget: DefaultBudget}
}

// JobManagerCheckpointStorage keeps state in the JobManager's memory, and loses it
// with the JobManager unless it has a directory: then `_metadata`, with all state in
// it, goes there.
type JobManagerCheckpointStorage struct {
	files     filesystem.FileSystem
	directory *jobDirectory // nil if there is none
	job       string
	options   JobManagerOptions
}

// NewJobManagerCheckpointStorage returns the storage of one job. It validates, and
// touches nothing. The directory is a URL, or empty; job is a job id.
func NewJobManagerCheckpointStorage(files filesystem.FileSystem, dir, job string, options JobManagerOptions) (*JobManagerCheckpointStorage, error) {
	if options.MaxStateSize <= 0 || options.MessageMax <= 0 || options.Budget <= 0 {
		return nil, fmt.Errorf("limits of the JobManager's checkpoint storage: want more than 0 bytes, got %d of state, %d of a message, %d in all",
			options.MaxStateSize, options.MessageMax, options.Budget)
	}
	s := &JobManagerCheckpointStorage{files: files, job: job, options: options}
	if dir == "" {
		return s, nil
	}
	directory, err := newJobDirectory(files, dir, job, options.FlatDirectory)
	if err != nil {
		return nil, err
	}
	s.directory = &directory
	return s, nil
}

// Prepare implements [CheckpointStorage]. There are no shared files, and no place for
// them.
func (s *JobManagerCheckpointStorage) Prepare() error {
	if s.directory == nil {
		return nil
	}
	if err := filesystem.MkdirDurably(s.files, s.directory.name); err != nil {
		return fmt.Errorf("prepare checkpoint storage: %w", err)
	}
	return nil
}

// Begin implements [CheckpointStorage].
func (s *JobManagerCheckpointStorage) Begin(id int64) (Target, error) {
	t := s.target()
	if s.directory == nil {
		return t, nil
	}
	var err error
	t.Location, err = s.directory.begin(id)
	return t, err
}

// BeginSavepoint implements [CheckpointStorage].
func (s *JobManagerCheckpointStorage) BeginSavepoint(dir, name string) (Target, error) {
	t := s.target()
	t.Savepoint = true
	var err error
	t.Location, err = beginSavepoint(s.files, dir, s.job, name)
	return t, err
}

func (s *JobManagerCheckpointStorage) target() Target {
	return Target{InlineMax: s.options.MaxStateSize, MessageMax: s.options.MessageMax, Budget: s.options.Budget}
}

// Complete implements [CheckpointStorage].
func (s *JobManagerCheckpointStorage) Complete(target Target, attempt string, checkpoint metadata.Checkpoint) (Completed, error) {
	if size := checkpoint.InlineSize(); size > s.options.Budget {
		return Completed{}, fmt.Errorf("complete %s: %w", CheckpointName(checkpoint.ID), &LimitError{
			Of: "the state of all operators together", Size: size, Limit: s.options.Budget, Name: "the JobManager's memory budget",
		})
	}
	if target.Location == "" {
		return Completed{Checkpoint: checkpoint}, nil
	}
	if err := publish(s.files, target.Location, attempt, checkpoint); err != nil {
		return Completed{}, err
	}
	return Completed{Location: target.Location, Checkpoint: checkpoint}, nil
}

// Find implements [CheckpointStorage].
func (s *JobManagerCheckpointStorage) Find() ([]Completed, error) {
	if s.directory == nil {
		return nil, nil
	}
	return s.directory.find()
}

// Forget implements [CheckpointStorage].
func (s *JobManagerCheckpointStorage) Forget(kept []Completed) error {
	if s.directory == nil {
		return nil
	}
	return s.directory.forget(kept)
}

// Sweep implements [CheckpointStorage].
func (s *JobManagerCheckpointStorage) Sweep(kept []Completed) error {
	if s.directory == nil {
		return nil
	}
	return s.directory.sweep(kept)
}

// LimitError is returned for state that is larger than where it is to go.
type LimitError struct {
	Of    string // which state
	Size  int64  // bytes
	Limit int64  // bytes
	Name  string // of the limit
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s is %d bytes, more than %s of %d; use a FileSystemCheckpointStorage: set execution.checkpointing.dir", e.Of, e.Size, e.Name, e.Limit)
}
