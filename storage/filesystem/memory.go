package filesystem

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Memory is a file system in this process's memory. What was written stays when
// a simulated process is killed, as a page cache outlives a process; power loss
// is not modelled here.
//
// It is not safe for concurrent use: the simulator runs one task at a time.
type Memory struct {
	nodes map[string]*node
}

type node struct {
	directory bool
	data      []byte
	children  []string // sorted names; directories only
}

// NewMemory returns a file system that holds an empty root directory.
func NewMemory() *Memory {
	return &Memory{nodes: map[string]*node{"/": {directory: true}}}
}

// Create implements [FileSystem].
func (m *Memory) Create(name string) (File, error) {
	name = clean(name)
	if m.nodes[name] != nil {
		return nil, failure("create", name, fs.ErrExist)
	}
	created := &node{}
	if err := m.link("create", name, created); err != nil {
		return nil, err
	}
	return &memoryFile{name: name, node: created}, nil
}

// Open implements [FileSystem].
func (m *Memory) Open(name string) (io.ReadCloser, error) {
	name = clean(name)
	found := m.nodes[name]
	switch {
	case found == nil:
		return nil, failure("open", name, fs.ErrNotExist)
	case found.directory:
		return nil, failure("open", name, syscall.EISDIR)
	}
	return io.NopCloser(bytes.NewReader(found.data)), nil
}

// Rename implements [FileSystem].
func (m *Memory) Rename(oldName, newName string) error {
	oldName, newName = clean(oldName), clean(newName)
	moved := m.nodes[oldName]
	switch {
	case moved == nil:
		return failure("rename", oldName, fs.ErrNotExist)
	case moved.directory:
		return failure("rename", oldName, syscall.EISDIR) // no engine here moves directories
	}
	if replaced := m.nodes[newName]; replaced != nil && replaced.directory {
		return failure("rename", newName, syscall.EISDIR)
	}
	if err := m.link("rename", newName, moved); err != nil {
		return err
	}
	if oldName != newName {
		m.unlink(oldName)
	}
	return nil
}

// Remove implements [FileSystem].
func (m *Memory) Remove(name string) error {
	name = clean(name)
	found := m.nodes[name]
	switch {
	case found == nil:
		return failure("remove", name, fs.ErrNotExist)
	case len(found.children) > 0:
		return failure("remove", name, syscall.ENOTEMPTY)
	}
	m.unlink(name)
	return nil
}

// MkdirAll implements [FileSystem].
func (m *Memory) MkdirAll(name string) error {
	name = clean(name)
	if found := m.nodes[name]; found != nil {
		if !found.directory {
			return failure("mkdir", name, syscall.ENOTDIR)
		}
		return nil
	}
	if err := m.MkdirAll(path.Dir(name)); err != nil {
		return err
	}
	return m.link("mkdir", name, &node{directory: true})
}

// List implements [FileSystem].
func (m *Memory) List(name string) ([]Entry, error) {
	name = clean(name)
	found := m.nodes[name]
	switch {
	case found == nil:
		return nil, failure("list", name, fs.ErrNotExist)
	case !found.directory:
		return nil, failure("list", name, syscall.ENOTDIR)
	}
	entries := make([]Entry, 0, len(found.children))
	for _, child := range found.children {
		entries = append(entries, m.entry(path.Join(name, child)))
	}
	return entries, nil
}

// Stat implements [FileSystem].
func (m *Memory) Stat(name string) (Entry, error) {
	name = clean(name)
	if m.nodes[name] == nil {
		return Entry{}, failure("stat", name, fs.ErrNotExist)
	}
	return m.entry(name), nil
}

// SyncDir implements [FileSystem].
func (m *Memory) SyncDir(name string) error {
	_, err := m.List(name)
	return err
}

func (m *Memory) entry(name string) Entry {
	found := m.nodes[name]
	return Entry{Name: path.Base(name), Size: int64(len(found.data)), Directory: found.directory}
}

// link gives a node a name, in a directory that must exist.
func (m *Memory) link(operation, name string, linked *node) error {
	parent := m.nodes[path.Dir(name)]
	switch {
	case parent == nil:
		return failure(operation, name, fs.ErrNotExist)
	case !parent.directory:
		return failure(operation, name, syscall.ENOTDIR)
	}
	m.nodes[name] = linked
	base := path.Base(name)
	if at, found := slices.BinarySearch(parent.children, base); !found {
		parent.children = slices.Insert(parent.children, at, base)
	}
	return nil
}

func (m *Memory) unlink(name string) {
	delete(m.nodes, name)
	parent := m.nodes[path.Dir(name)]
	if at, found := slices.BinarySearchFunc(parent.children, path.Base(name), strings.Compare); found {
		parent.children = slices.Delete(parent.children, at, at+1)
	}
}

type memoryFile struct {
	name   string
	node   *node
	closed bool
}

func (f *memoryFile) Write(data []byte) (int, error) {
	if f.closed {
		return 0, failure("write", f.name, fs.ErrClosed)
	}
	f.node.data = append(f.node.data, data...)
	return len(data), nil
}

func (f *memoryFile) Sync() error {
	if f.closed {
		return failure("sync", f.name, fs.ErrClosed)
	}
	return nil
}

func (f *memoryFile) Close() error {
	if f.closed {
		return failure("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	return nil
}

func failure(operation, name string, err error) error {
	return &fs.PathError{Op: operation, Path: name, Err: err}
}
