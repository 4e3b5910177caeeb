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

// List is what there is under a checkpoint root, job by job.
type List struct {
	Schema      string       `json:"schema"`
	Root        string       `json:"root"`
	Jobs        []Group      `json:"jobs"`        // the one with the newest file of a checkpoint that can be restored from first
	Checkpoints []Listed     `json:"checkpoints"` // in the order of the jobs; of each, what can be restored from first, by id, the newest first
	PassedOver  []PassedOver `json:"passedOver"`  // what was not looked into
	Notes       []string     `json:"notes"`       // what may help
}

// Group is a job's checkpoints in one directory: ids tell which is newer. Savepoints are
// grouped by the beginning of the job's id that Flink puts in their names.
type Group struct {
	Job         string `json:"job,omitempty"`
	Directory   string `json:"directory"`
	Checkpoints int    `json:"checkpoints"`
	Restorable  int    `json:"restorable"`
	Latest      string `json:"latest,omitempty"` // path of the newest that can be restored from
	Mixed       bool   `json:"mixed,omitempty"`  // they may be of several jobs: then ids do not tell which is newer, and Latest is empty

	newest time.Time
}

// Listed is one checkpoint or savepoint, or what is left of one.
type Listed struct {
	Path       string    `json:"path"`          // of its directory
	Job        string    `json:"job,omitempty"` // id of the job whose directory it is in
	Kind       string    `json:"kind"`          // as in Checkpoint, Savepoint; one of the kinds below
	ID         int64     `json:"checkpointId,omitempty"`
	Version    int32     `json:"version,omitempty"`
	Modified   time.Time `json:"modified,omitzero"` // of its metadata file; a copy's is that of the copying
	Operators  int       `json:"operators"`
	Bytes      int64     `json:"bytes"` // of its state
	Restorable bool      `json:"restorable"`
	Unproven   bool      `json:"unproven"`          // it could not be looked at
	Problem    string    `json:"problem,omitempty"` // the first that stands against it
	Notes      []string  `json:"notes"`             // as verify has them

	group  groupKey
	denied bool
}

// The kinds of what does not say what it is.
const (
	Unfinished     = "unfinished" // without `_metadata`
	UnreadableKind = "unreadable"
	UnknownKind    = "unknown" // versions 2 and 3 do not record it
)

// groupKey says whose a checkpoint is: the directory that holds it, and for savepoints what
// their names tell. Mixed are those that may be of several jobs: their ids say nothing of
// which is newer.
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

// fixedJob begins the id that Flink gives every job in application mode.
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

// List lists every checkpoint and savepoint under a root, a job's directory or a
// checkpoint's. Each is judged as [Auditor.Verify] judges it.
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
			continue // it was deleted meanwhile
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

// describe reads a checkpoint, and judges it.
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

// kindOf is what a checkpoint says that it is.
func kindOf(c *metadata.Checkpoint) string {
	if c.Properties == nil {
		return UnknownKind
	}
	return c.Properties.Name
}

// group sorts the checkpoints by job, and within each so that what to restore from comes
// first. Within a job ids decide: times are those of the last copy.
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

// Denied says whether something could not be looked at for want of permission, and what.
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

// SeveralJobsError says that the newest checkpoint of a root with several jobs was asked
// for.
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

// Latest is the newest checkpoint of a job that can be restored from. The job is given by
// its id, or the beginning of that, or its directory; not at all where there is one only.
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
