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

// claims says which checkpoints depend on which files. Every tool that deletes relies on it. It is
// conservative: a file that cannot be resolved counts as needed.
//
// Jobs run meanwhile. So a caller must list the files that it asks about before it collects claims.
// Then the answer is safe. A checkpoint that completes later needs files of two kinds. It wrote
// some of them itself; it was in progress at that time, which [activity.busy] reports. It shares
// the others with checkpoints that completed earlier. At least one of these is among the claims,
// because a checkpoint that was read once counts even after it is gone.
type claims struct {
	*Auditor
	roots []string
	depth Depth // how closely to look at files

	mu      sync.Mutex
	read    map[metadataKey]*claimant
	users   map[fileKey][]*claimant
	named   map[string][]*claimant // checkpoints by the last element of the names of their files
	survey  *survey                // the result of the newest pass
	current []*claimant            // checkpoints that the newest pass found
	present map[*claimant]bool

	activities  map[fileKey]activity // by a job's directory; nil until first used
	directories map[string]fileKey   // keys of directories by name
	doubts      []string             // why the needs of some checkpoint are unknown
	lasting     []string             // doubts that another pass cannot remove
	hidden      []foundCheckpoint    // checkpoints inside directories for state; only the first pass searches there
}

// metadataKey identifies one version of one metadata file.
type metadataKey struct {
	location string // two hard links count as two checkpoints
	file     fileKey
	size     int64
	modified int64 // nanoseconds
}

// claimant is a checkpoint with the files that it depends on.
type claimant struct {
	storage.Pointer
	key        metadataKey
	entry      filesystem.Entry // entry of the metadata file
	id         int64
	kind       string
	files      []claimed
	restorable bool
	changelog  bool   // whether some of its state is a changelog
	doubt      string // why its needs are unknown; else empty
	denied     string // a file that may not be read for lack of permission; else empty
}

// claimed is a file that a checkpoint depends on.
type claimed struct {
	name string
	key  fileKey
	size int64
}

// passesMax limits how often claims are collected anew while checkpoints come and go.
const passesMax = 20

// collect reads the checkpoints below at and also. It also reads checkpoints around these roots,
// because these may depend on files below the roots.
//
// Checkpoints inside a job's directories for state (shared, taskowned) are hidden. A caller that
// has listed all files passes the hidden checkpoints. If the caller passes nil, the first pass
// searches for hidden checkpoints.
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

// lookAround adds the directories in which checkpoints may depend on files below name.
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

// lookAroundMounts calls lookAround for each part of a job that is mounted below root.
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

// rootURLs lists the directories in which checkpoints were read. It leaves out directories below
// other roots.
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

// refresh repeats pass until a pass finds nothing new. Then all claims belong to one moment.
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

// pass surveys the roots and reads the checkpoints that were not read before.
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

// addHidden adds the hidden checkpoints that still exist. In the first pass, it finds out which
// checkpoints are hidden.
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

// amongState says whether a path may be inside a directory for state.
func amongState(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), isStateDirectory)
}

// claimant returns a checkpoint, and reads it unless it was read before. isNew is true if the
// checkpoint was not known. If the checkpoint is gone, the result is nil and true.
func (c *claims) claimant(ctx context.Context, found foundCheckpoint, files *remembered) (*claimant, bool, error) {
	key := metadataKey{location: found.Location, file: c.key(found.Metadata, found.entry), size: found.entry.Size, modified: found.entry.Modified.UnixNano()}
	c.mu.Lock()
	known := c.read[key]
	c.mu.Unlock()
	// A checkpoint with missing files is read again. Somebody may have deleted the checkpoint with
	// its files while it was read.
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
	if found.entry.Link { // the metadata file is a link to another file
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

// brief says in few words what is wrong with a metadata file.
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

// doubtful lists reasons for doubt: for some current checkpoint, it is unknown which files it
// needs.
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

// denied returns an error if permission was denied for something.
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

// activity is what storage shows of a job: its newest completed checkpoint, and its checkpoints in
// progress.
type activity struct {
	newest    *claimant // a completed checkpoint
	started   []*unfinished
	changelog bool
}

// activityIn returns the activity of the job in this directory.
func (c *claims) activityIn(job string) activity {
	if c.activities == nil {
		c.activities = c.allActivities()
	}
	return c.activities[c.directory(job)]
}

// directory returns the key of a directory. A caller may use another name of a job's directory than
// the survey, for example a link.
func (c *claims) directory(name string) fileKey {
	key, known := c.directories[name]
	if !known {
		entry, _ := c.Files.Stat(name) // if this fails, the key is the name
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

// abandonedAge limits how long a checkpoint without `_metadata` may pause and still count as in
// progress. It applies if the checkpoint is newer than all completed ones of its job.
const abandonedAge = 24 * time.Hour

// inProgress returns a checkpoint without `_metadata` that changed within the last hour, or nil.
func (of activity) inProgress(now time.Time) *unfinished {
	for _, u := range of.started {
		if now.Sub(u.newest.Modified) < DefaultAge {
			return u
		}
	}
	return nil
}

// busy returns the reason why a checkpoint in progress may soon refer to a file, or an empty text.
// "Young" and "recently" mean within an hour, or within age if that is longer. By default, Flink
// aborts a checkpoint after ten minutes. The file is busy in these cases:
//
//   - The file is in chk-N, or is young, or is not older than the oldest file of chk-N. chk-N has no
//     `_metadata` and changed recently.
//   - The file is young. chk-N has no `_metadata`, is newer than all completed checkpoints, and
//     changed within [abandonedAge].
//   - The file is young, and the job uses the changelog.
//   - The file is young, is newer than the newest checkpoint, and is on an object store. There, a
//     checkpoint in progress cannot be seen.
//
// within is the N of the directory chk-N that holds the file, or 0.
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

// copyOf returns a checkpoint that needs a file with this name in another directory. Perhaps one file
// is a copy of the other. Perhaps there is only one file, which has two paths, and we do not know
// that both paths lead to it.
func (c *claims) copyOf(base string) (user *claimant, is bool) {
	if users := c.named[base]; len(users) > 0 {
		return users[0], true
	}
	return nil, false
}
