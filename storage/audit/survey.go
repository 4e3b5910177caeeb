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

// survey lists the completed and the unfinished checkpoints below some roots.
type survey struct {
	*Auditor
	mu          sync.Mutex
	visited     map[fileKey]visit // the visited directories; a directory that is in this map is not visited again, so loops of links end
	following   bool              // true while links are followed
	deep        bool              // true if directories for state are searched too
	links       []string          // links that were found; they are followed after all directories were searched
	checkpoints []foundCheckpoint // sorted by path
	unfinished  []unfinished      // sorted by path
	passed      []PassedOver      // sorted by path
}

// visit is a visited directory.
type visit struct {
	name   string
	linked bool // whether a link led to the directory
}

// foundCheckpoint is a directory with `_metadata`.
type foundCheckpoint struct {
	storage.Pointer
	entry  filesystem.Entry // entry of `_metadata`
	linked bool             // whether a link led to the directory
}

// unfinished is a directory chk-N without `_metadata`.
type unfinished struct {
	location string
	id       int64
	newest   filesystem.Entry // the entry that changed last: a file in the directory, or the directory itself
	oldest   time.Time        // when the oldest file in the directory was written; if there is no file, when the directory was changed
}

// PassedOver is a place below a root that was not searched.
type PassedOver struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`

	err error // nil if nothing was missed, because the place was searched under another name
}

// survey searches for checkpoints below some roots. If the parameter "deep" is true, it also
// searches directories for state. Flink puts many files there, but no checkpoints.
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
		s.pass(root, "it could not be read: "+reason(err), err) // a root that does not exist is an error too, because it existed before the survey
		return nil
	}
	if _, again := s.visit(root, entry); again {
		return nil
	}
	return s.walk(ctx, root, s.look)
}

// follow searches the directory to which a link leads, because Flink follows links too. The names
// of the checkpoints that it finds begin with the name of the link.
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

// visit records that a directory is visited. If the directory was visited before, the result
// "again" is true, and the result "other" is the name under which it was visited.
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

// look records what a directory contains, and returns the subdirectories that must be searched.
func (s *survey) look(dir string, entries []filesystem.Entry, err error) (below []string) {
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) { // if the directory does not exist, somebody deleted it while the survey ran
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

// note records a directory that is a completed or an unfinished checkpoint.
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

// idOf returns N for a directory chk-N, and 0 for any other directory.
func idOf(dir string) int64 {
	id, _ := storage.ParseCheckpointName(path.Base(dir))
	return id
}

// isStateDirectory says whether a name is the name of a directory for state: shared or taskowned.
func isStateDirectory(name string) bool {
	return name == storage.SharedName || name == storage.TaskOwnedName
}

// hasState says whether a directory contains the directories in which a job writes state.
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

// root checks that a root exists, and that it is a directory that can be read.
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

// rootsOf does the same as the method root for several roots.
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

// jobOf returns the id of the job whose directory contains a checkpoint. The id is empty if the
// directory's name is not a job id.
func jobOf(location string) string {
	if parent := path.Base(filesystem.Dir(location)); storage.ValidJobID(parent) {
		return parent
	}
	return ""
}

// jobAround returns the directory of the job to which a place belongs. The place may be the job's
// directory itself, a checkpoint's directory, or a directory for state. The result is empty if the
// place belongs to no job.
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

// around returns the directories whose checkpoints may depend on files of a place. If the place is
// a part of a job, the directory is the checkpoint directory that contains all jobs. A place with
// several names may give several directories. The result "complete" is false if the checkpoint
// directory cannot be seen.
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

// isJobByAnyName says whether at least one of a directory's names is the name of a job's directory.
func (a *Auditor) isJobByAnyName(dir string) bool {
	if filesystem.Scheme(dir) != "file" {
		return a.jobAround(dir) == dir
	}
	names, _ := place.Local(dir)
	return slices.ContainsFunc(names, func(name string) bool { return a.jobAround(name) == name })
}

// localNames returns the names of a place on the machine's own file system. The result "complete"
// is false if the job's directory is mounted, but the checkpoint directory that contains it is not.
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

// checkpointDirectory returns the checkpoint directory that contains the job to which a place
// belongs. If the place does not belong to a job, it returns the place itself.
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

// hasJobs says whether the directory "parent" contains a job's directory other than the directory
// in the parameter "but". If so, "parent" is a checkpoint directory, even if the names of the jobs'
// directories are not job ids. If "parent" cannot be read, the result is true, because it may
// contain jobs.
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
