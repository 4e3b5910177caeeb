package checkpoints

import (
	"fmt"
	"strings"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// Defaults and limits of [FileSystemOptions]. Each is a number of bytes, except the entropy size.
const (
	defaultInlineMax   = 20 << 10
	inlineMaxMax       = 1 << 20
	defaultWriteBuffer = 4 << 10
	defaultMessageMax  = 10 << 20
	defaultEntropySize = 4 // number of characters
)

// FileSystemOptions configure a [FileSystemStorage]. Start from [DefaultFileSystemOptions].
type FileSystemOptions struct {
	InlineMax   int64  // largest state, in bytes, that goes into `_metadata` and not into a file
	WriteBuffer int    // size of the write buffer in bytes; if InlineMax is larger, the buffer has that size
	MessageMax  int64  // largest message to the JobManager, in bytes
	EntropyKey  string // part of the directory's name that is replaced by random characters
	EntropySize int    // number of random characters that replace the entropy key

	FlatDirectory bool // if true, checkpoints go into the directory itself, without a subdirectory for each job
}

// DefaultFileSystemOptions returns Flink's defaults.
func DefaultFileSystemOptions() FileSystemOptions {
	return FileSystemOptions{
		InlineMax: defaultInlineMax, WriteBuffer: defaultWriteBuffer, MessageMax: defaultMessageMax, EntropySize: defaultEntropySize,
	}
}

func (o FileSystemOptions) validate() error {
	switch {
	case o.InlineMax < 0 || o.InlineMax > inlineMaxMax:
		return fmt.Errorf("inline threshold: want 0 to %d bytes, got %d", inlineMaxMax, o.InlineMax)
	case o.WriteBuffer < 0:
		return fmt.Errorf("write buffer: want 0 bytes or more, got %d", o.WriteBuffer)
	case o.EntropyKey != "" && o.EntropySize < 1:
		return fmt.Errorf("entropy: want 1 character or more, got %d", o.EntropySize)
	}
	return nil
}

// FileSystemStorage keeps the checkpoints of one job in a directory of a file system. State goes
// to files, and `_metadata` refers to them. Small state goes into `_metadata` itself.
type FileSystemStorage struct {
	directory jobDirectory // the directory for `_metadata`
	data      string       // the directory for state: the same name, but with the entropy key
	job       string
	options   FileSystemOptions
}

// NewFileSystemStorage returns the checkpoint storage of one job. It validates its arguments and
// does not access the file system. The parameter dir is a URL. The parameter job is a job id.
func NewFileSystemStorage(files filesystem.FileSystem, dir, job string, options FileSystemOptions) (*FileSystemStorage, error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	// The entropy key is removed from the path of `_metadata`, so that readers know the path.
	directory, err := newJobDirectory(files, removeEntropy(dir, options.EntropyKey), job, options.FlatDirectory)
	if err != nil {
		return nil, err
	}
	s := &FileSystemStorage{directory: directory, data: directory.name, job: job, options: options}
	// FLINK-25952: entropy applies only if the directory's name contains the key.
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

// Prepare implements [Storage].
func (s *FileSystemStorage) Prepare() error {
	for _, name := range []string{storage.SharedName, storage.TaskOwnedName} {
		if err := filesystem.MkdirDurably(s.directory.files, filesystem.Join(s.directory.name, name)); err != nil {
			return fmt.Errorf("prepare checkpoint storage: %w", err)
		}
	}
	return nil
}

// Begin implements [Storage].
func (s *FileSystemStorage) Begin(id int64) (Target, error) {
	location, err := s.directory.begin(id)
	if err != nil {
		return Target{}, err
	}
	t := s.target()
	t.Location = location
	t.Exclusive = filesystem.Join(s.data, storage.CheckpointName(id))
	t.Shared = filesystem.Join(s.data, storage.SharedName)
	t.TaskOwned = filesystem.Join(s.data, storage.TaskOwnedName)
	t.EntropyKey = s.options.EntropyKey
	return t, nil
}

// BeginSavepoint implements [Storage].
func (s *FileSystemStorage) BeginSavepoint(dir, name string) (Target, error) {
	location, err := beginSavepoint(s.directory.files, dir, s.job, name)
	if err != nil {
		return Target{}, err
	}
	t := s.target()
	t.Location, t.Exclusive, t.Shared, t.TaskOwned, t.Savepoint = location, location, location, location, true
	return t, nil
}

func (s *FileSystemStorage) target() Target {
	return Target{
		InlineMax: s.options.InlineMax, WriteBuffer: s.options.WriteBuffer, MessageMax: s.options.MessageMax, EntropySize: s.options.EntropySize,
	}
}

// Complete implements [Storage].
func (s *FileSystemStorage) Complete(target Target, attempt string, checkpoint metadata.Checkpoint) (storage.Completed, error) {
	if err := publish(s.directory.files, target.Location, attempt, checkpoint); err != nil {
		return storage.Completed{}, err
	}
	return storage.Completed{Location: target.Location, Checkpoint: checkpoint}, nil
}

// Find implements [Storage].
func (s *FileSystemStorage) Find() ([]storage.Completed, error) { return s.directory.find() }

// DiscardOthers implements [Storage].
func (s *FileSystemStorage) DiscardOthers(kept []storage.Completed) error {
	return s.directory.discardOthers(kept)
}

// DeleteUnreferenced implements [Storage].
func (s *FileSystemStorage) DeleteUnreferenced(kept []storage.Completed) error {
	if s.options.EntropyKey != "" {
		return nil // the files are in directories with random names, and no list of these names exists
	}
	return s.directory.deleteUnreferenced(kept)
}
