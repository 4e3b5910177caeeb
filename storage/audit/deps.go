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
)

// DepsSchema names the format of [Deps].
const DepsSchema = "snapback/deps/1"

// Deps says which checkpoints depend on a file, or on the files of a directory.
type Deps struct {
	Schema       string      `json:"schema"`
	Path         string      `json:"path"`
	Files        int         `json:"files"`        // number of files in the given file or directory
	Bytes        int64       `json:"bytes"`        // total size of these files, in bytes
	Checkpoints  int         `json:"checkpoints"`  // number of checkpoints that were read, not counting checkpoints inside the given directory
	Roots        []string    `json:"roots"`        // directories in which checkpoints were read
	MayBeDeleted bool        `json:"mayBeDeleted"` // whether it is proven that no other checkpoint depends on the files
	Dependents   []Dependent `json:"dependents"`
	Doubts       []string    `json:"doubts"` // reasons why MayBeDeleted is false, apart from Dependents
	Notes        []string    `json:"notes"`

	denied error
}

// Denied returns an error if the user had no permission to read some file or directory.
func (d Deps) Denied() error { return d.denied }

// Dependent is a checkpoint that depends on at least one of the given files.
type Dependent struct {
	Path  string `json:"path"`
	Job   string `json:"job,omitempty"`
	ID    int64  `json:"checkpointId"`
	Kind  string `json:"kind"`
	Files int    `json:"files"` // number of the given files on which the checkpoint depends
	Bytes int64  `json:"bytes"`
	First string `json:"first"` // name of one of these files: the first in the order of names
}

// DepsOptions are the options of [Auditor.Deps].
type DepsOptions struct {
	Now  time.Time
	Also []string // other roots with checkpoints that may depend on the files
}

// Deps says which checkpoints depend on the files of a place: a single file, a checkpoint, or a
// job's directory. It ignores checkpoints inside the given directory. It reads the checkpoints of
// all jobs in the checkpoint directory that contains the place, and the checkpoints below the other
// roots.
func (a *Auditor) Deps(ctx context.Context, text string, options DepsOptions) (Deps, error) {
	name, err := a.name(text)
	if err != nil {
		return Deps{}, &storage.NotFoundError{Why: err.Error()}
	}
	roots, err := a.rootsOf(options.Also)
	if err != nil {
		return Deps{}, err
	}
	// The files must be listed before the claims are collected; see the type claims.
	of, err := a.filesIn(ctx, text, name)
	if err != nil {
		return Deps{}, err
	}
	c, err := a.collect(ctx, of.dir, roots, present, nil)
	if err != nil {
		return Deps{}, err
	}
	d := Deps{
		Schema: DepsSchema, Path: filesystem.URL(name), Files: len(of.files), Bytes: of.bytes, Roots: c.rootURLs(),
		Dependents: []Dependent{}, Doubts: append([]string{}, c.doubts...), Notes: []string{}, denied: c.denied(),
	}
	for _, claim := range c.current {
		if of.dirs[c.directory(claim.Location)] && of.dir == name {
			d.Notes = append(d.Notes, c.noteNewest(claim)...)
			continue
		}
		d.Checkpoints++
		if dependent, depends := of.dependent(claim); depends {
			d.Dependents = append(d.Dependents, dependent)
		} else if base, named := of.namesake(claim); named {
			d.Doubts = append(d.Doubts, fmt.Sprintf("%s uses a file named %s in another directory: it may be a copy, or the same file under another name", filesystem.URL(claim.Location), base))
		}
	}
	if why := of.busy(c, name, options.Now); why != "" && len(d.Dependents) == 0 {
		d.Doubts = append(d.Doubts, why)
	}
	if d.Checkpoints == 0 && a.jobAround(name) == "" {
		d.Doubts = append(d.Doubts, "no other checkpoint was read: use --also to name the checkpoint directory of the jobs that may depend on it")
	}
	d.MayBeDeleted = len(d.Dependents) == 0 && len(d.Doubts) == 0
	return d, nil
}

// noteNewest returns a note if a checkpoint is the newest checkpoint of its job.
func (c *claims) noteNewest(claim *claimant) []string {
	if c.activityIn(filesystem.Dir(claim.Location)).newest != claim {
		return nil
	}
	return []string{fmt.Sprintf("WARNING: %s is the newest checkpoint of its job: without it the job goes back to an older one, or to none", filesystem.URL(claim.Location))}
}

// busy returns the reason why a checkpoint in progress may soon refer to these files. If there is
// no such reason, it returns an empty text.
func (of *heldFiles) busy(c *claims, name string, now time.Time) string {
	job := c.jobAround(name)
	if job == "" || len(of.holds) > 0 && name != job {
		return "" // the place is a completed checkpoint, whose files no checkpoint in progress uses
	}
	seen := c.activityIn(job)
	if of.dir != name { // the place is a single file
		why := seen.busy(of.newest, 0, c.Files.CreatesWhole(name), now, DefaultAge)
		if why == "" && now.Sub(of.newest.Modified) < DefaultAge {
			why = fmt.Sprintf("it is younger than %s, and may belong to a checkpoint in progress: try again later", DefaultAge)
		}
		return why
	}
	if u := seen.inProgress(now); u != nil {
		return fmt.Sprintf("%s may be in progress: make sure that the job does not run, or wait until that checkpoint is an hour old", filesystem.URL(u.location))
	}
	return ""
}

// heldFiles are the files of a place: a single file, or all files of a directory.
type heldFiles struct {
	dir   string // the given directory; for a single file, its parent directory
	files map[fileKey]int64
	holds map[fileKey]bool // keys of those files that are metadata files
	dirs  map[fileKey]bool // the directory itself, if a directory was given, and its subdirectories
	bases map[string]bool  // the last elements of the files' names
	bytes int64

	newest filesystem.Entry
}

// filesIn returns the file with this name, or all files of the directory with this name.
func (a *Auditor) filesIn(ctx context.Context, text, name string) (*heldFiles, error) {
	entry, err := a.Files.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &storage.NotFoundError{Why: fmt.Sprintf("%q: no such file or directory", text)}
	case err != nil:
		return nil, &storage.UnreachableError{What: fmt.Sprintf("look at %q", text), Err: err}
	}
	of := &heldFiles{dir: name, files: map[fileKey]int64{}, holds: map[fileKey]bool{}, dirs: map[fileKey]bool{a.key(name, entry): true}, bases: map[string]bool{}}
	if !entry.Directory {
		of.dir = filesystem.Dir(name)
		of.add(a, name, entry)
		return of, nil
	}
	var failed error
	var mu sync.Mutex
	err = a.walk(ctx, name, func(dir string, entries []filesystem.Entry, err error) (below []string) {
		mu.Lock()
		defer mu.Unlock()
		failed = errors.Join(failed, filesystem.IgnoreNotExist(err))
		for _, entry := range entries {
			if entry.Directory {
				below = append(below, filesystem.Join(dir, entry.Name))
				of.dirs[a.key(filesystem.Join(dir, entry.Name), entry)] = true
			} else {
				of.add(a, filesystem.Join(dir, entry.Name), entry)
			}
		}
		return below
	})
	if failed != nil {
		failed = &storage.UnreachableError{What: fmt.Sprintf("look into %q", text), Err: failed}
	}
	return of, errors.Join(err, failed)
}

func (of *heldFiles) add(a *Auditor, name string, entry filesystem.Entry) {
	key := a.key(name, entry)
	of.files[key] = entry.Size
	of.bytes += entry.Size
	of.bases[path.Base(name)] = true
	if entry.Modified.After(of.newest.Modified) {
		of.newest = entry
	}
	if path.Base(name) == storage.MetadataName {
		of.holds[key] = true
	}
}

// namesake returns a file name that occurs both among the given files and among the files of the
// checkpoint. The two may be one file, which we know under two paths. The result "is" is false if
// no such name exists.
func (of *heldFiles) namesake(claim *claimant) (base string, is bool) {
	for _, f := range claim.files {
		if base := path.Base(f.name); base != storage.MetadataName && of.bases[base] {
			return base, true
		}
	}
	return "", false
}

// dependent says on how many of the given files a checkpoint depends. The second result is false if
// it depends on none of the files.
func (of *heldFiles) dependent(claim *claimant) (Dependent, bool) {
	d := Dependent{Path: filesystem.URL(claim.Location), Job: jobOf(claim.Location), ID: claim.id, Kind: claim.kind}
	files := slices.Clone(claim.files)
	if _, metadata := of.files[claim.key.file]; metadata {
		files = append(files, claimed{name: claim.Metadata, key: claim.key.file, size: claim.entry.Size})
	}
	slices.SortFunc(files, func(a, b claimed) int { return strings.Compare(a.name, b.name) })
	for _, f := range files {
		if size, in := of.files[f.key]; in {
			d.Files++
			d.Bytes += size
			if d.First == "" {
				d.First = filesystem.URL(f.name)
			}
		}
	}
	return d, d.Files > 0
}
