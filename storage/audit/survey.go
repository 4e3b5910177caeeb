package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/place"
)

// survey is what there is under some roots: checkpoints, and what is left of others.
type survey struct {
	*Auditor
	mu          sync.Mutex
	visited     map[fileKey]visit // directories, by which a loop of links ends
	following   bool              // of links
	deep        bool              // also among the state of jobs
	links       []string          // to look into at last
	checkpoints []foundCheckpoint // by path
	unfinished  []unfinished      // by path
	passed      []PassedOver      // by path
}

// visit is a directory that was looked into.
type visit struct {
	name   string
	linked bool // it was reached by a link
}

// foundCheckpoint is a directory with `_metadata`.
type foundCheckpoint struct {
	storage.Pointer
	entry  filesystem.Entry // of `_metadata`
	linked bool             // it was reached by a link
}

// unfinished is a directory chk-N without `_metadata`.
type unfinished struct {
	location string
	id       int64
	newest   filesystem.Entry // what was changed last: the directory, or a file in it
	oldest   time.Time        // when the first of its files was written; of a directory without one, when it was made
}

// PassedOver is something under a root that was not looked into.
type PassedOver struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`

	err error // nil if nothing is missed: it was looked into by another name
}

// survey looks under some roots; if deep, also among the state of jobs, where Flink puts no
// checkpoints, and many files.
func (a *Auditor) survey(ctx context.Context, roots []string, deep bool) (*survey, error) {
	s := &survey{Auditor: a, visited: map[fileKey]visit{}, deep: deep}
	for _, root := range roots {
		if err := s.enter(ctx, root); err != nil {
			return nil, err
		}
	}
	s.following = true
	for len(s.links) > 0 {
		links := s.links
		s.links = nil
		slices.Sort(links)
		for _, link := range links {
			if err := s.follow(ctx, link); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(s.checkpoints, func(a, b foundCheckpoint) int { return strings.Compare(a.Location, b.Location) })
	slices.SortFunc(s.unfinished, func(a, b unfinished) int { return strings.Compare(a.location, b.location) })
	slices.SortFunc(s.passed, func(a, b PassedOver) int { return strings.Compare(a.Path, b.Path) })
	return s, nil
}

func (s *survey) enter(ctx context.Context, root string) error {
	entry, err := s.Files.Stat(root)
	if err != nil {
		s.pass(root, "it could not be looked into: "+reason(err), err) // also if it is gone: it was there before
		return nil
	}
	if _, again := s.visit(root, entry); again {
		return nil
	}
	return s.walk(ctx, root, s.look)
}

// follow looks into the directory that a link leads to, as Flink does. Names below it
// begin with the link's.
func (s *survey) follow(ctx context.Context, link string) error {
	entry, err := s.Files.Stat(link)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.pass(link, "it is a link to a place that does not exist; is something not mounted?", err)
		return nil
	case err != nil:
		s.look(link, nil, err)
		return nil
	case !entry.Directory:
		return nil
	}
	if other, again := s.visit(link, entry); again {
		s.pass(link, "it is a link to "+filesystem.URL(other)+", which was looked into", nil)
		return nil
	}
	return s.walk(ctx, link, s.look)
}

// visit notes that a directory is looked into; again says that it was before, by which
// name.
func (s *survey) visit(name string, entry filesystem.Entry) (other string, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.key(name, entry)
	before, again := s.visited[key]
	if !again {
		s.visited[key] = visit{name, s.following}
	}
	return before.name, again
}

func (s *survey) pass(name, why string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed = append(s.passed, PassedOver{Path: filesystem.URL(name), Reason: why, err: err})
}

// look says what a directory is, and which of those in it to look into.
func (s *survey) look(dir string, entries []filesystem.Entry, err error) (below []string) {
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) { // else it was deleted meanwhile
			s.pass(dir, "it could not be looked into: "+reason(err), err)
		}
		return nil
	}
	skipState := !s.deep && isJob(dir, entries)
	for _, entry := range entries {
		name := filesystem.Join(dir, entry.Name)
		switch {
		case entry.Directory && skipState && isStateDirectory(entry.Name):
		case entry.Link && entry.Name != storage.MetadataName:
			s.mu.Lock()
			s.links = append(s.links, name)
			s.mu.Unlock()
		case entry.Directory:
			if other, again := s.visit(name, entry); again {
				s.pass(name, "it is the same directory as "+filesystem.URL(other)+", which was looked into", nil)
			} else {
				below = append(below, name)
			}
		}
	}
	s.note(dir, entries)
	return below
}

// note notes a checkpoint, or what is left of one.
func (s *survey) note(dir string, entries []filesystem.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(entries, func(e filesystem.Entry) bool { return !e.Directory && e.Name == storage.MetadataName })
	if at >= 0 {
		s.checkpoints = append(s.checkpoints, foundCheckpoint{Pointer: storage.PointerTo(dir), entry: entries[at], linked: s.following})
		return
	}
	id, ok := storage.ParseCheckpointName(path.Base(dir))
	if !ok {
		return
	}
	u := unfinished{location: dir, id: id}
	for _, entry := range entries {
		if entry.Modified.After(u.newest.Modified) {
			u.newest = entry
		}
		if u.oldest.IsZero() || entry.Modified.Before(u.oldest) {
			u.oldest = entry.Modified
		}
	}
	if own, err := s.Files.Stat(dir); err == nil && own.Modified.After(u.newest.Modified) {
		u.newest = own
	}
	if u.oldest.IsZero() {
		u.oldest = u.newest.Modified
	}
	s.unfinished = append(s.unfinished, u)
}

// idOf is the number in the name of a checkpoint's directory; 0 for another name.
func idOf(dir string) int64 {
	id, _ := storage.ParseCheckpointName(path.Base(dir))
	return id
}

// isStateDirectory says whether a name in a job's directory is of a directory for state.
func isStateDirectory(name string) bool {
	return name == storage.SharedName || name == storage.TaskOwnedName
}

// hasState says whether a directory holds those of a job for state.
func (a *Auditor) hasState(dir string) bool {
	entries, err := a.Files.List(dir)
	return err == nil && slices.ContainsFunc(entries, func(e filesystem.Entry) bool { return e.Directory && isStateDirectory(e.Name) })
}

// isJob says whether a directory is a job's: named by its id, or with checkpoints in it.
func isJob(dir string, entries []filesystem.Entry) bool {
	return storage.ValidJobID(path.Base(dir)) || slices.ContainsFunc(entries, func(e filesystem.Entry) bool {
		_, ok := storage.ParseCheckpointName(e.Name)
		return e.Directory && ok
	})
}

// root checks that a user's root is a directory that can be read.
func (a *Auditor) root(text string) (string, error) {
	name, err := a.name(text)
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
	if _, err := a.Files.List(name); err != nil {
		return "", &storage.UnreachableError{What: fmt.Sprintf("root %q", text), Err: err}
	}
	return name, nil
}

// rootsOf checks several roots.
func (a *Auditor) rootsOf(texts []string) (roots []string, err error) {
	for _, text := range texts {
		root, err := a.root(text)
		if err != nil {
			return nil, err
		}
		roots = append(roots, root)
	}
	return roots, nil
}

// jobOf is the id of the job whose directory a checkpoint is in, if it is in one.
func jobOf(location string) string {
	if parent := path.Base(filesystem.Dir(location)); storage.ValidJobID(parent) {
		return parent
	}
	return ""
}

// jobAround returns the directory of the job that a place is part of: a checkpoint's
// directory, one for state, the job's own. It is empty if there is none.
func (a *Auditor) jobAround(name string) string {
	for dir := name; !filesystem.IsRoot(dir); dir = filesystem.Dir(dir) {
		if storage.ValidJobID(path.Base(dir)) {
			return dir
		}
	}
	for dir, levels := name, 0; !filesystem.IsRoot(dir) && levels < 4; dir, levels = filesystem.Dir(dir), levels+1 {
		if entries, err := a.Files.List(dir); err == nil && isJob(dir, entries) {
			return dir
		}
	}
	return ""
}

// around returns the directories below which whoever may depend on a place is looked for:
// of a job's directory, or a part of it, the checkpoint directory with all jobs in it, by
// each name that the place has. Complete is false if that cannot be looked at.
func (a *Auditor) around(name string) (dirs []string, complete bool) {
	names, complete := []string{name}, true
	if filesystem.Scheme(name) == "file" {
		names, complete = a.localNames(name)
	}
	seen := map[fileKey]bool{}
	for _, alias := range names {
		dir := a.checkpointDirectory(alias)
		entry, err := a.Files.Stat(dir)
		if key := a.key(dir, entry); err == nil && !seen[key] {
			seen[key] = true
			dirs = append(dirs, dir)
		}
	}
	return dirs, complete
}

// isJobByAnyName says whether a directory is a job's by one of its names.
func (a *Auditor) isJobByAnyName(dir string) bool {
	if filesystem.Scheme(dir) != "file" {
		return a.jobAround(dir) == dir
	}
	names, _ := place.Local(dir)
	return slices.ContainsFunc(names, func(name string) bool { return a.jobAround(name) == name })
}

// localNames returns the names of a place of this machine. Complete is false if it is part
// of a job whose directory is all that is mounted.
func (a *Auditor) localNames(name string) (names []string, complete bool) {
	names, _ = place.Local(name)
	part := false
	for _, alias := range names {
		if job := a.jobAround(alias); job != "" {
			_, whole := place.Local(job)
			part, complete = true, complete || whole
		}
	}
	return names, complete || !part
}

// checkpointDirectory returns the directory that holds the job that a place is part of;
// the place itself, if it is part of none.
func (a *Auditor) checkpointDirectory(name string) string {
	job := a.jobAround(name)
	if job == "" {
		return name
	}
	parent := filesystem.Dir(job)
	if filesystem.IsRoot(parent) {
		return job
	}
	if storage.ValidJobID(path.Base(job)) || a.hasJobs(parent, job) {
		return parent
	}
	return job
}

// hasJobs says whether a directory holds jobs besides the one: then it is a checkpoint
// directory, also where jobs have names of their own. What cannot be looked into may be one.
func (a *Auditor) hasJobs(parent, but string) bool {
	entries, err := a.Files.List(parent)
	if err != nil {
		return true
	}
	return slices.ContainsFunc(entries, func(e filesystem.Entry) bool {
		name := filesystem.Join(parent, e.Name)
		if !e.Directory || name == but {
			return false
		}
		held, err := a.Files.List(name)
		return storage.ValidJobID(e.Name) || err == nil && isJob(name, held)
	})
}
