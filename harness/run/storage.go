package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// How long storage must not change to be taken for settled, and how often that is
// looked at, by the cluster's clock.
const (
	settledAfter = time.Second
	settleEvery  = 100 * time.Millisecond
)

// fileMax bounds a file of the output, in bytes.
const fileMax = 64 << 20

// settle waits until storage no longer changes, and writes down what is there.
func (r *Session) settle(ctx context.Context, label string) error {
	r.progress("looking at what is on storage")
	deadline := r.cluster.Now() + r.scenario.Bound
	last, err := r.tree()
	if err != nil {
		return err
	}
	since, lookAt := r.cluster.Now(), r.cluster.Now()+settleEvery
	for r.cluster.Now() < since+settledAfter {
		if r.cluster.Now() > deadline {
			r.record(history.Event{Kind: history.GaveUp, Label: "storage to settle", Error: "it keeps changing"})
			return ErrGaveUp
		}
		if err := r.Step(ctx); err != nil {
			return err
		}
		if r.cluster.Now() < lookAt {
			continue
		}
		lookAt = r.cluster.Now() + settleEvery
		next, err := r.tree()
		if err != nil {
			return err
		}
		if !slices.Equal(last, next) {
			last, since = next, r.cluster.Now()
		}
	}
	r.record(history.Event{Kind: history.Storage, Label: label, Tree: last})
	return r.audit(label, last)
}

// audit looks at which files the checkpoints on storage refer to. With a tree of what
// there is it also finds those that none refers to.
func (r *Session) audit(label string, tree []history.Entry) error {
	event := history.Event{Kind: history.Audit, Label: label}
	root := r.cluster.Root()
	used := map[string]bool{}
	err := filesystem.Walk(r.cluster.Files(), root, func(name string, _ filesystem.Entry) error {
		if path.Base(name) == storage.MetadataName {
			dangling, foreign := r.references(name, used)
			event.Dangling = append(event.Dangling, dangling...)
			if label != "" && foreign {
				event.Foreign = append(event.Foreign, path.Dir(name))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, e := range tree {
		if name := filesystem.Join(root, e.Path); !e.Directory && !used[name] && storage.ValidJobID(strings.SplitN(e.Path, "/", 2)[0]) {
			event.Orphans = append(event.Orphans, e.Path)
		}
	}
	if label != "" {
		event.Gone = r.gone()
	}
	if label != "" || len(event.Dangling) > 0 {
		r.record(event)
	}
	return nil
}

// gone lists the savepoints that were taken and cannot be found.
func (r *Session) gone() (paths []string) {
	for _, e := range r.history.Events {
		if e.Kind != history.Savepointed {
			continue
		}
		if _, err := storage.Find(r.cluster.Files(), e.Path); err != nil {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

// references notes the files that a checkpoint refers to, and returns what is wrong with
// them, and whether there are some outside of its job's directory. A checkpoint that is
// deleted meanwhile has nothing wrong: `_metadata` goes before the files.
func (r *Session) references(name string, used map[string]bool) (wrong []string, foreign bool) {
	files, root := r.cluster.Files(), r.cluster.Root()
	found, err := storage.PointerTo(filesystem.Join(root, path.Dir(name))).Read(files)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false
	case err != nil:
		return []string{fmt.Sprintf("%s cannot be read: %v", name, err)}, false
	}
	used[filesystem.Join(root, name)] = true
	for reference := range found.Checkpoint.References() {
		file, _, err := storage.FileOf(found.Location, reference.Stream)
		if err != nil || file == "" {
			continue
		}
		used[file] = true
		foreign = foreign || !strings.HasPrefix(file, filesystem.Dir(found.Location)+"/")
		if _, err := files.Stat(file); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s refers to %s: %v", name, file, err))
		}
	}
	if _, gone := files.Stat(filesystem.Join(root, name)); gone != nil {
		return nil, false
	}
	return wrong, foreign
}

// tree lists everything below the checkpoint directory.
func (r *Session) tree() ([]history.Entry, error) {
	entries := []history.Entry{}
	err := filesystem.Walk(r.cluster.Files(), r.cluster.Root(), func(name string, e filesystem.Entry) error {
		entry := history.Entry{Path: name, Directory: e.Directory, Size: e.Size}
		if !e.Directory {
			digest, err := r.digest(filesystem.Join(r.cluster.Root(), name))
			if errors.Is(err, fs.ErrNotExist) {
				return nil // deleted meanwhile
			}
			if err != nil {
				return err
			}
			entry.Digest = digest
		}
		entries = append(entries, entry)
		return nil
	})
	return entries, err
}

func (r *Session) digest(name string) (string, error) {
	file, err := r.cluster.Files().Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // only read from
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// collect writes down what a job committed, and how far it read.
func (r *Session) collect(name string) error {
	files, dir := r.cluster.Files(), r.dir(name)
	committed := filesystem.Join(dir, workload.CommittedName)
	err := filesystem.Walk(files, committed, func(file string, _ filesystem.Entry) error {
		if strings.HasPrefix(file, ".") {
			return nil // pending
		}
		data, err := filesystem.ReadFile(files, filesystem.Join(committed, file), fileMax)
		if err != nil {
			return err
		}
		r.record(history.Event{Kind: history.Output, Job: name, Path: file, Lines: lines(data)})
		return nil
	})
	if err != nil {
		return err
	}
	return filesystem.Walk(files, filesystem.Join(dir, workload.ProgressName), func(file string, e filesystem.Entry) error {
		r.record(history.Event{Kind: history.Progress, Job: name, Path: file, Size: e.Size})
		return nil
	})
}

func lines(data []byte) []string {
	var all []string
	for len(data) > 0 {
		end := slices.Index(data, '\n')
		if end < 0 {
			return append(all, string(data)) // torn; the oracle will say so
		}
		all = append(all, string(data[:end]))
		data = data[end+1:]
	}
	return all
}
