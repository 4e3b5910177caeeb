package storage

import (
	"fmt"
	"strings"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// Bounds of the options of a [FileSystemCheckpointStorage], in bytes.
const (
	DefaultInlineMax   = 20 << 10
	InlineMaxMax       = 1 << 20
	DefaultWriteBuffer = 4 << 10
	DefaultMessageMax  = 10 << 20
	DefaultEntropySize = 4 // characters
)

// FileSystemOptions are how a [FileSystemCheckpointStorage] differs from its defaults,
// which are those of [DefaultFileSystemOptions].
type FileSystemOptions struct {
	InlineMax   int64  // bytes; state up to this size goes into `_metadata`
	WriteBuffer int    // bytes collected before they are written; at least InlineMax are
	MessageMax  int64  // bytes of a message to the JobManager
	EntropyKey  string // part of the directory that is replaced by random characters
	EntropySize int    // how many

	FlatDirectory bool // checkpoints go into the directory itself, not into one for each job
}

// DefaultFileSystemOptions are Flink's.
func DefaultFileSystemOptions() FileSystemOptions {
	return FileSystemOptions{
		InlineMax: DefaultInlineMax, WriteBuffer: DefaultWriteBuffer, MessageMax: DefaultMessageMax, EntropySize: DefaultEntropySize,
	}
}

func (o FileSystemOptions) validate() error {
	switch {
	case o.InlineMax < 0 || o.InlineMax > InlineMaxMax:
		return fmt.Errorf("inline threshold: want 0 to %d bytes, got %d", InlineMaxMax, o.InlineMax)
	case o.WriteBuffer < 0:
		return fmt.Errorf("write buffer: want 0 bytes or more, got %d", o.WriteBuffer)
	case o.EntropyKey != "" && o.EntropySize < 1:
		return fmt.Errorf("entropy: want 1 character or more, got %d", o.EntropySize)
	}
	return nil
}

// FileSystemCheckpointStorage keeps the checkpoints of one job in a directory of
// a file system: state in files, and a `_metadata` file that refers to them. State
// of little size goes into `_metadata` itself.
type FileSystemCheckpointStorage struct {
	directory jobDirectory // where `_metadata` goes
	data      string       // where state goes: the same, but for an entropy key
	job       string
	options   FileSystemOptions
}

// NewFileSystemCheckpointStorage returns the storage of one job. It validates,
// and touches nothing. The directory is a URL; job is a job id.
func NewFileSystemCheckpointStorage(files filesystem.FileSystem, dir, job string, options FileSystemOptions) (*FileSystemCheckpointStorage, error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	// The key is never part of the path of `_metadata`, so that it can be found.
	directory, err := newJobDirectory(files, removeEntropy(dir, options.EntropyKey), job, options.FlatDirectory)
	if err != nil {
		return nil, err
	}
	s := &FileSystemCheckpointStorage{directory: directory, data: directory.name, job: job, options: options}
	// FLINK-25952: what matters is whether there is a key, not whether there could be.
	if options.EntropyKey == "" || !strings.Contains(dir, options.EntropyKey) {
		s.options.EntropyKey = ""
		return s, nil
	}
	data, err := newJobDirectory(files, dir, job, options.FlatDirectory)
	s.data = data.name
	return s, err
}

func removeEntropy(dir, key string) string {
	if key == "" {
		return dir
	}
	return strings.Replace(strings.Replace(dir, key+"/", "", 1), key, "", 1)
}

// Prepare implements [CheckpointStorage].
func (s *FileSystemCheckpointStorage) Prepare() error {
	for _, name := range []string{SharedName, TaskOwnedName} {
		if err := filesystem.MkdirDurably(s.directory.files, filesystem.Join(s.directory.name, name)); err != nil {
			return fmt.Errorf("prepare checkpoint storage: %w", err)
		}
	}
	return nil
}

// Begin implements [CheckpointStorage].
func (s *FileSystemCheckpointStorage) Begin(id int64) (Target, error) {
	location, err := s.directory.begin(id)
	if err != nil {
		return Target{}, err
	}
	t := s.target()
	t.Location = location
	t.Exclusive = filesystem.Join(s.data, CheckpointName(id))
	t.Shared = filesystem.Join(s.data, SharedName)
	t.TaskOwned = filesystem.Join(s.data, TaskOwnedName)
	t.EntropyKey = s.options.EntropyKey
	return t, nil
}

// BeginSavepoint implements [CheckpointStorage].
func (s *FileSystemCheckpointStorage) BeginSavepoint(dir, name string) (Target, error) {
	location, err := beginSavepoint(s.directory.files, dir, s.job, name)
	if err != nil {
		return Target{}, err
	}
	t := s.target()
	t.Location, t.Exclusive, t.Shared, t.TaskOwned, t.Savepoint = location, location, location, location, true
	return t, nil
}

func (s *FileSystemCheckpointStorage) target() Target {
	return Target{
		InlineMax: s.options.InlineMax, WriteBuffer: s.options.WriteBuffer, MessageMax: s.options.MessageMax, EntropySize: s.options.EntropySize,
	}
}

// Complete implements [CheckpointStorage].
func (s *FileSystemCheckpointStorage) Complete(target Target, attempt string, checkpoint metadata.Checkpoint) (Completed, error) {
	if err := publish(s.directory.files, target.Location, attempt, checkpoint); err != nil {
		return Completed{}, err
	}
	return Completed{Location: target.Location, Checkpoint: checkpoint}, nil
}

// Find implements [CheckpointStorage].
func (s *FileSystemCheckpointStorage) Find() ([]Completed, error) { return s.directory.find() }

// Forget implements [CheckpointStorage].
func (s *FileSystemCheckpointStorage) Forget(kept []Completed) error { return s.directory.forget(kept) }

// Sweep implements [CheckpointStorage].
func (s *FileSystemCheckpointStorage) Sweep(kept []Completed) error {
	if s.options.EntropyKey != "" {
		return nil // its files may be anywhere
	}
	return s.directory.sweep(kept)
}
