package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// PlanSchema names the format of a plan: a line that says of which root it is, and one
// for each [Orphan].
const PlanSchema = "snapback/orphans-plan/1"

// planHead is the first line of a plan.
type planHead struct {
	Schema string    `json:"schema"`
	Root   string    `json:"root"`
	Made   time.Time `json:"made"`
}

// WritePlan writes a plan to delete the orphans, for somebody to look at and shorten.
func (o Orphans) WritePlan(to io.Writer) error {
	lines := json.NewEncoder(to)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(planHead{Schema: PlanSchema, Root: o.Root, Made: o.Now}); err != nil {
		return err
	}
	for _, orphan := range o.Orphans {
		if err := lines.Encode(orphan); err != nil {
			return err
		}
	}
	return nil
}

// ReadPlan reads a plan for a root.
func ReadPlan(from io.Reader, root string) ([]Orphan, error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	var head planHead
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &head) != nil || head.Schema != PlanSchema {
		return nil, fmt.Errorf("plan: want a first line with schema %s, as --plan FILE without --delete writes it", PlanSchema)
	}
	name, err := filesystem.ParseName(root)
	if err != nil {
		return nil, err
	}
	if filesystem.URL(name) != head.Root {
		return nil, fmt.Errorf("plan: it is for root %s, not for %s", head.Root, filesystem.URL(name))
	}
	var planned []Orphan
	for number := 2; lines.Scan(); number++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var orphan Orphan
		if err := json.Unmarshal(lines.Bytes(), &orphan); err != nil || orphan.Path == "" {
			return nil, fmt.Errorf("plan: line %d: want an orphan, got %q", number, lines.Text())
		}
		planned = append(planned, orphan)
	}
	return planned, lines.Err()
}

// Deleted is what became of a plan.
type Deleted struct {
	Deleted []Orphan `json:"deleted"`
	Kept    []Kept   `json:"kept"`
}

// Kept is a planned file that was not deleted.
type Kept struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Delete deletes what was planned, as far as it is still an orphan, by what was found
// just now, of the same size and age as then. Of each file whether it was deleted is
// said.
func (a *Auditor) Delete(ctx context.Context, found Orphans, planned []Orphan) (Deleted, error) {
	current := map[string]Orphan{}
	for _, orphan := range found.Orphans {
		current[orphan.Path] = orphan
	}
	d := Deleted{Deleted: []Orphan{}, Kept: []Kept{}}
	for i, plan := range planned {
		if err := ctx.Err(); err != nil {
			return d, context.Cause(ctx)
		}
		now, still := current[plan.Path]
		switch {
		case !still:
			d.Kept = append(d.Kept, Kept{plan.Path, "it is no orphan any more, or is gone"})
			continue
		case now.Bytes != plan.Bytes || !now.Modified.Equal(plan.Modified):
			d.Kept = append(d.Kept, Kept{plan.Path, "it has changed since the plan was made"})
			continue
		}
		name, err := filesystem.ParseName(plan.Path)
		if err != nil {
			return d, err
		}
		if err := a.Files.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.Kept = append(d.Kept, Kept{plan.Path, reason(err)})
			continue
		}
		d.Deleted = append(d.Deleted, now)
		a.removeIfEmpty(filesystem.Dir(name))
		a.progress("files deleted", int64(i+1), int64(len(planned)))
	}
	return d, nil
}

// removeIfEmpty removes the directory of a checkpoint that never was one, once nothing
// is in it any more.
func (a *Auditor) removeIfEmpty(dir string) {
	if _, ok := storage.ParseCheckpointName(path.Base(dir)); ok {
		_ = a.Files.Remove(dir) // fails if there is something in it
	}
}
