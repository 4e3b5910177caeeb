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

// survey lists the checkpoints below some roots, and the remains of checkpoints.
type survey struct {
	*Auditor
	mu          sync.Mutex
	visited     map[fileKey]visit // visited directories; they also end loops of links
	following   bool              // whether links are followed now
	deep        bool              // also search directories for state
	links       []string          // found links; they are followed after all directories
	checkpoints []foundCheckpoint // sorted by path
	unfinished  []unfinished      // sorted by path
	passed      []PassedOver      // sorted by path
}

// visit is a visited directory.
type visit struct {
	name   string
	linked bool // whether a link led to it
}

// foundCheckpoint is a directory with `_metadata`.
type foundCheckpoint struct {
	storage.Pointer
	entry  filesystem.Entry // entry of `_metadata`
	linked bool             // whether a link led to it
}

// unfinished is a directory chk-N without `_metadata`.
type unfinished struct {
	location string
	id       int64
	newest   filesystem.Entry // the newest entry: the directory itself or a file in it
	oldest   time.Time        // when the oldest file in it was written; for an empty directory, when it was changed
}

// PassedOver is a place below a root that was not searched.
type PassedOver struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`

	err error // nil if nothing is missed, because the place was searched under another name
}

// survey searches below some roots. With deep, it also searches directories for state. Flink puts
// no checkpoints there, but many files.
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
		s.pass(root, "it could not be read: "+reason(err), err) // also if it is gone, because it existed before
		return nil
	}
	if _, again := s.visit(root, entry); again {
		return nil
	}
	return s.walk(ctx, root, s.look)
}

// follow searches the directory to which a link leads, because Flink follows links. The names of
// the found checkpoints begin with the name of the link.
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
		s.pass(link, "it is a link to "+filesystem.URL(other)+", which was searched", nil)
		return nil
	}
	return s.walk(ctx, link, s.look)
}

// visit marks a directory as visited. If it was visited before, again is true, and other is the
// name that was used.
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

// look records what is in a directory, and returns the subdirectories to search.
func (s *survey) look(dir string, entries []filesystem.Entry, err error) (below []string) {
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) { // otherwise somebody deleted it meanwhile
			s.pass(dir, "it could not be read: "+reason(err), err)
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
				s.pass(name, "it is the same directory as "+filesystem.URL(other)+", which was searched", nil)
			} else {
				below = append(below, name)
			}
		}
	}
	s.note(dir, entries)
	return below
}

// note records a checkpoint or the remains of a checkpoint.
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

// idOf returns N for a directory chk-N, and 0 for any other.
func idOf(dir string) int64 {
	id, _ := storage.ParseCheckpointName(path.Base(dir))
	return id
}

// isStateDirectory says whether this is the name of a job's directory for state.
func isStateDirectory(name string) bool {
	return name == storage.SharedName || name == storage.TaskOwnedName
}

// hasState says whether a directory contains a job's directories for state.
func (a *Auditor) hasState(dir string) bool {
	entries, err := a.Files.List(dir)
	return err == nil && slices.ContainsFunc(entries, func(e filesystem.Entry) bool { return e.Directory && isStateDirectory(e.Name) })
}

// isJob says whether a directory belongs to a job: its name is a job's id, or it contains a
// directory chk-N.
func isJob(dir string, entries []filesystem.Entry) bool {
	return storage.ValidJobID(path.Base(dir)) || slices.ContainsFunc(entries, func(e filesystem.Entry) bool {
		_, ok := storage.ParseCheckpointName(e.Name)
		return e.Directory && ok
	})
}

// root checks that a root exists, and is a directory that can be read.
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

// jobOf returns the id of the job whose directory contains a checkpoint. The result is empty if
// there is none.
func jobOf(location string) string {
	if parent := path.Base(filesystem.Dir(location)); storage.ValidJobID(parent) {
		return parent
	}
	return ""
}

// jobAround returns the job's directory that contains a place. The place may be this directory, a
// checkpoint's directory, or a directory for state. The result is empty if there is no job.
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

// around returns the directories in which checkpoints may depend on files of a place. If the place
// is part of a job, this is the checkpoint directory with all jobs. There is one for each name of
// the place. complete is false if the checkpoint directory cannot be seen.
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

// isJobByAnyName says whether a directory belongs to a job under at least one of its names.
func (a *Auditor) isJobByAnyName(dir string) bool {
	if filesystem.Scheme(dir) != "file" {
		return a.jobAround(dir) == dir
	}
	names, _ := place.Local(dir)
	return slices.ContainsFunc(names, func(name string) bool { return a.jobAround(name) == name })
}

// localNames returns the local names of a place. complete is false if only the job's directory is
// mounted, without the checkpoint directory.
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

// checkpointDirectory returns the checkpoint directory with the job to which a place belongs. If
// the place is not part of a job, it returns the place.
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

// hasJobs says whether the directory parent holds another job than but. Then parent is a checkpoint
// directory, even if the jobs are not named by ids. A directory that cannot be read may hold jobs.
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
