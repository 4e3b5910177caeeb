// Package audit examines checkpoints on storage. [Auditor.List] lists checkpoints.
// [Auditor.Inspect] says what a checkpoint contains. [Auditor.Verify] says whether a checkpoint can
// be restored. [Auditor.Diff] compares two checkpoints. [Auditor.Compat] says whether a checkpoint
// fits the job that wrote another checkpoint. [Auditor.Deps] says which checkpoints depend on a
// file. [Auditor.Orphans] finds files that no checkpoint needs. [Auditor.Copy] copies a checkpoint.
// [Auditor.Expire] selects old checkpoints to discard. [Auditor.Seal] writes digests.
//
// The same code reads checkpoints from Flink and from the reference engine. The package deletes an
// orphan, or discards a checkpoint, under two conditions: a user's plan lists it, and it is proven
// that no other checkpoint needs the deleted files. A file that cannot be resolved counts as
// needed; see claims.go.
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

// Auditor examines storage. A caller must not copy an Auditor after its first use.
type Auditor struct {
	Files filesystem.FileSystem
	// Places says which names mean the same place. If it is nil, the Auditor knows only names that
	// mean the same place in every configuration, for example s3://bucket and s3a://bucket.
	Places *place.Places
	Moved  []Move // where recorded files are now; from the flag --rebase

	// Progress, if it is not nil, reports to people how far a long operation is. It may be called
	// often, and from several goroutines. Its argument "of" is the total number, or 0 if the total
	// is unknown.
	Progress func(what string, done, of int64)

	mu       sync.Mutex
	asked    bool          // whether the current name of a recorded file was ever asked for
	matched  map[Move]bool // moves that applied to at least one recorded path
	recorded string        // directory of the first recorded absolute path whose current name was asked for
}

// Move says that files recorded below From are now below To.
type Move struct{ From, To string }

func (m Move) String() string { return filesystem.URL(m.From) + "=" + filesystem.URL(m.To) }

// ParseMove parses a text of the form FROM=TO. FROM and TO are paths or URLs.
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

// file returns the name under which the file of a stream is now; see [Auditor.Moved]. The parameter
// "location" is the directory of the checkpoint. A relative path begins there. If the stream has no
// file, because its state is inside the metadata, the name is empty.
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

// moved returns the current name of a recorded file: the name after the first move that applies to
// it, or else the recorded name.
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

// UnmatchedMoveError says that a move does not apply to any path that the checkpoints record. Then
// the user probably made a mistake in the flag --rebase.
type UnmatchedMoveError struct {
	Move     Move
	Recorded string // the directory of one recorded path; empty if no absolute path is recorded
}

func (e *UnmatchedMoveError) Error() string {
	if e.Recorded == "" {
		return fmt.Sprintf("--rebase %s matched nothing: no absolute path is recorded", e.Move)
	}
	return fmt.Sprintf("--rebase %s matched nothing: a recorded directory is %s", e.Move, filesystem.URL(e.Recorded))
}

// Unmatched returns an error for the first move that has not applied to any path so far. If no
// recorded file was looked up so far, for example because no checkpoint could be read, it returns
// nil.
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

// name parses the name of a place that a user wrote. If the name is on HDFS and its NameNode is
// unknown, a move in [Auditor.Moved] may replace the name.
func (a *Auditor) name(text string) (string, error) {
	name, err := filesystem.ParseName(text)
	if err == nil && strings.HasPrefix(a.Places.Name(name), "hdfs:///") {
		name = a.moved(name)
	}
	return name, err
}

// fileKey identifies a file or directory. All names of the same file have the same key.
type fileKey struct {
	id   filesystem.FileID // set if the file is on the machine's own file system
	name string            // otherwise, the standard name of the file
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

// Limits on the number of operations at the same time. A lookup mostly waits, so many lookups may
// run. A read needs memory and a processor core.
const lookupsMax = 32

func readsMax() int { return max(2, runtime.GOMAXPROCS(0)) }

// walk lists the directories below root, level by level, and many directories at the same time. For
// each directory it calls the given function, with the entries of the directory or with the error
// of List. This function returns the directories that walk must visit next. Several goroutines call
// this function.
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

// each calls do(ctx, i) for each i from 0 to n-1. At most atOnce calls run at the same time. If a
// call fails, each makes no new calls and returns the first error.
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
