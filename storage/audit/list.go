package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// ListSchema names the format of a [List].
const ListSchema = "snapback/list/1"

// List is what there is under a checkpoint root.
type List struct {
	Schema      string   `json:"schema"`
	Root        string   `json:"root"`
	Checkpoints []Listed `json:"checkpoints"` // what can be restored from first, the newest of it before all
}

// Listed is one checkpoint or savepoint, or what is left of one.
type Listed struct {
	Path       string    `json:"path"`          // of its directory
	Job        string    `json:"job,omitempty"` // id of the job whose directory it is in
	Kind       string    `json:"kind"`          // as in Checkpoint, Savepoint; unfinished without `_metadata`
	ID         int64     `json:"checkpointId,omitempty"`
	Version    int32     `json:"version,omitempty"`
	Modified   time.Time `json:"modified,omitzero"` // of its metadata
	Operators  int       `json:"operators"`
	Bytes      int64     `json:"bytes"` // of its state
	Restorable bool      `json:"restorable"`
	Problem    string    `json:"problem,omitempty"` // the first that stands against it

	pointer storage.Pointer
}

// Unfinished is the kind of what has no `_metadata`.
const Unfinished = "unfinished"

// List lists every checkpoint and savepoint under a root, a job's directory or a
// checkpoint's. A checkpoint counts as restorable if each of its files is there and
// has its size; none is opened.
func (a *Auditor) List(ctx context.Context, root string) (List, error) {
	name, err := a.root(root)
	if err != nil {
		return List{}, err
	}
	list := List{Schema: ListSchema, Root: filesystem.URL(name), Checkpoints: []Listed{}}
	if list.Checkpoints, err = a.search(ctx, name); err != nil {
		return List{}, err
	}
	cache := newLookup(a.Files)
	var done atomic.Int64
	err = each(ctx, len(list.Checkpoints), readsMax(), func(ctx context.Context, i int) error {
		err := a.describe(ctx, &list.Checkpoints[i], cache)
		a.progress("checkpoints looked at", done.Add(1), int64(len(list.Checkpoints)))
		return err
	})
	slices.SortFunc(list.Checkpoints, func(a, b Listed) int {
		if a.Restorable != b.Restorable {
			if a.Restorable {
				return -1
			}
			return 1
		}
		return cmp.Or(b.Modified.Compare(a.Modified), cmp.Compare(b.ID, a.ID), cmp.Compare(a.Path, b.Path))
	})
	return list, err
}

// Latest is the newest checkpoint that can be restored from.
func (l List) Latest() (Listed, bool) {
	if len(l.Checkpoints) == 0 || !l.Checkpoints[0].Restorable {
		return Listed{}, false
	}
	return l.Checkpoints[0], true
}

// root checks that a user's root is a directory that can be read.
func (a *Auditor) root(text string) (string, error) {
	name, err := filesystem.ParseName(text)
	if err != nil {
		return "", &storage.NotFoundError{Why: fmt.Sprintf("root: %v", err)}
	}
	entry, err := a.Files.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &storage.NotFoundError{Why: fmt.Sprintf("root %q: no such directory", text)}
	case err != nil:
		return "", &storage.UnreachableError{What: fmt.Sprintf("root %q", text), Err: err}
	case !entry.Directory:
		return "", &storage.NotFoundError{Why: fmt.Sprintf("root %q: want a directory, got a file", text)}
	}
	return name, nil
}

// depthMax bounds how far below a root a checkpoint is looked for.
const depthMax = 6

// search finds the directories of checkpoints. Those that hold state only are left out.
func (a *Auditor) search(ctx context.Context, root string) ([]Listed, error) {
	var mu sync.Mutex
	var found []Listed
	err := a.walk(ctx, root, depthMax, func(dir string, entries []filesystem.Entry) []string {
		here, below := sortOut(dir, entries)
		mu.Lock()
		defer mu.Unlock()
		found = append(found, here...)
		return below
	})
	return found, err
}

// sortOut says what a directory is: a checkpoint's, or one to look into.
func sortOut(dir string, entries []filesystem.Entry) (here []Listed, below []string) {
	for _, entry := range entries {
		if !entry.Directory && entry.Name == storage.MetadataName {
			return []Listed{{
				Path: filesystem.URL(dir), Modified: entry.Modified, Job: jobOf(dir),
				pointer: storage.PointerTo(dir),
			}}, nil
		}
		if entry.Directory && entry.Name != storage.SharedName && entry.Name != storage.TaskOwnedName {
			below = append(below, filesystem.Join(dir, entry.Name))
		}
	}
	if id, isCheckpoint := storage.ParseCheckpointName(path.Base(dir)); isCheckpoint {
		return []Listed{{Path: filesystem.URL(dir), Job: jobOf(dir), ID: id, Kind: Unfinished, Problem: "it has no " + storage.MetadataName}}, nil
	}
	return nil, below
}

// jobOf is the job whose directory a checkpoint is in, if it is in one.
func jobOf(location string) string {
	if parent := path.Base(filesystem.Dir(location)); storage.ValidJobID(parent) {
		return parent
	}
	return ""
}

// describe reads a checkpoint, and sees whether its files are there.
func (a *Auditor) describe(ctx context.Context, l *Listed, lookup *lookup) error {
	if l.Kind == Unfinished {
		return nil
	}
	completed, err := l.pointer.Read(a.Files)
	if err != nil {
		l.Kind, l.Problem = "unreadable", strings.TrimPrefix(err.Error(), l.pointer.Metadata+": ")
		return nil
	}
	c := &completed.Checkpoint
	l.Kind, l.ID, l.Version, l.Operators = "Checkpoint", c.ID, c.Version, len(c.Operators)
	if c.Properties != nil {
		l.Kind = c.Properties.Name
	}
	for i := range c.Operators {
		l.Bytes += operatorSize(&c.Operators[i])
	}
	v := &verifier{Auditor: &Auditor{Files: a.Files, Moved: a.Moved}, location: completed.Location, lookup: lookup.stat}
	if err := v.files(ctx, v.references(c)); err != nil {
		return err
	}
	l.Restorable = len(v.result.Findings) == 0
	if !l.Restorable {
		slices.SortFunc(v.result.Findings, func(a, b Finding) int { return cmp.Compare(a.File, b.File) })
		first := v.result.Findings[0]
		l.Problem = fmt.Sprintf("%d of its files are not as they should be, as %s: %s", len(v.result.Findings), path.Base(first.File), first.Found)
	}
	return nil
}

// lookup remembers what directories hold, so that many files are asked for at once.
type lookup struct {
	files filesystem.FileSystem
	mu    sync.Mutex
	dirs  map[string]*listing
}

type listing struct {
	once    sync.Once
	entries map[string]filesystem.Entry
	err     error
}

func newLookup(files filesystem.FileSystem) *lookup {
	return &lookup{files: files, dirs: map[string]*listing{}}
}

func (l *lookup) stat(name string) (filesystem.Entry, error) {
	dir := filesystem.Dir(name)
	l.mu.Lock()
	held := l.dirs[dir]
	if held == nil {
		held = &listing{}
		l.dirs[dir] = held
	}
	l.mu.Unlock()
	held.once.Do(func() {
		entries, err := l.files.List(dir)
		held.entries, held.err = make(map[string]filesystem.Entry, len(entries)), err
		for _, entry := range entries {
			held.entries[entry.Name] = entry
		}
	})
	entry, ok := held.entries[path.Base(name)]
	switch {
	case held.err != nil:
		return filesystem.Entry{}, held.err
	case !ok:
		return filesystem.Entry{}, filesystem.Failure("stat", name, fs.ErrNotExist)
	}
	return entry, nil
}
