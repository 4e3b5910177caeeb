package checkpoints

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// Scope says to whom a piece of state belongs. The scope decides in which directory the state goes.
type Scope int

// The scopes.
const (
	Exclusive Scope = iota // belongs to one checkpoint
	Shared                 // belongs to all checkpoints that refer to it
	TaskOwned              // belongs to the task that wrote it; deleting a checkpoint never deletes it
)

// createTries is the largest number of names that a stream tries for its file.
const createTries = 10

// StateStream writes one piece of state. Only one task uses it.
type StateStream struct {
	files     filesystem.FileSystem
	target    Target
	scope     Scope
	newID     func() string
	buffered  []byte
	file      filesystem.File // nil as long as all state is in memory
	directory string          // name of the file's directory
	name      string          // name of the file within its directory
	size      int64
	failed    error
}

// Create returns a stream for a new piece of state. The function newID returns a unique name at
// each call.
func (t Target) Create(files filesystem.FileSystem, scope Scope, newID func() string) *StateStream {
	return &StateStream{files: files, target: t, scope: scope, newID: newID}
}

// Write appends data to the state. The state stays in memory until it is too large for the buffer.
// From then on it goes to a file.
func (s *StateStream) Write(data []byte) (int, error) {
	if s.failed != nil {
		return 0, s.failed
	}
	s.size += int64(len(data))
	switch {
	case s.target.Exclusive == "" && s.size > s.target.InlineMax:
		s.buffered = nil // the state is too large; Close reports its size
	case s.target.Exclusive == "" || int64(len(s.buffered)+len(data)) <= max(s.target.InlineMax, int64(s.target.WriteBuffer)):
		s.buffered = append(s.buffered, data...)
	default:
		if s.failed = s.flush(data); s.failed != nil {
			return 0, s.failed
		}
	}
	return len(data), nil
}

// flush writes first the buffered data, then the given data, to the file.
func (s *StateStream) flush(data []byte) error {
	if s.file == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	// If the data is small, one write of both parts is faster than two writes.
	if len(data) < s.target.WriteBuffer {
		s.buffered, data = append(s.buffered, data...), nil
	}
	for _, part := range [][]byte{s.buffered, data} {
		if len(part) > 0 {
			if _, err := s.file.Write(part); err != nil {
				return err
			}
		}
	}
	s.buffered = s.buffered[:0]
	return nil
}

// open creates the file under a name that does not exist yet.
func (s *StateStream) open() error {
	directory := map[Scope]string{Exclusive: s.target.Exclusive, Shared: s.target.Shared, TaskOwned: s.target.TaskOwned}[s.scope]
	var err error
	for range createTries {
		s.directory, s.name = s.inject(directory), s.newID()
		s.file, err = s.files.Create(filesystem.Join(s.directory, s.name))
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return fmt.Errorf("no free name for a state file after %d tries: %w", createTries, err)
}

// inject replaces the entropy key in a directory's name with random characters, so that an object
// store spreads the files.
func (s *StateStream) inject(directory string) string {
	if s.target.EntropyKey == "" {
		return directory
	}
	var entropy string
	for len(entropy) < s.target.EntropySize {
		entropy += s.newID()
	}
	return strings.Replace(directory, s.target.EntropyKey, entropy[:s.target.EntropySize], 1)
}

// Close ends the stream and returns the handle of the state, or nil if nothing was written. When
// Close returns, the bytes are durable. The file's name becomes durable when the checkpoint
// completes.
func (s *StateStream) Close() (metadata.Stream, error) {
	handle, err := s.close()
	if err != nil {
		s.Abort()
		return nil, fmt.Errorf("write state: %w", err)
	}
	return handle, nil
}

func (s *StateStream) close() (metadata.Stream, error) {
	switch {
	case s.failed != nil:
		return nil, s.failed
	case s.size == 0:
		return nil, nil
	case s.target.Exclusive == "" && s.size > s.target.InlineMax:
		return nil, &LimitError{Of: "the state", Size: s.size, Limit: s.target.InlineMax, Name: "the maximum state size"}
	case s.file == nil && s.size <= s.target.InlineMax:
		return &metadata.ByteStream{Name: s.newID(), Data: s.buffered}, nil
	}
	if err := s.flush(nil); err != nil {
		return nil, err
	}
	// FLINK-36421: the file is synced before the subtask acknowledges the state.
	if err := s.file.Sync(); err != nil {
		return nil, err
	}
	if err := s.file.Close(); err != nil {
		return nil, err
	}
	s.file = nil // the file is complete; Abort must not delete it
	if s.target.Savepoint || (s.scope == Exclusive && s.target.EntropyKey == "") {
		return &metadata.RelativeFile{Path: s.name, Size: s.size}, nil
	}
	return &metadata.File{Path: filesystem.URL(filesystem.Join(s.directory, s.name)), Size: s.size}, nil
}

// Abort deletes the unfinished file. After Close it does nothing.
func (s *StateStream) Abort() {
	if s.file == nil {
		return
	}
	s.file.Abort()
	_ = s.files.Remove(filesystem.Join(s.directory, s.name)) // if this fails, the file is deleted with the checkpoint's directory
	s.file = nil
}
