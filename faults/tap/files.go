package tap

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/storage/filesystem"
)

// ErrStopped is the error of an operation whose process was stopped in the middle of the operation.
var ErrStopped = errors.New("the process was stopped")

// ErrLost is the error of an operation that was carried out, but whose answer was lost.
var ErrLost = errors.New("the answer was lost")

// ErrThrottled is the error of an operation that was refused because there were too many
// operations.
var ErrThrottled = errors.New("503 Slow Down")

// Files returns a file system for one process. Its operations pass through the tap, and then go to
// the given file system. It calls wait if a fault delays an operation.
func (t *Tap) Files(files filesystem.FileSystem, process string, wait func(time.Duration)) filesystem.FileSystem {
	return tapped{tap: t, files: files, process: process, wait: wait}
}

type tapped struct {
	tap     *Tap
	files   filesystem.FileSystem
	process string
	wait    func(time.Duration)
}

// pass performs an operation, unless a fault takes its place.
func (t tapped) pass(o Operation, do func() error) error {
	return t.passOr(o, do, func(*Intervention) (error, bool) { return nil, false })
}

// passOr is like pass, for operations that have faults of their own. When a fault fires, passOr
// first calls the function `special`. If `special` has handled the fault, it returns true and the
// result of the operation. If it returns false, passOr handles the fault as pass does.
func (t tapped) passOr(o Operation, do func() error, special func(*Intervention) (error, bool)) error {
	o.Process = t.process
	if intervention := t.tap.Before(&o); intervention != nil {
		if intervention.Stopped {
			return filesystem.Failure(string(o.Kind), o.Name, ErrStopped)
		}
		if err, instead := special(intervention); instead {
			return err
		}
		if err, instead := t.intervene(intervention, o, do); instead {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if t.tap.After(o) {
		return filesystem.Failure(string(o.Kind), o.Name, ErrStopped)
	}
	return nil
}

// intervene handles the faults that every operation can have. If the caller must still perform the
// operation, it returns false.
func (t tapped) intervene(i *Intervention, o Operation, do func() error) (err error, instead bool) {
	failure := func(err error) (error, bool) { return filesystem.Failure(string(o.Kind), o.Name, err), true }
	switch action := i.Action.(type) {
	case faults.Fail:
		return failure(action.Errno)
	case faults.Throttle:
		return failure(ErrThrottled)
	case faults.Refuse:
		return failure(fs.ErrExist)
	case faults.Leave:
		return failure(syscall.EIO)
	case faults.Delay:
		t.wait(action.Wait)
	case faults.Lose:
		if err := do(); err != nil {
			return err, true
		}
		return failure(ErrLost)
	}
	return nil, false
}

// kind returns the kind of an operation: ofObject if the name belongs to an object, ofFile if it
// belongs to a file.
func (t tapped) kind(name string, ofFile, ofObject faults.Kind) faults.Kind {
	if t.files.CreatesWhole(name) {
		return ofObject
	}
	return ofFile
}

// CreatesWhole implements [filesystem.FileSystem].
func (t tapped) CreatesWhole(name string) bool { return t.files.CreatesWhole(name) }

// Create implements [filesystem.FileSystem].
func (t tapped) Create(name string) (filesystem.File, error) {
	if t.files.CreatesWhole(name) {
		file, err := t.files.Create(name)
		return &tappedFile{tapped: t, name: name, file: file, object: true}, err
	}
	var file filesystem.File
	err := t.pass(Operation{Kind: faults.Create, Name: name}, func() (err error) {
		file, err = t.files.Create(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &tappedFile{tapped: t, name: name, file: file}, nil
}

// Open implements [filesystem.FileSystem].
func (t tapped) Open(name string) (reader io.ReadCloser, err error) {
	open := func() (err error) {
		reader, err = t.files.Open(name)
		return err
	}
	o := Operation{Kind: t.kind(name, faults.Read, faults.Get), Name: name}
	err = t.passOr(o, open, func(i *Intervention) (error, bool) {
		if !spoils(i.Action) {
			return nil, false
		}
		if err := open(); err != nil {
			return err, true
		}
		reader = Spoil(i.Action, reader)
		return nil, true
	})
	return reader, err
}

// Rename implements [filesystem.FileSystem].
func (t tapped) Rename(oldName, newName string) error {
	return t.pass(Operation{Kind: faults.Rename, Name: oldName, NewName: newName}, func() error { return t.files.Rename(oldName, newName) })
}

// Remove implements [filesystem.FileSystem].
func (t tapped) Remove(name string) error {
	return t.pass(Operation{Kind: t.kind(name, faults.Remove, faults.Delete), Name: name}, func() error { return t.files.Remove(name) })
}

// MkdirAll implements [filesystem.FileSystem].
func (t tapped) MkdirAll(name string) error {
	if t.files.CreatesWhole(name) {
		return t.files.MkdirAll(name)
	}
	return t.pass(Operation{Kind: faults.Mkdir, Name: name}, func() error { return t.files.MkdirAll(name) })
}

// List implements [filesystem.FileSystem].
func (t tapped) List(name string) (entries []filesystem.Entry, err error) {
	list := func() (err error) {
		entries, err = t.files.List(name)
		return err
	}
	err = t.passOr(Operation{Kind: faults.List, Name: name}, list, func(i *Intervention) (error, bool) {
		if i.Action != (faults.Stale{}) {
			return nil, false
		}
		err := list()
		entries = slices.DeleteFunc(entries, func(e filesystem.Entry) bool { return t.tap.Unlisted(filesystem.Join(name, e.Name)) })
		return err, true
	})
	return entries, err
}

// Stat implements [filesystem.FileSystem].
func (t tapped) Stat(name string) (entry filesystem.Entry, err error) {
	err = t.pass(Operation{Kind: faults.Stat, Name: name}, func() (err error) {
		entry, err = t.files.Stat(name)
		return err
	})
	return entry, err
}

// SyncDir implements [filesystem.FileSystem].
func (t tapped) SyncDir(name string) error {
	if t.files.CreatesWhole(name) {
		return t.files.SyncDir(name)
	}
	return t.pass(Operation{Kind: faults.SyncDir, Name: name}, func() error { return t.files.SyncDir(name) })
}

type tappedFile struct {
	tapped
	name    string
	file    filesystem.File
	object  bool // whether this is an object, which does not exist before it is closed
	written int64
}

// Write implements [filesystem.File].
func (f *tappedFile) Write(data []byte) (n int, err error) {
	write := func() (err error) {
		n, err = f.file.Write(data)
		f.written += int64(n)
		return err
	}
	if f.object {
		return f.file.Write(data)
	}
	o := Operation{Kind: faults.Write, Name: f.name, From: f.written, To: f.written + int64(len(data))}
	err = f.passOr(o, write, func(i *Intervention) (error, bool) {
		short, ok := i.Action.(faults.Short)
		if !ok {
			return nil, false
		}
		data = data[:min(int64(len(data)), short.KeptBytes)]
		return errors.Join(write(), filesystem.Failure("write", f.name, syscall.ENOSPC)), true
	})
	return n, err
}

// Sync implements [filesystem.File].
func (f *tappedFile) Sync() error {
	if f.object {
		return f.file.Sync()
	}
	return f.passOr(Operation{Kind: faults.Sync, Name: f.name}, f.file.Sync, func(i *Intervention) (error, bool) {
		dropping, ok := f.file.(interface{ Drop() })
		if !ok || i.Action != (faults.Drop{}) {
			return nil, false
		}
		dropping.Drop()
		return filesystem.Failure("sync", f.name, syscall.EIO), true
	})
}

// Close implements [filesystem.File].
func (f *tappedFile) Close() error {
	kind := faults.Close
	if f.object {
		kind = faults.Put
	}
	return f.pass(Operation{Kind: kind, Name: f.name}, f.file.Close)
}

// Abort implements [filesystem.File].
func (f *tappedFile) Abort() { f.file.Abort() }
