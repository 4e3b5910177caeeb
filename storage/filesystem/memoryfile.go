package filesystem

import (
	"io"
	"io/fs"
	"slices"
)

// MemoryFile is an open file of a [Memory]. It remains the same file even if the file gets another
// name, or another file gets this name.
type MemoryFile struct {
	memory *Memory
	name   string // the file's name when it was opened
	node   *node
	whole  bool // true if the file appears only at Close
	closed bool
}

// OpenFile opens an existing file for reading and writing at any offset.
func (m *Memory) OpenFile(name string) (*MemoryFile, error) {
	if _, err := m.Open(name); err != nil {
		return nil, err
	}
	return &MemoryFile{memory: m, name: name, node: m.find(name)}, nil
}

// Size returns the size of the file in bytes.
func (f *MemoryFile) Size() int64 { return int64(len(f.node.data)) }

// Write implements [File].
func (f *MemoryFile) Write(data []byte) (int, error) { return f.WriteAt(data, f.Size()) }

// WriteAt implements [io.WriterAt]. It fills a gap between the end of the file and the offset with
// zeros.
func (f *MemoryFile) WriteAt(data []byte, offset int64) (int, error) {
	if f.closed {
		return 0, Failure("write", f.name, fs.ErrClosed)
	}
	if offset < int64(len(f.node.synced)) {
		f.node.data = slices.Clone(f.node.data) // this writes into a copy, so that the durable bytes do not change
	}
	if gap := offset - f.Size(); gap > 0 {
		f.node.data = append(f.node.data, make([]byte, gap)...)
	}
	inside := copy(f.node.data[offset:], data)
	f.node.data = append(f.node.data, data[inside:]...)
	f.memory.didOperation(Operation{Kind: "write", Name: f.name, Size: len(data)})
	return len(data), nil
}

// ReadAt implements [io.ReaderAt].
func (f *MemoryFile) ReadAt(data []byte, offset int64) (int, error) {
	if offset >= f.Size() {
		return 0, io.EOF
	}
	n := copy(data, f.node.data[offset:])
	if n < len(data) {
		return n, io.EOF
	}
	return n, nil
}

// Truncate changes the size of the file. It adds zeros at the end or cuts bytes off there.
func (f *MemoryFile) Truncate(size int64) {
	if more := size - f.Size(); more > 0 {
		f.node.data = append(f.node.data, make([]byte, more)...)
		return
	}
	f.node.data = f.node.data[:size:size]
}

// Sync implements [File]. At level [Ordered] it also makes every earlier change of a name durable,
// as a file system with a journal does.
func (f *MemoryFile) Sync() error {
	if f.closed {
		return Failure("sync", f.name, fs.ErrClosed)
	}
	f.node.synced = f.node.data[:len(f.node.data):len(f.node.data)]
	f.memory.journal = nil
	f.memory.did("sync", f.name)
	return nil
}

// Drop discards all bytes that are not durable. Linux may do this after a failed sync.
func (f *MemoryFile) Drop() { f.node.data = f.node.synced }

// Close implements [File].
func (f *MemoryFile) Close() error {
	if f.closed {
		return Failure("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	if f.whole {
		if err := f.memory.put(f.name, f.node); err != nil {
			return err
		}
	}
	f.memory.did("close", f.name)
	return nil
}

// Abort implements [File].
func (f *MemoryFile) Abort() { f.closed = true }
