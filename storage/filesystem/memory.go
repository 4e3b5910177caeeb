package filesystem

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Memory is a file system in this process's memory. If a simulated process is killed, the bytes
// that it wrote survive, as they do in a real page cache. [Memory.Crash] returns what a power loss
// leaves.
//
// The machine's own file system is one tree. Each other file system, for example s3://bucket, has a
// tree of its own. These other trees are object stores: a file appears whole, a directory exists
// only as a part of names, and Rename fails.
//
// Memory is not safe for concurrent use: the simulator runs one task at a time.
type Memory struct {
	trees   map[string]*node // the trees by file system; the key is the first result of [Split]
	journal []change         // changes in all directories since the last sync of a file or directory
	changes uint64           // number of changes of names so far
	observe func(Operation)
}

// Operation is an operation that changed something, or made a change durable.
type Operation struct {
	Kind    string // one of create, write, sync, close, rename, remove, mkdir and syncdir
	Name    string
	NewName string // the new name; only for a rename
	Size    int    // number of written bytes; only for a write
}

// node is a file or a directory.
type node struct {
	directory bool
	data      []byte
	synced    []byte           // the bytes of a file that survive every power loss
	children  map[string]*node // nodes by name: the current content of a directory
	durable   map[string]*node // nodes by name: the content of a directory at its last sync
	pending   []change         // changes of a directory since its last sync
}

// NewMemory returns a file system with an empty root directory.
func NewMemory() *Memory {
	return &Memory{trees: map[string]*node{"": newDirectory()}}
}

func newDirectory() *node {
	return &node{directory: true, children: map[string]*node{}, durable: map[string]*node{}}
}

// Observe sets a function that is called after each [Operation].
func (m *Memory) Observe(observe func(Operation)) { m.observe = observe }

func (m *Memory) did(kind, name string) { m.didOperation(Operation{Kind: kind, Name: name}) }

func (m *Memory) didOperation(o Operation) {
	if m.observe != nil {
		m.observe(o)
	}
}

// find returns the node with this name, or nil.
func (m *Memory) find(name string) *node {
	on, at := Split(name)
	found := m.trees[on]
	for _, element := range elements(at) {
		if found == nil {
			return nil
		}
		found = found.children[element]
	}
	return found
}

func elements(at string) []string {
	at = strings.Trim(at, "/")
	if at == "" {
		return nil
	}
	return strings.Split(at, "/")
}

// CreatesWhole implements [FileSystem].
func (m *Memory) CreatesWhole(name string) bool {
	on, _ := Split(name)
	return on != ""
}

// Create implements [FileSystem].
func (m *Memory) Create(name string) (File, error) {
	if m.CreatesWhole(name) {
		return &MemoryFile{memory: m, name: name, node: &node{}, whole: true}, nil
	}
	if m.find(name) != nil {
		return nil, Failure("create", name, fs.ErrExist)
	}
	created := &node{}
	if err := m.link("create", name, created, ""); err != nil {
		return nil, err
	}
	m.did("create", name)
	return &MemoryFile{memory: m, name: name, node: created}, nil
}

// Open implements [FileSystem].
func (m *Memory) Open(name string) (io.ReadCloser, error) {
	found := m.find(name)
	switch {
	case found == nil:
		return nil, Failure("open", name, fs.ErrNotExist)
	case found.directory:
		return nil, Failure("open", name, syscall.EISDIR)
	}
	return io.NopCloser(bytes.NewReader(found.data)), nil
}

// Rename implements [FileSystem].
func (m *Memory) Rename(oldName, newName string) error {
	moved := m.find(oldName)
	switch {
	case m.CreatesWhole(oldName) || m.CreatesWhole(newName):
		return Failure("rename", oldName, syscall.ENOTSUP)
	case moved == nil:
		return Failure("rename", oldName, fs.ErrNotExist)
	case moved.directory:
		return Failure("rename", oldName, syscall.EISDIR) // no engine here renames a directory, so Memory does not support it
	}
	if replaced := m.find(newName); replaced != nil && replaced.directory {
		return Failure("rename", newName, syscall.EISDIR)
	}
	if oldName != newName {
		if err := m.link("rename", newName, moved, oldName); err != nil {
			return err
		}
	}
	m.didOperation(Operation{Kind: "rename", Name: oldName, NewName: newName})
	return nil
}

// Remove implements [FileSystem].
func (m *Memory) Remove(name string) error {
	found := m.find(name)
	switch {
	case found == nil:
		return Failure("remove", name, fs.ErrNotExist)
	case len(found.children) > 0:
		return Failure("remove", name, syscall.ENOTEMPTY)
	}
	m.unlink(name)
	m.did("remove", name)
	return nil
}

// MkdirAll implements [FileSystem].
func (m *Memory) MkdirAll(name string) error {
	if m.CreatesWhole(name) {
		return nil
	}
	if found := m.find(name); found != nil {
		if !found.directory {
			return Failure("mkdir", name, syscall.ENOTDIR)
		}
		return nil
	}
	if err := m.MkdirAll(Dir(name)); err != nil {
		return err
	}
	if err := m.link("mkdir", name, newDirectory(), ""); err != nil {
		return err
	}
	m.did("mkdir", name)
	return nil
}

// List implements [FileSystem].
func (m *Memory) List(name string) ([]Entry, error) {
	found := m.find(name)
	switch {
	case found == nil:
		return nil, Failure("list", name, fs.ErrNotExist)
	case !found.directory:
		return nil, Failure("list", name, syscall.ENOTDIR)
	}
	entries := make([]Entry, 0, len(found.children))
	for _, child := range sortedNames(found.children) {
		entries = append(entries, entryOfNode(child, found.children[child]))
	}
	return entries, nil
}

// Stat implements [FileSystem].
func (m *Memory) Stat(name string) (Entry, error) {
	found := m.find(name)
	if found == nil {
		return Entry{}, Failure("stat", name, fs.ErrNotExist)
	}
	return entryOfNode(path.Base(name), found), nil
}

func sortedNames(of map[string]*node) []string { return slices.Sorted(maps.Keys(of)) }

func entryOfNode(name string, n *node) Entry {
	return Entry{Name: name, Size: int64(len(n.data)), Directory: n.directory}
}

// SyncDir implements [FileSystem].
func (m *Memory) SyncDir(name string) error {
	found := m.find(name)
	switch {
	case m.CreatesWhole(name):
		return nil
	case found == nil:
		return Failure("sync", name, fs.ErrNotExist)
	case !found.directory:
		return Failure("sync", name, syscall.ENOTDIR)
	}
	for _, c := range found.pending {
		c.apply(found.durable)
	}
	found.pending = nil
	m.journal = nil
	m.did("syncdir", name)
	return nil
}

// link gives a node a name. The directory that contains the new name must exist. If oldName is not
// empty, link removes that name.
func (m *Memory) link(operation, name string, linked *node, oldName string) error {
	parent := m.find(Dir(name))
	switch {
	case parent == nil:
		return Failure(operation, name, fs.ErrNotExist)
	case !parent.directory:
		return Failure(operation, name, syscall.ENOTDIR)
	}
	m.changes++
	made := change{directory: parent, link: path.Base(name), linked: linked}
	if oldName != "" && m.find(Dir(oldName)) == parent {
		made.unlink = path.Base(oldName)
		oldName = ""
	}
	m.change(made)
	if oldName != "" {
		m.change(change{directory: m.find(Dir(oldName)), unlink: path.Base(oldName)})
	}
	return nil
}

func (m *Memory) unlink(name string) {
	if m.CreatesWhole(name) {
		delete(m.find(Dir(name)).children, path.Base(name))
		m.prune(Dir(name))
		return
	}
	m.changes++
	m.change(change{directory: m.find(Dir(name)), unlink: path.Base(name)})
}

// prune deletes the empty directories of an object store. It begins at dir and goes up to the root.
// In an object store, a directory exists only as a part of names.
func (m *Memory) prune(dir string) {
	for !IsRoot(dir) && len(m.find(dir).children) == 0 {
		delete(m.find(Dir(dir)).children, path.Base(dir))
		dir = Dir(dir)
	}
}

// put makes an object appear whole. It fails if an object with this name exists.
func (m *Memory) put(name string, object *node) error {
	if m.find(name) != nil {
		return Failure("create", name, fs.ErrExist)
	}
	on, at := Split(name)
	if m.trees[on] == nil {
		m.trees[on] = newDirectory()
	}
	parent := m.trees[on]
	for _, element := range elements(path.Dir(at)) {
		if parent.children[element] == nil {
			parent.children[element] = newDirectory()
		}
		parent = parent.children[element]
	}
	parent.children[path.Base(at)] = object
	return nil
}
