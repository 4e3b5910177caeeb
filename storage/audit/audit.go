// Package audit looks into what was retained on storage: which checkpoints there are
// ([Auditor.List]), what one holds ([Auditor.Inspect]) and whether it can be restored
// from ([Auditor.Verify]), what changed between two ([Auditor.Diff]), and which files
// belong to nobody ([Auditor.Orphans]).
//
// It reads what Flink wrote, and what the reference engine did, with the same code. It
// changes nothing, but for seals ([Auditor.Seal]) and orphans that somebody has planned
// to delete ([Auditor.Delete]).
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
	"github.com/snapback/snapback/storage/metadata"
)

// Auditor looks at storage.
type Auditor struct {
	Files filesystem.FileSystem
	Moved []Move // absolute paths that are recorded as they were before

	// Progress is told how far a long operation has come, for people; it may be
	// called from several goroutines, and often.
	Progress func(what string, done, of int64)
}

// Move says that what was recorded below one directory now is below another.
type Move struct{ From, To string }

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
	if _, relative := stream.(*metadata.RelativeFile); relative || name == "" {
		return name, err
	}
	return a.moved(name), err
}

// moved returns where a recorded file is now.
func (a *Auditor) moved(name string) string {
	for _, m := range a.Moved {
		if tail, below := filesystem.Relative(m.From, name); below {
			return filesystem.Join(m.To, tail)
		}
	}
	return name
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

// walk looks at directories level by level, many at a time, down to so many levels below
// the root: look, called from several goroutines, is given what one holds, and returns
// those to go on with.
func (a *Auditor) walk(ctx context.Context, root string, levels int, look func(dir string, entries []filesystem.Entry) (below []string)) error {
	level := []string{root}
	for depth := 0; depth <= levels && len(level) > 0; depth++ {
		var mu sync.Mutex
		var next []string
		err := each(ctx, len(level), lookupsMax, func(_ context.Context, i int) error {
			entries, err := a.Files.List(level[i])
			if err != nil {
				return filesystem.IgnoreNotExist(err) // deleted meanwhile
			}
			below := look(level[i], entries)
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
