package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// Scope says who state belongs to, and so where it goes.
type Scope int

// The scopes.
const (
	Exclusive Scope = iota // one checkpoint
	Shared                 // the checkpoints that refer to it
	TaskOwned              // the task that wrote it: no checkpoint deletes it
)

// createTries is how often another name is tried for a file.
const createTries = 10

// StateStream takes one piece of state. It is used by one task.
type StateStream struct {
	files     filesystem.FileSystem
	target    Target
	scope     Scope
	newID     func() string
	buffered  []byte
	file      filesystem.File // once there is too much for memory
	directory string          // where it is
	name      string
	size      int64
	failed    error
}

// Create begins a piece of state. newID returns names that nobody else uses.
func (t Target) Create(files filesystem.FileSystem, scope Scope, newID func() string) *StateStream {
	return &StateStream{files: files, target: t, scope: scope, newID: newID}
}

// Write adds to the state. It stays in memory as long as it may turn out to be small.
func (s *StateStream) Write(data []byte) (int, error) {
	if s.failed != nil {
		return 0, s.failed
	}
	s.size += int64(len(data))
	switch {
	case s.target.Exclusive == "" && s.size > s.target.InlineMax:
		s.buffered = nil // the size is all that matters now
	case s.target.Exclusive == "" || int64(len(s.buffered)+len(data)) <= max(s.target.InlineMax, int64(s.target.WriteBuffer)):
		s.buffered = append(s.buffered, data...)
	default:
		if s.failed = s.flush(data); s.failed != nil {
			return 0, s.failed
		}
	}
	return len(data), nil
}

// flush writes what is buffered, and the data after it, to the file.
func (s *StateStream) flush(data []byte) error {
	if s.file == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	if len(data) < s.target.WriteBuffer { // one write is better than two
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

// open creates a file with a name that does not exist.
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

// inject puts random characters where the entropy key is, so that an object store
// spreads the files.
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

// Close ends the state and returns its handle; nil if nothing was written. When it
// returns the bytes are durable; a file's name only is when the checkpoint completes.
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
	// FLINK-36421: synced before it is acknowledged.
	if err := s.file.Sync(); err != nil {
		return nil, err
	}
	if err := s.file.Close(); err != nil {
		return nil, err
	}
	s.file = nil // whole: there is nothing to abort any more
	if s.target.Savepoint || (s.scope == Exclusive && s.target.EntropyKey == "") {
		return &metadata.RelativeFile{Path: s.name, Size: s.size}, nil
	}
	return &metadata.File{Path: filesystem.URL(filesystem.Join(s.directory, s.name)), Size: s.size}, nil
}

// Abort gives the state up, and deletes what there is of it. After Close it does
// nothing.
func (s *StateStream) Abort() {
	if s.file == nil {
		return
	}
	s.file.Abort()
	_ = s.files.Remove(filesystem.Join(s.directory, s.name)) // else it goes with its checkpoint
	s.file = nil
}

// OpenState reads a piece of state of a checkpoint at the location from its beginning,
// and checks its size where that is known beforehand.
func OpenState(files filesystem.FileSystem, location string, stream metadata.Stream) (io.ReadCloser, error) {
	switch s := stream.(type) {
	case nil, *metadata.EmptySegment:
		return io.NopCloser(strings.NewReader("")), nil
	case *metadata.ByteStream:
		return io.NopCloser(strings.NewReader(string(s.Data))), nil
	}
	name, size, err := FileOf(location, stream)
	if err != nil {
		return nil, err
	}
	reader, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	if s, ok := stream.(*metadata.Segment); ok {
		if _, err := io.CopyN(io.Discard, reader, s.Start); err != nil {
			_ = reader.Close() // only read from
			return nil, fmt.Errorf("%s: find offset %d: %w", name, s.Start, err)
		}
		return limitedReader{io.LimitReader(reader, size), reader}, nil
	}
	return reader, nil
}

type limitedReader struct {
	io.Reader
	io.Closer
}

// ReadState reads a whole piece of state, and checks that it has the size recorded.
func ReadState(files filesystem.FileSystem, location string, stream metadata.Stream) ([]byte, error) {
	reader, err := OpenState(files, location, stream)
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	defer func() { _ = reader.Close() }() // only read from
	want := SizeOf(stream)
	state, err := io.ReadAll(io.LimitReader(reader, want+1))
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	if int64(len(state)) != want {
		name, _, _ := FileOf(location, stream)
		got := fmt.Sprint(len(state))
		if int64(len(state)) > want {
			got = "more"
		}
		return nil, fmt.Errorf("read state: %s: want %d bytes, got %s", name, want, got)
	}
	return state, nil
}

// SizeOf returns the bytes of a stream, as recorded.
func SizeOf(stream metadata.Stream) int64 {
	switch s := stream.(type) {
	case *metadata.ByteStream:
		return int64(len(s.Data))
	case *metadata.File:
		return s.Size
	case *metadata.RelativeFile:
		return s.Size
	case *metadata.Segment:
		return s.Size
	case *metadata.KeyGroups:
		return SizeOf(s.Stream)
	}
	return 0
}

// FileOf returns the name of the file that a stream of a checkpoint at the location
// is in, and the bytes of it that are meant; of a stream without a file, nothing.
func FileOf(location string, stream metadata.Stream) (name string, size int64, err error) {
	switch s := stream.(type) {
	case *metadata.File:
		name, err = filesystem.ParseName(s.Path)
	case *metadata.RelativeFile:
		name = filesystem.Join(location, s.Path)
	case *metadata.Segment:
		name, err = filesystem.ParseName(s.Path)
	case *metadata.KeyGroups:
		return FileOf(location, s.Stream)
	}
	return name, SizeOf(stream), err
}

// Anchor returns a handle that means the same file in a checkpoint at another
// location.
//
// FLINK-39964: a relative handle that is carried over as it is means a file that
// never was.
func Anchor(location string, stream metadata.Stream) metadata.Stream {
	relative, ok := stream.(*metadata.RelativeFile)
	if !ok {
		return stream
	}
	return &metadata.File{Path: filesystem.URL(filesystem.Join(location, relative.Path)), Size: relative.Size}
}
