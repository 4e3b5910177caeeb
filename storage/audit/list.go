package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// ListSchema names the format of a [List].
const ListSchema = "snapback/list/1"

// List is the list of the checkpoints below a root, grouped by job.
type List struct {
	Schema      string       `json:"schema"`
	Root        string       `json:"root"`
	Jobs        []Group      `json:"jobs"`        // sorted; the job with the restorable checkpoint that was written last comes first
	Checkpoints []Listed     `json:"checkpoints"` // grouped by job; in a group, restorable checkpoints come first, and higher ids come before lower ids
	PassedOver  []PassedOver `json:"passedOver"`  // places that were not searched
	Notes       []string     `json:"notes"`       // hints for the user
}

// Group describes the checkpoints of one job in one directory. Within a group, a checkpoint with a
// higher id is newer. The name of a savepoint contains the first digits of its job's id; from these
// digits, List knows the savepoint's group.
type Group struct {
	Job         string `json:"job,omitempty"`
	Directory   string `json:"directory"`
	Checkpoints int    `json:"checkpoints"`
	Restorable  int    `json:"restorable"`
	Latest      string `json:"latest,omitempty"` // path of the newest restorable checkpoint
	// Mixed says whether the checkpoints may belong to several jobs. Then their ids do not show
	// which checkpoint is newer, and Latest is empty unless the group has only one checkpoint.
	Mixed bool `json:"mixed,omitempty"`

	newest time.Time
}

// Listed is a checkpoint, a savepoint, or the remains of a checkpoint.
type Listed struct {
	Path       string    `json:"path"`          // path of the checkpoint's directory
	Job        string    `json:"job,omitempty"` // id of the job whose directory contains the checkpoint; empty if the id is unknown
	Kind       string    `json:"kind"`          // the kind as Flink names it, for example Checkpoint or Savepoint, or one of the constants below
	ID         int64     `json:"checkpointId,omitempty"`
	Version    int32     `json:"version,omitempty"`
	Modified   time.Time `json:"modified,omitzero"` // time when the metadata file was written; for a copy, the time of the copy
	Operators  int       `json:"operators"`
	Bytes      int64     `json:"bytes"` // size of the checkpoint's state, in bytes
	Restorable bool      `json:"restorable"`
	Unproven   bool      `json:"unproven"`          // true if the checkpoint is not restorable only because something could not be checked
	Problem    string    `json:"problem,omitempty"` // the first finding of verify
	Notes      []string  `json:"notes"`             // the notes from verify

	group  groupKey
	denied bool
}

// These kinds stand for checkpoints that do not record a kind.
const (
	Unfinished     = "unfinished" // a directory without `_metadata`
	UnreadableKind = "unreadable"
	UnknownKind    = "unknown" // versions 2 and 3 do not record the kind
)

// groupKey identifies the group to which a checkpoint belongs. It consists of the directory that
// contains the checkpoint's directory and, if known, of the job's id or its first digits. If mixed
// is true, the group may contain checkpoints of several jobs.
type groupKey struct {
	directory, job string
	mixed          bool
}

func (k groupKey) String() string {
	if k.job == "" {
		return "the job in " + filesystem.URL(k.directory)
	}
	return "job " + k.job
}

// fixedJob is the first part of the job id that Flink uses for every job in application mode.
const fixedJob = "000000"

var savepointName = regexp.MustCompile(`^savepoint-([0-9a-f]{6})-`)

func groupOf(location string) groupKey {
	key := groupKey{directory: filesystem.Dir(location), job: jobOf(location)}
	if match := savepointName.FindStringSubmatch(path.Base(location)); match != nil && key.job == "" && match[1] != fixedJob {
		key.job = match[1]
	}
	_, numbered := storage.ParseCheckpointName(path.Base(location))
	key.mixed = key.job == "" && !numbered
	return key
}

// List lists every checkpoint and savepoint below a root. The root may also be a job's directory,
// or a checkpoint. List makes the same checks as [Auditor.Verify] with the depth [Shallow].
func (a *Auditor) List(ctx context.Context, root string) (List, error) {
	name, err := a.root(root)
	if err != nil {
		return List{}, err
	}
	found, err := a.survey(ctx, []string{name}, false)
	if err != nil {
		return List{}, err
	}
	list := List{
		Schema: ListSchema, Root: filesystem.URL(name), Jobs: []Group{}, Checkpoints: []Listed{}, PassedOver: []PassedOver{}, Notes: []string{},
	}
	list.PassedOver = append(list.PassedOver, found.passed...)
	if err := a.listCheckpoints(ctx, &list, found); err != nil {
		return List{}, err
	}
	for _, u := range found.unfinished {
		list.Checkpoints = append(list.Checkpoints, Listed{
			Path: filesystem.URL(u.location), Job: jobOf(u.location), ID: u.id, Kind: Unfinished, Problem: "it has no " + storage.MetadataName,
			Notes: []string{}, group: groupOf(u.location),
		})
	}
	list.group()
	return list, nil
}

func (a *Auditor) listCheckpoints(ctx context.Context, list *List, found *survey) error {
	listed := make([]Listed, len(found.checkpoints))
	verified := make([]*verifier, len(found.checkpoints))
	files := newRemembered(a.Files)
	var done atomic.Int64
	err := each(ctx, len(listed), readsMax(), func(ctx context.Context, i int) (err error) {
		listed[i], verified[i], err = a.describe(ctx, found.checkpoints[i], files)
		a.progress("checkpoints looked at", done.Add(1), int64(len(listed)))
		return err
	})
	note := func(text string) {
		if !slices.Contains(list.Notes, text) {
			list.Notes = append(list.Notes, text)
		}
	}
	for i, v := range verified {
		if v == nil {
			continue // somebody deleted the checkpoint while List ran
		}
		list.Checkpoints = append(list.Checkpoints, listed[i])
		switch {
		case v.move != nil:
			note(fmt.Sprintf("if the checkpoints were moved, or have two names, try --rebase %s", v.move))
		case v.isMoved() && listed[i].Restorable:
			note(noRebase)
		}
	}
	return err
}

// describe reads and verifies a checkpoint.
func (a *Auditor) describe(ctx context.Context, found foundCheckpoint, files *remembered) (Listed, *verifier, error) {
	v := &verifier{Auditor: a, location: found.Location, depth: Shallow, files: files}
	result, err := v.verify(ctx, found.Pointer)
	if err != nil || errors.Is(v.broken, fs.ErrNotExist) && !found.entry.Link {
		return Listed{}, nil, err
	}
	c := &v.checkpoint
	l := Listed{
		Path: filesystem.URL(found.Location), Job: jobOf(found.Location), Kind: kindOf(c), ID: c.ID, Version: c.Version, Modified: found.entry.Modified,
		Operators: len(c.Operators), Restorable: result.Restorable, Unproven: result.Unproven, Notes: result.Notes, group: groupOf(found.Location),
		denied: slices.ContainsFunc(result.Findings, func(f Finding) bool { return f.unproven && f.Kind == Unreadable }),
	}
	for i := range c.Operators {
		l.Bytes += operatorSize(&c.Operators[i])
	}
	if v.broken != nil {
		l.Kind = UnreadableKind
		l.ID, _ = storage.ParseCheckpointName(path.Base(found.Location))
	}
	if len(result.Findings) > 0 {
		first := result.Findings[0]
		l.Problem = fmt.Sprintf("%s: %s: %s", first.Kind, path.Base(first.File), cmp.Or(first.Meaning, first.Found))
		if n := len(result.Findings); n > 1 {
			l.Problem = fmt.Sprintf("%d findings, for example %s", n, l.Problem)
		}
	}
	return l, v, nil
}

// kindOf returns the kind that a checkpoint records for itself.
func kindOf(c *metadata.Checkpoint) string {
	if c.Properties == nil {
		return UnknownKind
	}
	return c.Properties.Name
}

// group groups the checkpoints by job. In each group, the best checkpoint to restore from comes
// first. Within a group, the ids decide which checkpoint is newer, because a copied checkpoint has
// a new time.
func (l *List) group() {
	groups := map[groupKey]*Group{}
	for i := range l.Checkpoints {
		c := &l.Checkpoints[i]
		g := groups[c.group]
		if g == nil {
			g = &Group{Job: c.group.job, Directory: filesystem.URL(c.group.directory), Mixed: c.group.mixed}
			groups[c.group] = g
		}
		g.Checkpoints++
		if c.Restorable {
			g.Restorable++
			if c.Modified.After(g.newest) {
				g.newest = c.Modified
			}
		}
	}
	byGroup := func(a, b *Group) int {
		return cmp.Or(b.newest.Compare(a.newest), strings.Compare(a.Directory, b.Directory), strings.Compare(a.Job, b.Job))
	}
	slices.SortFunc(l.Checkpoints, func(a, b Listed) int {
		if groups[a.group] != groups[b.group] {
			return byGroup(groups[a.group], groups[b.group])
		}
		if a.Restorable != b.Restorable {
			if a.Restorable {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.ID, a.ID), b.Modified.Compare(a.Modified), strings.Compare(a.Path, b.Path))
	})
	for _, c := range l.Checkpoints {
		g := groups[c.group]
		if c.Restorable && g.Latest == "" && (!g.Mixed || g.Checkpoints == 1) {
			g.Latest = c.Path
		}
	}
	for _, g := range groups {
		l.Jobs = append(l.Jobs, *g)
	}
	slices.SortFunc(l.Jobs, func(a, b Group) int { return byGroup(&a, &b) })
}

// Denied returns a place that the user had no permission to read, if there is one.
func (l List) Denied() (path string, denied bool) {
	for _, p := range l.PassedOver {
		if errors.Is(p.err, fs.ErrPermission) {
			return p.Path, true
		}
	}
	for _, c := range l.Checkpoints {
		if c.denied {
			return c.Path, true
		}
	}
	return "", false
}

// SeveralJobsError says that the newest checkpoint cannot be chosen, because the root contains
// several jobs.
type SeveralJobsError struct {
	Root string
	Jobs []Group
}

func (e *SeveralJobsError) Error() string {
	if len(e.Jobs) == 1 {
		return fmt.Sprintf("%s holds checkpoints of jobs that are not known: list them without --latest, and name one", e.Jobs[0].Directory)
	}
	var names []string
	for _, g := range e.Jobs {
		name := g.Job
		same := func(other Group) bool { return other.Job == g.Job && other.Directory != g.Directory }
		if name == "" || slices.ContainsFunc(e.Jobs, same) {
			name = g.Directory
		}
		names = append(names, name)
	}
	const shown = 5
	if more := len(names) - shown; more > 0 {
		names = append(names[:shown], fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%s has several jobs: say which with --job: %s", e.Root, strings.Join(names, ", "))
}

// Latest returns the newest restorable checkpoint of a job. The parameter "job" is the job's id,
// the first digits of this id, or the job's directory. It may be empty if the root contains only
// one job. The second result is false if the job has no restorable checkpoint.
func (l List) Latest(job string) (Listed, bool, error) {
	of := slices.DeleteFunc(slices.Clone(l.Jobs), func(g Group) bool {
		return job != "" && (g.Job == "" || !strings.HasPrefix(g.Job, job)) && g.Directory != job && g.Directory != "file:"+job
	})
	if len(of) == 0 && job != "" {
		return Listed{}, false, &storage.NotFoundError{Why: fmt.Sprintf("--job %s: %s has no such job; list them without --latest", job, l.Root)}
	}
	if len(of) > 1 || len(of) == 1 && of[0].Mixed && of[0].Checkpoints > 1 {
		return Listed{}, false, &SeveralJobsError{Root: l.Root, Jobs: of}
	}
	if len(of) == 0 || of[0].Latest == "" {
		return Listed{}, false, nil
	}
	at := slices.IndexFunc(l.Checkpoints, func(c Listed) bool { return c.Path == of[0].Latest })
	return l.Checkpoints[at], true, nil
}
