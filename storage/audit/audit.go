// Package audit looks into what was retained on storage: which checkpoints there are
// ([Auditor.List]), what one holds ([Auditor.Inspect]) and whether it can be restored
// from ([Auditor.Verify]), what changed between two ([Auditor.Diff]), whether one fits the
// job that wrote another ([Auditor.Compat]), who depends on a file ([Auditor.Deps]), and
// which files belong to nobody ([Auditor.Orphans]). It copies a checkpoint ([Auditor.Copy])
// and lets old ones go ([Auditor.Expire]).
//
// It reads what Flink wrote, and what the reference engine did, with the same code. It
// deletes only what somebody has planned to delete, and what is proven to be nobody's:
// what it cannot resolve it takes for somebody's (claims.go).
//
// Start with [Auditor].
package audit

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/place"
	"github.com/snapback/snapback/storage/metadata"
)

// Auditor looks at storage. It must not be copied.
type Auditor struct {
	Files  filesystem.FileSystem
	Places *place.Places // which names mean one place; nil knows what needs no configuration
	Moved  []Move        // absolute paths that are recorded as they were before

	// Progress is told how far a long operation has come, for people; it may be
	// called from several goroutines, and often. Of is 0 where nobody knows the end.
	Progress func(what string, done, of int64)

	mu       sync.Mutex
	asked    bool          // where some file is
	matched  map[Move]bool // moves that some recorded path began with
	recorded string        // the directory of some recorded absolute path
}

// Move says that what was recorded below one directory now is below another.
type Move struct{ From, To string }

func (m Move) String() string { return filesystem.URL(m.From) + "=" + filesystem.URL(m.To) }

// ParseMove reads FROM=TO, both paths or URLs.
func ParseMove(text string) (Move, error) {
	from, to, found := strings.Cut(text, "=")
	if !found {
		return Move{}, fmt.Errorf("want FROM=TO, as in file:///old/checkpoints=s3://bucket/checkpoints, got %q", text)
	}
	var m Move
	var err error
	if m.From, err = filesystem.ParseName(from); err != nil {
		return Move{}, err
	}
	m.To, err = filesystem.ParseName(to)
	return m, err
}

// file returns where the file of a stream is now; nothing for a stream without one.
func (a *Auditor) file(location string, stream metadata.Stream) (string, error) {
	name, _, err := storage.FileOf(location, stream)
	a.mu.Lock()
	a.asked = true
	a.mu.Unlock()
	if _, relative := stream.(*metadata.RelativeFile); relative || name == "" {
		return name, err
	}
	return a.moved(name), err
}

// moved returns where a recorded file is now.
func (a *Auditor) moved(name string) string {
	known := a.Places.Name(name)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.recorded == "" {
		a.recorded = filesystem.Dir(name)
	}
	for _, m := range a.Moved {
		if tail, below := filesystem.Relative(a.Places.Name(m.From), known); below {
			if a.matched == nil {
				a.matched = map[Move]bool{}
			}
			a.matched[m] = true
			return filesystem.Join(m.To, tail)
		}
	}
	return name
}

// UnmatchedMoveError says that a move concerns no path that was met.
type UnmatchedMoveError struct {
	Move     Move
	Recorded string // a directory that is recorded; empty if no absolute path is
}

func (e *UnmatchedMoveError) Error() string {
	if e.Recorded == "" {
		return fmt.Sprintf("--rebase %s matched nothing: no absolute path is recorded", e.Move)
	}
	return fmt.Sprintf("--rebase %s matched nothing: recorded paths are as in %s", e.Move, filesystem.URL(e.Recorded))
}

// Unmatched returns an error for the first move that concerned no path so far. Where no
// checkpoint could be read, nothing is said of moves.
func (a *Auditor) Unmatched() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.Moved {
		if a.asked && !a.matched[m] {
			return &UnmatchedMoveError{Move: m, Recorded: a.recorded}
		}
	}
	return nil
}

// name reads a place that a user wrote. One on a NameNode that nobody knows may have been
// moved to one that is known.
func (a *Auditor) name(text string) (string, error) {
	name, err := filesystem.ParseName(text)
	if err == nil && strings.HasPrefix(a.Places.Name(name), "hdfs:///") {
		name = a.moved(name)
	}
	return name, err
}

// fileKey says which file or directory it is, whatever name it was reached by.
type fileKey struct {
	id   filesystem.FileID // of the machine's own file system
	name string            // elsewhere: the one name of the place
}

func (a *Auditor) key(name string, entry filesystem.Entry) fileKey {
	if entry.ID != (filesystem.FileID{}) {
		return fileKey{id: entry.ID}
	}
	return fileKey{name: a.Places.Name(name)}
}

func (a *Auditor) progress(what string, done, of int64) {
	if a.Progress != nil {
		a.Progress(what, done, of)
	}
}

// Bounds on what is done side by side: looking things up takes waiting, reading takes
// memory and cores.
const lookupsMax = 32

func readsMax() int { return max(2, runtime.GOMAXPROCS(0)) }

// walk looks at directories level by level, many at a time: look, called from several
// goroutines, is given what one holds or why that is not known, and returns those to go
// on with.
func (a *Auditor) walk(ctx context.Context, root string, look func(dir string, entries []filesystem.Entry, err error) (below []string)) error {
	for level := []string{root}; len(level) > 0; {
		var mu sync.Mutex
		var next []string
		err := each(ctx, len(level), lookupsMax, func(_ context.Context, i int) error {
			entries, err := a.Files.List(level[i])
			below := look(level[i], entries, err)
			mu.Lock()
			defer mu.Unlock()
			next = append(next, below...)
			return nil
		})
		if err != nil {
			return err
		}
		level = next
	}
	return nil
}

// each calls do for each of n things, some at a time, until one fails.
func each(ctx context.Context, n, atOnce int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range n {
		group.Go(func() error {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			return do(ctx, i)
		})
	}
	return group.Wait()
}
