package audit

import (
	"context"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// OrphansSchema names the format of [Orphans].
const OrphansSchema = "snapback/orphans/1"

// Orphans are the files under a root that no checkpoint under it refers to.
type Orphans struct {
	Schema      string    `json:"schema"`
	Root        string    `json:"root"`
	Now         time.Time `json:"now"`
	Age         string    `json:"age"`         // a younger file is unknown
	Checkpoints int       `json:"checkpoints"` // read
	Files       int64     `json:"files"`       // looked at
	Referenced  int64     `json:"referenced"`  // of these
	Orphans     []Orphan  `json:"orphans"`
	Unknown     []Unknown `json:"unknown"`
	Empty       []string  `json:"emptyDirectories"`
}

// Orphan is a file that belongs to nobody.
type Orphan struct {
	Path     string    `json:"path"`
	Bytes    int64     `json:"bytes"`
	Modified time.Time `json:"modified,omitzero"`
	Source   Source    `json:"source"`
}

// Unknown are files of which nobody can say it.
type Unknown struct {
	Reason string `json:"reason"`
	Files  int64  `json:"files"`
	Bytes  int64  `json:"bytes"`
	First  string `json:"first"` // one of them
}

// Source is a known way in which a file loses its owner.
type Source string

// The sources, as they are seen on storage.
const (
	UnfinishedCheckpoint Source = "unfinished-checkpoint"
	InProgressMetadata   Source = "in-progress-metadata"
	StrayExclusive       Source = "stray-exclusive"
	UnreferencedShared   Source = "unreferenced-shared"
	UnreferencedTask     Source = "unreferenced-taskowned"
	SealWithout          Source = "seal-without-checkpoint"
)

// Sources lists them.
func Sources() []Source {
	return []Source{UnfinishedCheckpoint, InProgressMetadata, StrayExclusive, UnreferencedShared, UnreferencedTask, SealWithout}
}

// Explain says how files come to be orphans in that way.
func (s Source) Explain() string {
	return map[Source]string{
		UnfinishedCheckpoint: "of a checkpoint that was aborted or cut off by a crash before it had _metadata",
		InProgressMetadata:   "a _metadata that a crash kept from its place",
		StrayExclusive:       "written into a checkpoint's directory by a task that was too late, or had lost its job",
		UnreferencedShared:   "shared state that was uploaded for a checkpoint that never completed, or left when a job was suspended or canceled meanwhile",
		UnreferencedTask:     "task-owned or merged state left when a TaskManager went away",
		SealWithout:          "a seal whose checkpoint is gone",
	}[s]
}

// DefaultAge is how old a file must be to be taken for an orphan: a checkpoint in
// progress has files that nothing refers to yet.
const DefaultAge = time.Hour

// OrphanOptions say what is an orphan.
type OrphanOptions struct {
	Now  time.Time
	Age  time.Duration // a file that is younger at that time is unknown
	Also []string      // other roots, whose checkpoints may refer to files under this one
}

// Orphans finds the files under a root that no checkpoint there, or under the other
// roots given, refers to. What is too young, and what a checkpoint that cannot be read
// may refer to, is unknown. Nothing is changed.
func (a *Auditor) Orphans(ctx context.Context, root string, options OrphanOptions) (Orphans, error) {
	name, err := a.root(root)
	if err != nil {
		return Orphans{}, err
	}
	roots := []string{name}
	for _, other := range options.Also {
		also, err := a.root(other)
		if err != nil {
			return Orphans{}, err
		}
		roots = append(roots, also)
	}
	s := &sweep{
		Auditor: a, root: name, now: options.Now, age: options.Age, owned: map[string]bool{}, unknown: map[string]*Unknown{},
		result: Orphans{
			Schema: OrphansSchema, Root: filesystem.URL(name), Now: options.Now, Age: options.Age.String(), Orphans: []Orphan{}, Unknown: []Unknown{}, Empty: []string{},
		},
	}
	for _, root := range roots {
		if err := s.references(ctx, root); err != nil {
			return Orphans{}, err
		}
	}
	if err := s.walk(ctx, s.root, math.MaxInt, s.look); err != nil {
		return Orphans{}, err
	}
	s.result.Files, s.result.Referenced = s.files.Load(), s.referenced.Load()
	for _, u := range s.unknown {
		s.result.Unknown = append(s.result.Unknown, *u)
	}
	slices.SortFunc(s.result.Unknown, func(a, b Unknown) int { return strings.Compare(a.Reason, b.Reason) })
	slices.SortFunc(s.result.Orphans, func(a, b Orphan) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(s.result.Empty)
	return s.result, nil
}

// sweep looks for the orphans under one root.
type sweep struct {
	*Auditor
	root  string
	now   time.Time
	age   time.Duration
	owned map[string]bool // files that a checkpoint refers to, metadata included

	unreadable string // a checkpoint that cannot be read; it may refer to anything

	files, referenced atomic.Int64
	mu                sync.Mutex
	unknown           map[string]*Unknown
	result            Orphans
}

// references reads every checkpoint under a root.
func (s *sweep) references(ctx context.Context, root string) error {
	found, err := s.search(ctx, root)
	if err != nil {
		return err
	}
	var done atomic.Int64
	return each(ctx, len(found), readsMax(), func(_ context.Context, i int) error {
		if found[i].Kind == Unfinished {
			return nil
		}
		names, err := s.ownedBy(found[i].pointer)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.owned[found[i].pointer.Metadata] = true
		if err != nil {
			if first := filesystem.URL(found[i].pointer.Metadata); s.unreadable == "" || first < s.unreadable {
				s.unreadable = first
			}
			return nil
		}
		s.result.Checkpoints++
		for _, name := range names {
			s.owned[name] = true
		}
		s.progress("checkpoints read", done.Add(1), int64(len(found)))
		return nil
	})
}

func (s *sweep) ownedBy(pointer storage.Pointer) ([]string, error) {
	completed, err := pointer.Read(s.Files)
	if err != nil {
		return nil, err
	}
	var names []string
	for reference := range completed.Checkpoint.References() {
		name, err := s.file(completed.Location, reference.Stream)
		if err != nil {
			return nil, err
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// look looks at the files of one directory, and returns the directories in it.
func (s *sweep) look(dir string, entries []filesystem.Entry) (below []string) {
	holdsMetadata := slices.ContainsFunc(entries, func(e filesystem.Entry) bool { return e.Name == storage.MetadataName })
	if len(entries) == 0 && dir != s.root {
		s.mu.Lock()
		s.result.Empty = append(s.result.Empty, filesystem.URL(dir))
		s.mu.Unlock()
	}
	for _, entry := range entries {
		name := filesystem.Join(dir, entry.Name)
		if entry.Directory {
			below = append(below, name)
			continue
		}
		if n := s.files.Add(1); n%1000 == 0 {
			s.progress("files looked at", n, 0)
		}
		if s.owned[name] || s.sealsSomething(name) {
			s.referenced.Add(1)
			continue
		}
		s.judge(name, entry, holdsMetadata)
	}
	return below
}

func (s *sweep) sealsSomething(name string) bool {
	location, isSeal := strings.CutSuffix(name, SealSuffix)
	return isSeal && s.owned[filesystem.Join(location, storage.MetadataName)]
}

// judge says whether a file that nothing refers to is an orphan, or unknown.
func (s *sweep) judge(name string, entry filesystem.Entry, holdsMetadata bool) {
	source, ours := s.sourceOf(name, holdsMetadata)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !ours:
		s.leave("it has no place in the layout of checkpoints", name, entry)
	case entry.Modified.IsZero():
		s.leave("its age is not known", name, entry)
	case s.now.Sub(entry.Modified) < s.age:
		s.leave(fmt.Sprintf("it is younger than %s, and may be of a checkpoint in progress", s.age), name, entry)
	case s.unreadable != "" && source != InProgressMetadata && source != SealWithout:
		s.leave(s.unreadable+" cannot be read, and may refer to it", name, entry)
	default:
		s.result.Orphans = append(s.result.Orphans, Orphan{Path: filesystem.URL(name), Bytes: entry.Size, Modified: entry.Modified, Source: source})
	}
}

func (s *sweep) leave(reason, name string, entry filesystem.Entry) {
	u := s.unknown[reason]
	if u == nil {
		u = &Unknown{Reason: reason, First: filesystem.URL(name)}
		s.unknown[reason] = u
	}
	u.Files++
	u.Bytes += entry.Size
	u.First = min(u.First, filesystem.URL(name))
}

// sourceOf says how a file may have come to belong to nobody, by where it lies; ours is
// false for what no checkpoint ever put there.
func (s *sweep) sourceOf(name string, holdsMetadata bool) (source Source, ours bool) {
	dir := filesystem.Dir(name)
	_, inCheckpoint := storage.ParseCheckpointName(path.Base(dir))
	if location, isSeal := strings.CutSuffix(name, SealSuffix); isSeal {
		_, ofCheckpoint := storage.ParseCheckpointName(path.Base(location))
		return SealWithout, ofCheckpoint
	}
	switch {
	case (inCheckpoint || holdsMetadata) && strings.HasPrefix(path.Base(name), storage.InProgressPrefix):
		return InProgressMetadata, true
	case inCheckpoint && !holdsMetadata:
		return UnfinishedCheckpoint, true
	case inCheckpoint:
		return StrayExclusive, true
	}
	below, _ := filesystem.Relative(s.root, name)
	parts := strings.Split(below, "/")
	for i, part := range parts[:len(parts)-1] {
		// {root}/{job}/shared/…, or a job's directory as the root, or no directories for jobs.
		if i > 1 {
			break
		}
		switch part {
		case storage.SharedName:
			return UnreferencedShared, true
		case storage.TaskOwnedName:
			return UnreferencedTask, true
		}
	}
	return "", false
}
