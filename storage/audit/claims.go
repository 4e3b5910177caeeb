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
	"github.com/snapback/snapback/storage/metadata"
)

// claims says which checkpoints depend on which files. In this package, a claim is such a
// dependence; Flink's mode CLAIM has the same word, but another meaning. Every tool that deletes
// files uses claims. It is conservative: a file that cannot be resolved counts as needed.
//
// Jobs may run while a tool works. So a caller must first list the files in which it is interested,
// and then collect the claims. This order is safe even if a checkpoint completes later. Such a
// checkpoint needs two kinds of files. It wrote some files itself; then it was in progress when the
// claims were collected, and [activity.busy] reports it. It shares the other files with checkpoints
// that completed earlier. At least one of these earlier checkpoints is among the claims, because a
// checkpoint that was read once counts even after it was deleted.
type claims struct {
	*Auditor
	roots []string
	depth Depth // how closely files are checked

	mu      sync.Mutex
	read    map[metadataKey]*claimant
	users   map[fileKey][]*claimant
	named   map[string][]*claimant // the checkpoints that use a file; the key is the last element of the file's name
	survey  *survey                // the result of the latest pass
	current []*claimant            // checkpoints that the latest pass found
	present map[*claimant]bool

	activities  map[fileKey]activity // the activity of each job; the key is the job's directory; nil until first used
	directories map[string]fileKey   // keys of directories; the index is the directory's name
	doubts      []string             // reasons why it is unknown which files some checkpoint needs
	lasting     []string             // doubts that stay even if another pass is made
	hidden      []foundCheckpoint    // checkpoints inside directories for state; only the first pass looks for them
}

// metadataKey identifies one version of a metadata file.
type metadataKey struct {
	location string // directory of the file, so that two hard links count as two checkpoints
	file     fileKey
	size     int64
	modified int64 // time of the last change, in nanoseconds
}

// claimant is a checkpoint with the list of the files on which it depends.
type claimant struct {
	storage.Pointer
	key        metadataKey
	entry      filesystem.Entry // entry of the metadata file
	id         int64
	kind       string
	files      []claimed
	restorable bool
	changelog  bool   // whether a part of its state is a changelog
	doubt      string // why it is unknown which files the checkpoint needs; empty if this is known
	denied     string // a file that the user has no permission to read; empty if there is no such file
}

// claimed is a file on which a checkpoint depends.
type claimed struct {
	name string
	key  fileKey
	size int64
}

// passesMax is the largest number of passes that refresh makes. One pass searches all roots for
// checkpoints. If it finds a new checkpoint, refresh makes another pass.
const passesMax = 20

// collect reads the checkpoints below the directories in the parameters "at" and "also". It also
// reads the checkpoints of other jobs in the same checkpoint directory, because these checkpoints
// may depend on files below them.
//
// A checkpoint inside a job's directory for state (shared, taskowned) is called hidden. A caller
// that has listed all files passes the hidden checkpoints that it found. If the caller passes nil,
// the first pass looks for hidden checkpoints.
func (a *Auditor) collect(ctx context.Context, at string, also []string, depth Depth, hidden []foundCheckpoint) (*claims, error) {
	c := &claims{Auditor: a, hidden: hidden, depth: depth, read: map[metadataKey]*claimant{}, users: map[fileKey][]*claimant{}, named: map[string][]*claimant{}}
	for _, name := range append([]string{at}, also...) {
		c.lookAround(name)
		if filesystem.Scheme(name) == "file" {
			c.lookAroundMounts(name)
		}
		c.roots = append(c.roots, name)
	}
	return c, c.refresh(ctx)
}

// lookAround adds directories to the roots: the directories whose checkpoints may depend on files
// of the place with this name. If some of them cannot be seen, it adds a lasting doubt.
func (c *claims) lookAround(name string) {
	around, complete := c.around(name)
	c.roots = append(c.roots, around...)
	if !complete {
		c.lasting = append(c.lasting, mountedAlone(name))
	}
}

func mountedAlone(name string) string {
	return fmt.Sprintf("%s is mounted without its parent directory: checkpoints of other jobs there may refer to its files; mount the whole checkpoint directory", filesystem.URL(name))
}

// lookAroundMounts calls lookAround for each mount point below root that is a part of a job.
func (c *claims) lookAroundMounts(root string) {
	for _, name := range place.MountsBelow(root) {
		if c.jobAround(name) == "" {
			continue
		}
		c.lookAround(name)
		if _, whole := place.Local(name); !whole {
			c.lasting = append(c.lasting, mountedAlone(name))
		}
	}
}

// rootURLs lists the directories in which checkpoints were read. It omits a directory that is below
// another one.
func (c *claims) rootURLs() []string {
	urls := []string{}
	for _, root := range c.roots {
		within := func(other string) bool {
			_, below := filesystem.Relative(other, root)
			return below
		}
		if url := filesystem.URL(root); !slices.Contains(urls, url) && !slices.ContainsFunc(c.roots, within) {
			urls = append(urls, url)
		}
	}
	return urls
}

// refresh brings the claims up to date. It searches all roots for checkpoints, again and again,
// until a search (a pass) finds no new checkpoint. Then all claims are from the same moment: the
// moment of the last search.
func (c *claims) refresh(ctx context.Context) error {
	for range passesMax {
		changed, err := c.pass(ctx)
		if err != nil {
			return err
		}
		if !changed {
			c.doubts = append(slices.Clone(c.lasting), c.doubtful()...)
			return nil
		}
	}
	c.doubts = append(append(slices.Clone(c.lasting), c.doubtful()...), "checkpoints come and go faster than they can be read: try again when the jobs take fewer checkpoints")
	return nil
}

// pass searches all roots for checkpoints, once. It reads those checkpoints that no earlier pass
// has read. The result "changed" is true if it found such a checkpoint, or if a checkpoint was
// deleted before pass could read it.
func (c *claims) pass(ctx context.Context) (changed bool, err error) {
	if c.survey, err = c.Auditor.survey(ctx, c.roots, c.hidden == nil); err != nil {
		return false, err
	}
	c.addHidden()
	files := newRemembered(c.Files)
	current := make([]*claimant, len(c.survey.checkpoints))
	err = each(ctx, len(current), readsMax(), func(ctx context.Context, i int) error {
		found := c.survey.checkpoints[i]
		known, isNew, err := c.claimant(ctx, found, files)
		c.mu.Lock()
		defer c.mu.Unlock()
		current[i] = known
		changed = changed || isNew
		return err
	})
	c.current = slices.DeleteFunc(current, func(claim *claimant) bool { return claim == nil })
	c.present, c.activities, c.directories = map[*claimant]bool{}, nil, map[string]fileKey{}
	for _, claim := range c.current {
		c.present[claim] = true
	}
	c.progress("checkpoints read", int64(len(c.read)), 0)
	return changed, err
}

// addHidden adds to the survey the hidden checkpoints that still exist. In the first pass the
// survey itself looks for hidden checkpoints, and addHidden only records which ones it found.
func (c *claims) addHidden() {
	if c.hidden == nil {
		c.hidden = []foundCheckpoint{}
		for _, found := range c.survey.checkpoints {
			if amongState(found.Location) {
				c.hidden = append(c.hidden, found)
			}
		}
		return
	}
	seen := map[string]bool{}
	for _, found := range c.survey.checkpoints {
		seen[found.Location] = true
	}
	for _, found := range c.hidden {
		if entry, err := c.Files.Stat(found.Metadata); err == nil && !seen[found.Location] {
			if !found.entry.Link {
				found.entry = entry
			}
			c.survey.checkpoints = append(c.survey.checkpoints, found)
		}
	}
}

// amongState says whether one of the directories in a path has the name of a directory for state.
func amongState(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), isStateDirectory)
}

// claimant returns a checkpoint with its files. It reads the checkpoint unless an earlier pass has
// read it. The second result is true if no earlier pass knew the checkpoint. If somebody deleted
// the checkpoint after the survey found it, the results are nil and true.
func (c *claims) claimant(ctx context.Context, found foundCheckpoint, files *remembered) (*claimant, bool, error) {
	key := metadataKey{location: found.Location, file: c.key(found.Metadata, found.entry), size: found.entry.Size, modified: found.entry.Modified.UnixNano()}
	c.mu.Lock()
	known := c.read[key]
	c.mu.Unlock()
	// A checkpoint with a doubt is read again. Perhaps somebody deleted the checkpoint and its
	// files while an earlier pass read it.
	if known != nil && known.doubt == "" {
		return known, false, nil
	}
	v := &verifier{Auditor: c.Auditor, location: found.Location, depth: c.depth, files: files}
	result, err := v.verify(ctx, found.Pointer)
	if err != nil {
		return nil, false, err
	}
	if errors.Is(v.broken, fs.ErrNotExist) && !found.entry.Link {
		return nil, true, nil
	}
	claim := newClaimant(found, key, v, result)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read[key] = claim
	for _, f := range claim.files {
		if !slices.Contains(c.users[f.key], claim) {
			c.users[f.key] = append(c.users[f.key], claim)
		}
		if base := path.Base(f.name); !slices.Contains(c.named[base], claim) {
			c.named[base] = append(c.named[base], claim)
		}
	}
	return claim, known == nil, nil
}

func newClaimant(found foundCheckpoint, key metadataKey, v *verifier, result Verification) *claimant {
	claim := &claimant{
		Pointer: found.Pointer, key: key, entry: found.entry, id: v.checkpoint.ID, kind: kindOf(&v.checkpoint), restorable: result.Restorable,
		changelog: hasChangelog(&v.checkpoint),
	}
	for _, f := range result.Findings {
		if f.unproven && f.Kind == Unreadable {
			claim.denied = f.File
		}
	}
	lost, first := 0, ""
	for _, f := range v.referenced {
		claim.files = append(claim.files, claimed{name: f.name, key: v.key(f.name, f.entry), size: f.entry.Size})
		if !f.found {
			lost++
			first = f.name
		}
	}
	if found.entry.Link { // the metadata file is a symbolic link to another file
		if entry, err := v.Files.Stat(found.Metadata); err == nil {
			claim.files = append(claim.files, claimed{name: found.Metadata, key: v.key(found.Metadata, entry), size: entry.Size})
		}
	}
	where := filesystem.URL(found.Location)
	switch {
	case v.broken != nil:
		claim.doubt = fmt.Sprintf("%s cannot be read, and may refer to any file: put back a backup of it, or delete it if nobody needs that checkpoint (%s)", filesystem.URL(found.Metadata), brief(v.broken))
	case lost > 0 && claim.denied != "":
		claim.doubt = fmt.Sprintf("permission is denied for files of %s, for example %s: run this as a user who may read them", where, claim.denied)
	case lost > 0 && v.move != nil:
		claim.doubt = fmt.Sprintf("%d files of %s are missing at the paths that it records, for example %s: if they were moved, or have two names, add --rebase %s", lost, where, filesystem.URL(first), v.move)
	case lost > 0:
		claim.doubt = fmt.Sprintf("%d files of %s are missing at the paths that it records, for example %s: check that everything is mounted, or say where they are with --rebase FROM=TO; if nobody needs that checkpoint, delete its _metadata (Flink itself deletes files of older checkpoints when a job claims a newer one)", lost, where, filesystem.URL(first))
	}
	return claim
}

// brief says in a few words what is wrong with a metadata file.
func brief(err error) string {
	var bad *metadata.Error
	if errors.As(err, &bad) {
		return bad.Error()
	}
	return reason(err)
}

func hasChangelog(c *metadata.Checkpoint) bool {
	for i := range c.Operators {
		for _, subtask := range c.Operators[i].Subtasks {
			if _, ok := subtask.ManagedKeyed.(*metadata.Changelog); ok {
				return true
			}
		}
	}
	return false
}

// doubtful lists the doubts about the current checkpoints, and about places that could not be
// searched. A doubt is a reason why it is unknown which files some checkpoint needs.
func (c *claims) doubtful() []string {
	var doubts []string
	for _, claim := range c.current {
		if claim.doubt != "" {
			doubts = append(doubts, claim.doubt)
		}
	}
	for _, p := range c.survey.passed {
		if p.err != nil {
			doubts = append(doubts, fmt.Sprintf("%s may hold checkpoints: %s", p.Path, p.Reason))
		}
	}
	return doubts
}

// denied returns an error if the user had no permission to read some file or directory.
func (c *claims) denied() error {
	for _, p := range c.survey.passed {
		if errors.Is(p.err, fs.ErrPermission) {
			return &storage.UnreachableError{What: p.Path, Err: p.err}
		}
	}
	for _, claim := range c.current {
		if claim.denied != "" {
			return &storage.UnreachableError{What: claim.denied, Err: fs.ErrPermission}
		}
	}
	return nil
}

// activity describes what a job has on storage: its newest completed checkpoint, and its
// checkpoints in progress.
type activity struct {
	newest    *claimant // the newest completed checkpoint; nil if there is none
	started   []*unfinished
	changelog bool
}

// activityIn returns the activity of the job whose directory is given.
func (c *claims) activityIn(job string) activity {
	if c.activities == nil {
		c.activities = c.allActivities()
	}
	return c.activities[c.directory(job)]
}

// directory returns the key of a directory. The key is needed because a caller may know a job's
// directory under another name than the survey, for example through a link.
func (c *claims) directory(name string) fileKey {
	key, known := c.directories[name]
	if !known {
		entry, _ := c.Files.Stat(name) // if Stat fails, the name becomes the key
		key = c.key(name, entry)
		c.directories[name] = key
	}
	return key
}

func (c *claims) allActivities() map[fileKey]activity {
	all := map[fileKey]activity{}
	for _, claim := range c.current {
		job := c.directory(filesystem.Dir(claim.Location))
		if of := all[job]; of.newest == nil || claim.id > of.newest.id {
			of.newest, of.changelog = claim, claim.changelog
			all[job] = of
		}
	}
	for i := range c.survey.unfinished {
		u := &c.survey.unfinished[i]
		job := c.directory(filesystem.Dir(u.location))
		of := all[job]
		of.started = append(of.started, u)
		all[job] = of
	}
	return all
}

// abandonedAge limits how long a checkpoint without `_metadata` counts as in progress after its
// last change. The limit applies to a checkpoint that is newer than all completed checkpoints of
// its job.
const abandonedAge = 24 * time.Hour

// inProgress returns a checkpoint that has no `_metadata` and has changed within the last hour. It
// returns nil if there is no such checkpoint.
func (of activity) inProgress(now time.Time) *unfinished {
	for _, u := range of.started {
		if now.Sub(u.newest.Modified) < DefaultAge {
			return u
		}
	}
	return nil
}

// busy returns the reason why a checkpoint in progress may soon refer to a file. If there is no
// such reason, it returns an empty text. Below, "young" and "recently" mean within the last hour,
// or within the time in the parameter "age" if that time is longer. An hour is enough, because
// Flink by default aborts a checkpoint after ten minutes. The file is busy in each of these cases:
//
//   - A directory chk-N has no `_metadata` and changed recently. In addition, the file is in chk-N,
//     or is young, or is not older than the oldest file of chk-N.
//   - A directory chk-N has no `_metadata`, is newer than all completed checkpoints, and changed
//     within [abandonedAge]. In addition, the file is young.
//   - The job uses the changelog, and the file is young.
//   - The file is on an object store, where a checkpoint in progress cannot be seen. In addition,
//     the file is young, and is newer than the newest completed checkpoint.
//
// The parameter "within" is N if the file is in the directory chk-N, and 0 otherwise.
func (of activity) busy(file filesystem.Entry, within int64, onObjectStore bool, now time.Time, age time.Duration) string {
	recent := max(age, DefaultAge)
	young := now.Sub(file.Modified) < recent
	for _, u := range of.started {
		inProgress := now.Sub(u.newest.Modified) < recent
		newer := (of.newest == nil || u.id > of.newest.id) && now.Sub(u.newest.Modified) < abandonedAge
		if inProgress && (young || within == u.id || !file.Modified.Before(u.oldest)) || young && newer {
			return fmt.Sprintf("%s of its job may be in progress: try again when it is complete, or an hour old", filesystem.URL(u.location))
		}
	}
	switch {
	case !young:
		return ""
	case of.changelog:
		return "its job uses the changelog, which writes state between checkpoints: try again when the file is an hour old"
	case onObjectStore && (of.newest == nil || !file.Modified.Before(of.newest.entry.Modified)):
		return "it is newer than its job's newest checkpoint, and on an object store a checkpoint in progress cannot be seen: try again when the file is an hour old"
	}
	return ""
}

// copyOf returns a checkpoint that needs a file with the given name in another directory. Either
// one of the two files is a copy of the other, or both paths lead to the same file and we cannot
// see that.
func (c *claims) copyOf(base string) (user *claimant, is bool) {
	if users := c.named[base]; len(users) > 0 {
		return users[0], true
	}
	return nil, false
}
