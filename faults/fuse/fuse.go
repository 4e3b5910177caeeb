// Package fuse mounts a directory whose operations pass through a tap, which applies faults to them
// (package tap). The mount knows what a power loss would leave of the directory. The mount is for
// other engines that keep their checkpoints in files, such as Flink.
//
// The files are in the memory of this process, and are gone after the unmount. The mount supports
// only what checkpoints need of a file system. It has no links, no permissions and no times.
//
// Start with [New]. A mount needs /dev/fuse, and the rights of root.
package fuse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/lease"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/storage/filesystem"
)

// Device is the device that a mount needs.
const Device = "/dev/fuse"

// Mount is a mounted directory.
type Mount struct {
	Dir string // absolute path; for the disk and the tap, too, the name of a file is its absolute path below Dir

	tap    *tap.Tap
	who    func(pid int) string
	known  map[int]known // the processes that used the mount lately; the key is the id of a thread
	server *fuse.Server
	lease  *lease.Lease // the lease that removes the mount when this process ends
	mu     sync.Mutex
	disk   *filesystem.Memory
}

// known is the process to which a thread belongs. The mount remembers it for a short time, because
// a call of `who` takes longer than an operation.
type known struct {
	process string
	until   time.Time
}

const believed = 100 * time.Millisecond

func (m *Mount) process(thread int) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if k, ok := m.known[thread]; ok && now.Before(k.until) {
		return k.process
	}
	k := known{m.who(thread), now.Add(believed)}
	m.known[thread] = k
	return k.process
}

// New mounts a directory, and creates it if it does not exist. The function `who` returns the name
// of the process to which a thread belongs.
func New(dir string, taps *tap.Tap, who func(thread int) string) (*Mount, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	m := &Mount{Dir: dir, tap: taps, who: who, known: map[int]known{}, disk: filesystem.NewMemory()}
	taps.Offers = offers
	if err := filesystem.MkdirDurably(m.disk, dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	never := time.Duration(0) // the kernel must cache no names and no sizes, because a power loss changes the directory
	options := &fusefs.Options{EntryTimeout: &never, AttrTimeout: &never, NegativeTimeout: &never}
	options.ExplicitDataCacheControl = true // the kernel may cache the data of a file while the file is open
	options.DirectMountStrict, options.FsName, options.Name = true, "snapback", "snapback"
	if m.server, err = fusefs.Mount(dir, &node{mount: m}, options); err != nil {
		return nil, fmt.Errorf("mount %s: %w (a mount needs %s, and root)", dir, err, Device)
	}
	// Without --force, the kernel would end the connection only after the last copy of the mount is
	// gone. A process in another mount namespace may hold such a copy for ever.
	if m.lease, err = lease.Take(`umount --force --lazy "$1"`, dir); err != nil {
		return nil, errors.Join(err, m.server.Unmount())
	}
	return m, nil
}

// closeMax is the longest time that Close waits for the operations in progress.
const closeMax = 5 * time.Second

// Close unmounts the directory, and aborts its connection to the kernel. If a process still uses
// the directory, or a copy of the mount in another mount namespace, its later operations fail.
func (m *Mount) Close() error {
	if err := m.lease.End(); err != nil {
		return fmt.Errorf("unmount %s: %w", m.Dir, err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		m.server.Wait()
	}()
	select {
	case <-served:
		return nil
	case <-time.After(closeMax):
		return fmt.Errorf("unmount %s: it is unmounted, but an operation on it has not ended after %s", m.Dir, closeMax)
	}
}

// Disk calls the function `look` with the content of the directory. Nothing changes the content
// before `look` returns.
func (m *Mount) Disk(look func(*filesystem.Memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	look(m.disk)
}

// Replace replaces the whole content of the directory.
func (m *Mount) Replace(disk *filesystem.Memory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disk = disk
}

// Tap makes all later operations pass through another tap.
func (m *Mount) Tap(taps *tap.Tap) {
	m.mu.Lock()
	defer m.mu.Unlock()
	taps.Offers = offers
	m.tap = taps
}

// offers says whether a mount can apply an action to an operation. The other actions are of object
// stores only.
func offers(action faults.Action) bool {
	switch action.(type) {
	case faults.Fail, faults.Throttle, faults.Lose, faults.Delay, faults.Stale, faults.Drop, faults.Flip, faults.Truncate, faults.Short:
		return true
	}
	return false
}

func (m *Mount) taps() *tap.Tap {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tap
}

// Files returns a file system for use in this process. Its operations work on the directory, but
// pass neither through the kernel nor through the tap.
func (m *Mount) Files() filesystem.FileSystem { return past{m} }

// do performs an operation, unless a fault takes its place.
func (m *Mount) do(ctx context.Context, o tap.Operation, operation func() error) syscall.Errno {
	return m.doOr(ctx, o, operation, func(*tap.Intervention) (error, bool) { return nil, false })
}

// doOr is like do, for operations that have faults of their own. When a fault fires, doOr first
// calls the function `special`. If `special` has handled the fault, it returns true and the result
// of the operation. If it returns false, doOr handles the fault as do does. While `special` runs,
// no other operation changes the directory.
func (m *Mount) doOr(ctx context.Context, o tap.Operation, operation func() error, special func(*tap.Intervention) (error, bool)) syscall.Errno {
	if caller, ok := fuse.FromContext(ctx); ok {
		o.Process = m.process(int(caller.Pid))
	}
	locked := func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		return operation()
	}
	taps := m.taps()
	if i := taps.Before(&o); i != nil {
		if i.Stopped {
			return syscall.EIO
		}
		m.mu.Lock()
		err, instead := special(i)
		m.mu.Unlock()
		if instead {
			return errno(err)
		}
		switch action := i.Action.(type) {
		case faults.Fail:
			return action.Errno
		case faults.Throttle:
			return syscall.EAGAIN
		case faults.Lose:
			_ = locked() // the process gets an error, although the operation succeeded
			return syscall.EIO
		case faults.Delay:
			time.Sleep(action.Wait)
		}
	}
	if err := locked(); err != nil {
		return errno(err)
	}
	if taps.After(o) {
		return syscall.EIO
	}
	return 0
}

func errno(err error) syscall.Errno {
	var number syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &number):
		return number
	case errors.Is(err, fs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, fs.ErrExist):
		return syscall.EEXIST
	}
	return syscall.EIO
}

// node is the kernel's view of a file or a directory.
type node struct {
	fusefs.Inode
	mount *Mount
}

var (
	_ fusefs.NodeLookuper  = (*node)(nil)
	_ fusefs.NodeGetattrer = (*node)(nil)
	_ fusefs.NodeSetattrer = (*node)(nil)
	_ fusefs.NodeCreater   = (*node)(nil)
	_ fusefs.NodeOpener    = (*node)(nil)
	_ fusefs.NodeReaddirer = (*node)(nil)
	_ fusefs.NodeMkdirer   = (*node)(nil)
	_ fusefs.NodeUnlinker  = (*node)(nil)
	_ fusefs.NodeRmdirer   = (*node)(nil)
	_ fusefs.NodeRenamer   = (*node)(nil)
	_ fusefs.NodeFsyncer   = (*node)(nil)
)

func (n *node) name(child ...string) string {
	return filesystem.Join(n.mount.Dir, append([]string{n.Path(nil)}, child...)...)
}

func (n *node) stat(name string, attr *fuse.Attr) (fusefs.StableAttr, error) {
	n.mount.mu.Lock()
	defer n.mount.mu.Unlock()
	entry, err := n.mount.disk.Stat(name)
	if err != nil {
		return fusefs.StableAttr{}, err
	}
	stable := fusefs.StableAttr{Mode: fuse.S_IFREG}
	attr.Mode, attr.Size, attr.Nlink = fuse.S_IFREG|0o644, uint64(entry.Size), 1
	if entry.Directory {
		stable.Mode, attr.Mode = fuse.S_IFDIR, fuse.S_IFDIR|0o755
	}
	return stable, nil
}

func (n *node) child(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	stable, err := n.stat(n.name(name), &out.Attr)
	if err != nil {
		return nil, errno(err)
	}
	return n.NewInode(ctx, &node{mount: n.mount}, stable), 0
}

// Lookup implements [fusefs.NodeLookuper].
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return n.child(ctx, name, out)
}

// Getattr implements [fusefs.NodeGetattrer].
func (n *node) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	_, err := n.stat(n.name(), &out.Attr)
	return errno(err)
}

// Setattr implements [fusefs.NodeSetattrer]. It changes only the size.
func (n *node) Setattr(ctx context.Context, _ fusefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok {
		o := tap.Operation{Kind: faults.Write, Name: n.name(), From: int64(size), To: int64(size)}
		failed := n.mount.do(ctx, o, func() error {
			file, err := n.mount.disk.OpenFile(o.Name)
			if err == nil {
				file.Truncate(int64(size))
			}
			return err
		})
		if failed != 0 {
			return failed
		}
	}
	_, err := n.stat(n.name(), &out.Attr)
	return errno(err)
}

// Create implements [fusefs.NodeCreater].
func (n *node) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	h := &handle{mount: n.mount, name: n.name(name)}
	failed := n.mount.do(ctx, tap.Operation{Kind: faults.Create, Name: h.name}, func() error {
		_, err := n.mount.disk.Create(h.name)
		if err != nil {
			return err
		}
		h.file, err = n.mount.disk.OpenFile(h.name)
		return err
	})
	if failed != 0 {
		return nil, nil, 0, failed
	}
	child, failed := n.child(ctx, name, out)
	return child, h, fuse.FOPEN_DIRECT_IO, failed
}

// Open implements [fusefs.NodeOpener]. It does not truncate the file: for this the kernel calls
// Setattr.
func (n *node) Open(ctx context.Context, how uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	h := &handle{mount: n.mount, name: n.name()}
	failed := n.mount.do(ctx, tap.Operation{Kind: faults.Open, Name: h.name}, func() (err error) {
		h.file, err = n.mount.disk.OpenFile(h.name)
		return err
	})
	if how&syscall.O_ACCMODE == syscall.O_RDONLY && !n.mount.taps().Awaits(faults.Read) {
		return h, 0, failed // without direct I/O the kernel reads whole pages; this saves calls, because Flink reads state four bytes at a time
	}
	return h, fuse.FOPEN_DIRECT_IO, failed
}

// Readdir implements [fusefs.NodeReaddirer].
func (n *node) Readdir(ctx context.Context) (fusefs.DirStream, syscall.Errno) {
	var listed []fuse.DirEntry
	dir, unlisted := n.name(), func(string) bool { return false }
	list := func() error {
		entries, err := n.mount.disk.List(dir)
		for _, e := range entries {
			if unlisted(filesystem.Join(dir, e.Name)) {
				continue
			}
			mode := uint32(fuse.S_IFREG)
			if e.Directory {
				mode = fuse.S_IFDIR
			}
			listed = append(listed, fuse.DirEntry{Name: e.Name, Mode: mode})
		}
		return err
	}
	failed := n.mount.doOr(ctx, tap.Operation{Kind: faults.List, Name: dir}, list, func(i *tap.Intervention) (error, bool) {
		if i.Action != (faults.Stale{}) {
			return nil, false
		}
		unlisted = n.mount.tap.Unlisted
		return list(), true
	})
	return fusefs.NewListDirStream(listed), failed
}

// Mkdir implements [fusefs.NodeMkdirer].
func (n *node) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	o := tap.Operation{Kind: faults.Mkdir, Name: n.name(name)}
	if failed := n.mount.do(ctx, o, func() error { return n.mount.disk.MkdirAll(o.Name) }); failed != 0 {
		return nil, failed
	}
	return n.child(ctx, name, out)
}

// Unlink implements [fusefs.NodeUnlinker].
func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	o := tap.Operation{Kind: faults.Remove, Name: n.name(name)}
	return n.mount.do(ctx, o, func() error { return n.mount.disk.Remove(o.Name) })
}

// Rmdir implements [fusefs.NodeRmdirer].
func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno { return n.Unlink(ctx, name) }

// Rename implements [fusefs.NodeRenamer]. Directories cannot be renamed.
func (n *node) Rename(ctx context.Context, name string, newParent fusefs.InodeEmbedder, newName string, _ uint32) syscall.Errno {
	parent, ok := newParent.(*node)
	if !ok {
		return syscall.EXDEV
	}
	o := tap.Operation{Kind: faults.Rename, Name: n.name(name), NewName: parent.name(newName)}
	return n.mount.do(ctx, o, func() error { return n.mount.disk.Rename(o.Name, o.NewName) })
}

// Fsync implements [fusefs.NodeFsyncer] for files and for directories.
func (n *node) Fsync(ctx context.Context, open fusefs.FileHandle, _ uint32) syscall.Errno {
	h, ok := open.(*handle)
	if !ok {
		o := tap.Operation{Kind: faults.SyncDir, Name: n.name()}
		return n.mount.do(ctx, o, func() error { return n.mount.disk.SyncDir(o.Name) })
	}
	return n.mount.doOr(ctx, tap.Operation{Kind: faults.Sync, Name: n.name()}, h.file.Sync, func(i *tap.Intervention) (error, bool) {
		if i.Action != (faults.Drop{}) {
			return nil, false
		}
		h.file.Drop()
		return syscall.EIO, true
	})
}

// handle is an open file.
type handle struct {
	mount   *Mount
	name    string // the name of the file when it was opened
	file    *filesystem.MemoryFile
	written bool
	ends    int64 // the length of the file as this reader sees it after a Truncate fault; 0: the true length
}

var (
	_ fusefs.FileReader   = (*handle)(nil)
	_ fusefs.FileWriter   = (*handle)(nil)
	_ fusefs.FileFlusher  = (*handle)(nil)
	_ fusefs.FileReleaser = (*handle)(nil)
)

// Read implements [fusefs.FileReader].
func (h *handle) Read(ctx context.Context, into []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	n := 0
	read := func() (err error) {
		n, err = h.file.ReadAt(into, offset)
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	o := tap.Operation{Kind: faults.Read, Name: h.name, From: offset, To: offset + int64(len(into))}
	failed := h.mount.doOr(ctx, o, read, func(i *tap.Intervention) (error, bool) {
		switch action := i.Action.(type) {
		case faults.Flip:
			err := read()
			if at := int(action.OffsetBytes - offset); at >= 0 && at < n {
				into[at] ^= 1
			}
			return err, true
		case faults.Truncate:
			h.ends = max(1, action.KeptBytes)
			return read(), true
		}
		return nil, false
	})
	if h.ends > 0 {
		n = max(0, min(n, int(h.ends-offset)))
	}
	return fuse.ReadResultData(into[:n]), failed
}

// Write implements [fusefs.FileWriter].
func (h *handle) Write(ctx context.Context, data []byte, offset int64) (uint32, syscall.Errno) {
	h.written = true
	write := func() error {
		_, err := h.file.WriteAt(data, offset)
		return err
	}
	o := tap.Operation{Kind: faults.Write, Name: h.name, From: offset, To: offset + int64(len(data))}
	failed := h.mount.doOr(ctx, o, write, func(i *tap.Intervention) (error, bool) {
		short, ok := i.Action.(faults.Short)
		if !ok {
			return nil, false
		}
		data = data[:min(int64(len(data)), short.KeptBytes)]
		return errors.Join(write(), syscall.ENOSPC), true
	})
	return uint32(len(data)), failed
}

// Flush implements [fusefs.FileFlusher]. If the file was written, the tap sees a Close.
func (h *handle) Flush(ctx context.Context) syscall.Errno {
	if !h.written {
		return 0
	}
	return h.mount.do(ctx, tap.Operation{Kind: faults.Close, Name: h.name}, func() error { return nil })
}

// Release implements [fusefs.FileReleaser].
func (h *handle) Release(context.Context) syscall.Errno { return 0 }

// past is the file system that [Mount.Files] returns. Its operations pass neither through the
// kernel nor through the tap.
type past struct{ mount *Mount }

func locked[T any](p past, operation func(*filesystem.Memory) (T, error)) (T, error) {
	p.mount.mu.Lock()
	defer p.mount.mu.Unlock()
	return operation(p.mount.disk)
}

func (p past) CreatesWhole(string) bool { return false }

func (p past) Create(name string) (filesystem.File, error) {
	return locked(p, func(disk *filesystem.Memory) (filesystem.File, error) { return disk.Create(name) })
}

func (p past) Open(name string) (io.ReadCloser, error) {
	return locked(p, func(disk *filesystem.Memory) (io.ReadCloser, error) { return disk.Open(name) })
}

func (p past) Rename(oldName, newName string) error {
	_, err := locked(p, func(disk *filesystem.Memory) (any, error) { return nil, disk.Rename(oldName, newName) })
	return err
}

func (p past) Remove(name string) error {
	_, err := locked(p, func(disk *filesystem.Memory) (any, error) { return nil, disk.Remove(name) })
	return err
}

func (p past) MkdirAll(name string) error {
	_, err := locked(p, func(disk *filesystem.Memory) (any, error) { return nil, disk.MkdirAll(name) })
	return err
}

func (p past) List(name string) ([]filesystem.Entry, error) {
	return locked(p, func(disk *filesystem.Memory) ([]filesystem.Entry, error) { return disk.List(name) })
}

func (p past) Stat(name string) (filesystem.Entry, error) {
	return locked(p, func(disk *filesystem.Memory) (filesystem.Entry, error) { return disk.Stat(name) })
}

func (p past) SyncDir(name string) error {
	_, err := locked(p, func(disk *filesystem.Memory) (any, error) { return nil, disk.SyncDir(name) })
	return err
}
