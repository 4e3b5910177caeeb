package storage

import (
	"fmt"
	"io"
	"strings"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// OpenState opens a piece of state for reading. The parameter location is the directory of the
// checkpoint. OpenState does not check the size of the state; [ReadState] does.
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
			_ = reader.Close() // an error of Close does no harm, because the file was only read
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

// ReadState reads a whole piece of state and checks that it has the recorded size.
func ReadState(files filesystem.FileSystem, location string, stream metadata.Stream) ([]byte, error) {
	reader, err := OpenState(files, location, stream)
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	defer func() { _ = reader.Close() }() // an error of Close does no harm, because the file was only read
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

// SizeOf returns the recorded size of a piece of state, in bytes.
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

// FileOf returns the name of the file that holds a piece of state, and the size of the state in
// bytes. The name is empty if the state is not in a file. The parameter location is the directory
// of the checkpoint.
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

// Anchor returns a handle that a checkpoint in another directory can use. It replaces a relative
// handle by an absolute handle to the same file, and returns any other handle unchanged. The
// parameter location is the directory of the checkpoint that contains the handle.
//
// FLINK-39964: if a relative handle is copied unchanged into another checkpoint, it names a file in
// the directory of that checkpoint, which never existed.
func Anchor(location string, stream metadata.Stream) metadata.Stream {
	relative, ok := stream.(*metadata.RelativeFile)
	if !ok {
		return stream
	}
	return &metadata.File{Path: filesystem.URL(filesystem.Join(location, relative.Path)), Size: relative.Size}
}
