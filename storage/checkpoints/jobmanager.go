package checkpoints

import (
	"fmt"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// Defaults of [JobManagerOptions], in bytes.
const (
	defaultMaxStateSize = 5 << 20
	defaultBudget       = 1 << 30
)

// JobManagerOptions configure a [JobManagerStorage]. Start from [DefaultJobManagerOptions].
type JobManagerOptions struct {
	MaxStateSize int64 // bytes of one piece of state
	MessageMax   int64 // bytes of a message to the JobManager; limits state too
	Budget       int64 // bytes of the state of one checkpoint

	FlatDirectory bool // checkpoints go into the directory itself, without a directory for each job
}

// DefaultJobManagerOptions returns Flink's defaults.
func DefaultJobManagerOptions() JobManagerOptions {
	return JobManagerOptions{MaxStateSize: defaultMaxStateSize, MessageMax: defaultMessageMax, Budget: defaultBudget}
}

// JobManagerStorage keeps state in the JobManager's memory. If it has a directory, it also writes
// `_metadata`, which holds all state, to that directory. Without a directory the state is lost
// with the JobManager.
type JobManagerStorage struct {
	files     filesystem.FileSystem
	directory *jobDirectory // nil without a directory
	job       string
	options   JobManagerOptions
}

// NewJobManagerStorage returns the storage of one job. It validates its arguments and does not
// access the file system. The directory is a URL, or empty; job is a job id.
func NewJobManagerStorage(files filesystem.FileSystem, dir, job string, options JobManagerOptions) (*JobManagerStorage, error) {
	if options.MaxStateSize <= 0 || options.MessageMax <= 0 || options.Budget <= 0 {
		return nil, fmt.Errorf("limits of the JobManager's checkpoint storage: want more than 0 bytes, got %d of state, %d of a message, %d in all",
			options.MaxStateSize, options.MessageMax, options.Budget)
	}
	s := &JobManagerStorage{files: files, job: job, options: options}
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

// Prepare implements [Storage]. It creates no directory for shared files, since there are none.
func (s *JobManagerStorage) Prepare() error {
	if s.directory == nil {
		return nil
	}
	if err := filesystem.MkdirDurably(s.files, s.directory.name); err != nil {
		return fmt.Errorf("prepare checkpoint storage: %w", err)
	}
	return nil
}

// Begin implements [Storage].
func (s *JobManagerStorage) Begin(id int64) (Target, error) {
	t := s.target()
	if s.directory == nil {
		return t, nil
	}
	var err error
	t.Location, err = s.directory.begin(id)
	return t, err
}

// BeginSavepoint implements [Storage].
func (s *JobManagerStorage) BeginSavepoint(dir, name string) (Target, error) {
	t := s.target()
	t.Savepoint = true
	var err error
	t.Location, err = beginSavepoint(s.files, dir, s.job, name)
	return t, err
}

func (s *JobManagerStorage) target() Target {
	return Target{InlineMax: s.options.MaxStateSize, MessageMax: s.options.MessageMax, Budget: s.options.Budget}
}

// Complete implements [Storage].
func (s *JobManagerStorage) Complete(target Target, attempt string, checkpoint metadata.Checkpoint) (storage.Completed, error) {
	if size := checkpoint.InlineSize(); size > s.options.Budget {
		return storage.Completed{}, fmt.Errorf("complete %s: %w", storage.CheckpointName(checkpoint.ID), &LimitError{
			Of: "the state of all operators together", Size: size, Limit: s.options.Budget, Name: "the JobManager's memory budget",
		})
	}
	if target.Location == "" {
		return storage.Completed{Checkpoint: checkpoint}, nil
	}
	if err := publish(s.files, target.Location, attempt, checkpoint); err != nil {
		return storage.Completed{}, err
	}
	return storage.Completed{Location: target.Location, Checkpoint: checkpoint}, nil
}

// Find implements [Storage].
func (s *JobManagerStorage) Find() ([]storage.Completed, error) {
	if s.directory == nil {
		return nil, nil
	}
	return s.directory.find()
}

// DiscardOthers implements [Storage].
func (s *JobManagerStorage) DiscardOthers(kept []storage.Completed) error {
	if s.directory == nil {
		return nil
	}
	return s.directory.discardOthers(kept)
}

// DeleteUnreferenced implements [Storage].
func (s *JobManagerStorage) DeleteUnreferenced(kept []storage.Completed) error {
	if s.directory == nil {
		return nil
	}
	return s.directory.deleteUnreferenced(kept)
}

// LimitError says that state is larger than its destination allows.
type LimitError struct {
	Of    string // the state that is too large
	Size  int64  // bytes
	Limit int64  // bytes
	Name  string // name of the limit
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s is %d bytes, more than %s of %d; use a FileSystemCheckpointStorage: set execution.checkpointing.dir", e.Of, e.Size, e.Name, e.Limit)
}
