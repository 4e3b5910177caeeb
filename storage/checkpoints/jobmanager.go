package checkpoints

import (
	"fmt"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// Defaults of [JobManagerOptions]. Each is a number of bytes.
const (
	defaultMaxStateSize = 5 << 20
	defaultBudget       = 1 << 30
)

// JobManagerOptions configure a [JobManagerStorage]. Start from [DefaultJobManagerOptions].
type JobManagerOptions struct {
	MaxStateSize int64 // largest piece of state, in bytes
	// The largest message to the JobManager, in bytes. State travels in such a message, so this
	// limits state too.
	MessageMax int64
	Budget     int64 // largest total of one checkpoint's state, in bytes

	FlatDirectory bool // if true, checkpoints go into the directory itself, without a subdirectory for each job
}

// DefaultJobManagerOptions returns Flink's defaults.
func DefaultJobManagerOptions() JobManagerOptions {
	return JobManagerOptions{MaxStateSize: defaultMaxStateSize, MessageMax: defaultMessageMax, Budget: defaultBudget}
}

// JobManagerStorage keeps state in the JobManager's memory. If the storage has a directory, it also
// writes `_metadata`, which contains all state, to that directory. Without a directory the state is
// lost when the JobManager dies.
type JobManagerStorage struct {
	files     filesystem.FileSystem
	directory *jobDirectory // nil if the storage has no directory
	job       string
	options   JobManagerOptions
}

// NewJobManagerStorage returns the checkpoint storage of one job. It validates its arguments and
// does not access the file system. The parameter dir is a URL, or empty for a storage without a
// directory. The parameter job is a job id.
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

// Prepare implements [Storage]. It creates no directory for shared files, because this storage
// writes no shared files.
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

// LimitError says that a piece of state, or all state of a checkpoint, is larger than a limit.
type LimitError struct {
	Of    string // which state is too large
	Size  int64  // size of that state in bytes
	Limit int64  // the limit in bytes
	Name  string // name of the limit
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s is %d bytes, more than %s of %d; use a FileSystemCheckpointStorage: set execution.checkpointing.dir", e.Of, e.Size, e.Name, e.Limit)
}
