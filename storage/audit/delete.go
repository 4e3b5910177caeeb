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

// PlanSchema names the format of a plan to delete orphans. The first line of a plan names the root.
// Each other line is an [Orphan].
const PlanSchema = "snapback/orphans-plan/1"

// DeletedSchema names the format of [Deleted].
const DeletedSchema = "snapback/orphans-deleted/1"

// WritePlan writes a plan to delete the orphans.
func (o Orphans) WritePlan(to io.Writer) error {
	return writePlan(to, planHead{Schema: PlanSchema, Root: o.Root, Made: o.Now, Age: o.age, Also: o.also, Rebase: o.moves}, o.Orphans)
}

// ReadPlan reads a plan. It fails if the plan is for another root.
func ReadPlan(from io.Reader, root string) (Plan[Orphan], error) {
	return readPlan(from, PlanSchema, root, "an orphan", func(o Orphan) string { return o.Path })
}

// Deleted says what was done with the files of a plan.
type Deleted struct {
	Schema  string   `json:"schema"`
	Deleted []Orphan `json:"deleted"`
	Gone    int      `json:"gone"` // number of planned files that did not exist any more
	Kept    []Kept   `json:"kept"`

	denied error
}

// Denied returns an error if the user had no permission to read some file or directory.
func (d Deleted) Denied() error { return d.denied }

// Kept is a planned file, or a planned checkpoint, that was not deleted.
type Kept struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// deleteBatch is the number of files that are deleted before the claims are refreshed.
const deleteBatch = 64

// Delete deletes the planned files. For each file, it first proves again that no checkpoint needs
// the file, and checks that the file has not changed since the plan was made. Delete refreshes the
// claims after each batch of files. So it keeps a file that a new checkpoint needs. The result
// lists each kept file with the reason.
func (a *Auditor) Delete(ctx context.Context, root string, options OrphanOptions, planned []Orphan) (Deleted, error) {
	d := Deleted{Schema: DeletedSchema, Deleted: []Orphan{}, Kept: []Kept{}}
	s, err := a.sweep(ctx, root, options)
	if err == nil {
		err = a.Unmatched() // this check must come before any file is deleted
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

// isGone returns true if no file and no directory exists at this URL.
func (a *Auditor) isGone(url string) bool {
	name, err := filesystem.ParseName(url)
	if err == nil {
		_, err = a.Files.Stat(name)
	}
	return errors.Is(err, fs.ErrNotExist)
}

// keep returns the reason why a planned file must stay. If the file may be deleted, it returns an
// empty text. The parameter "seen" says whether the file was found below the root. The parameter
// "plan" is the file's line in the plan.
func (s *sweep) keep(c candidate, seen bool, plan Orphan) string {
	if !seen {
		return "it is not under the root"
	}
	now, err := s.Files.Stat(c.name())
	if err == nil && (now.Size != plan.Bytes || !now.Modified.Equal(plan.Modified)) {
		return "it has changed since the plan was made"
	}
	switch of := s.judgeFile(c); {
	case of.needed:
		if users := s.users[s.keyOf(c)]; len(users) > 0 {
			return filesystem.URL(users[0].Location) + " refers to it"
		}
		return "it belongs to a checkpoint"
	case of.unknown != "":
		return of.unknown
	}
	return ""
}

// removeIfEmpty deletes a directory if it is empty and its name is that of a checkpoint, chk-N. It
// leaves every other directory.
func (a *Auditor) removeIfEmpty(dir string) {
	if _, ok := storage.ParseCheckpointName(path.Base(dir)); ok {
		_ = a.Files.Remove(dir) // this fails if the directory is not empty
	}
}
