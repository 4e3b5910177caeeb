package audit

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// PlanSchema names the format of a plan to delete orphans: a line that says of which root
// it is, and one for each [Orphan].
const PlanSchema = "snapback/orphans-plan/1"

// DeletedSchema names the format of [Deleted].
const DeletedSchema = "snapback/orphans-deleted/1"

// WritePlan writes a plan to delete the orphans.
func (o Orphans) WritePlan(to io.Writer) error {
	return writePlan(to, planHead{Schema: PlanSchema, Root: o.Root, Made: o.Now, Age: o.age, Also: o.also, Rebase: o.moves}, o.Orphans)
}

// ReadPlan reads a plan for a root.
func ReadPlan(from io.Reader, root string) (Plan[Orphan], error) {
	return readPlan(from, PlanSchema, root, "an orphan", func(o Orphan) string { return o.Path })
}

// Deleted is what became of a plan.
type Deleted struct {
	Schema  string   `json:"schema"`
	Deleted []Orphan `json:"deleted"`
	Gone    int      `json:"gone"` // planned, and deleted by somebody else since
	Kept    []Kept   `json:"kept"`

	denied error
}

// Denied is an error if something could not be looked at for want of permission.
func (d Deleted) Denied() error { return d.denied }

// Kept is a planned file that was not deleted.
type Kept struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// deleteBatch is how many files are deleted between two looks at who depends on what.
const deleteBatch = 64

// Delete deletes what was planned, as far as it is proven anew that it belongs to nobody,
// and is of the same size and age as when it was planned. It looks again now and then: a
// file that some checkpoint came to refer to stays. Of each file it says whether it was
// deleted, and why not.
func (a *Auditor) Delete(ctx context.Context, root string, options OrphanOptions, planned []Orphan) (Deleted, error) {
	d := Deleted{Schema: DeletedSchema, Deleted: []Orphan{}, Kept: []Kept{}}
	s, err := a.sweep(ctx, root, options)
	if err == nil {
		err = a.Unmatched() // before anything is deleted
	}
	if err != nil {
		return d, err
	}
	seen := map[string]candidate{}
	for _, c := range s.seen {
		seen[filesystem.URL(c.name())] = c
	}
	d.denied = s.denied()
	for i, plan := range planned {
		if err := ctx.Err(); err != nil {
			return d, context.Cause(ctx)
		}
		if i > 0 && i%deleteBatch == 0 {
			if err := s.refresh(ctx); err != nil {
				return d, err
			}
		}
		c, ok := seen[plan.Path]
		if !ok && a.isGone(plan.Path) {
			d.Gone++
			continue
		}
		if why := s.keep(c, ok, plan); why != "" {
			d.Kept = append(d.Kept, Kept{plan.Path, why})
			continue
		}
		if err := a.Files.Remove(c.name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.Kept = append(d.Kept, Kept{plan.Path, reason(err)})
			continue
		}
		d.Deleted = append(d.Deleted, plan)
		a.removeIfEmpty(c.dir)
		a.progress("files deleted", int64(i+1), int64(len(planned)))
	}
	return d, nil
}

// isGone says whether there is nothing at a URL.
func (a *Auditor) isGone(url string) bool {
	name, err := filesystem.ParseName(url)
	if err == nil {
		_, err = a.Files.Stat(name)
	}
	return errors.Is(err, fs.ErrNotExist)
}

// keep says why a planned file is not deleted; nothing if it is.
func (s *sweep) keep(c candidate, seen bool, plan Orphan) string {
	if !seen {
		return "it is not under the root"
	}
	now, err := s.Files.Stat(c.name())
	if err == nil && (now.Size != plan.Bytes || !now.Modified.Equal(plan.Modified)) {
		return "it has changed since the plan was made"
	}
	switch of := s.whose(c); {
	case of.somebody:
		if users := s.users[s.keyOf(c)]; len(users) > 0 {
			return filesystem.URL(users[0].Location) + " refers to it"
		}
		return "it belongs to a checkpoint"
	case of.unknown != "":
		return of.unknown
	}
	return ""
}

// removeIfEmpty removes the directory of a checkpoint that never was one, once nothing
// is in it any more.
func (a *Auditor) removeIfEmpty(dir string) {
	if _, ok := storage.ParseCheckpointName(path.Base(dir)); ok {
		_ = a.Files.Remove(dir) // fails if there is something in it
	}
}
