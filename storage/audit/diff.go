package audit

import (
	"slices"
	"strings"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// DiffSchema names the format of a [Difference].
const DiffSchema = "snapback/diff/1"

// Difference describes the differences between two checkpoints.
type Difference struct {
	Schema    string               `json:"schema"`
	From      string               `json:"from"`
	To        string               `json:"to"`
	Shared    FileSet              `json:"shared"`  // files of both checkpoints
	Added     FileSet              `json:"added"`   // files only of the second checkpoint
	Dropped   FileSet              `json:"dropped"` // files only of the first checkpoint
	Operators []OperatorDifference `json:"operators"`
}

// FileSet is a set of files. Bytes is the sum of the sizes that the checkpoint records.
type FileSet struct {
	Bytes int64    `json:"bytes"`
	Files []string `json:"files"`
}

// OperatorDifference says how the size of an operator's state has changed.
type OperatorDifference struct {
	Operator string `json:"operator"` // the operator's uid or id
	Before   *int64 `json:"before"`   // size in bytes; nil if the first checkpoint does not have the operator
	After    *int64 `json:"after"`    // size in bytes; nil if the second checkpoint does not have the operator
}

// Diff compares two checkpoints.
func (a *Auditor) Diff(from, to string) (Difference, error) {
	_, before, err := a.read(from)
	if err != nil {
		return Difference{}, err
	}
	_, after, err := a.read(to)
	if err != nil {
		return Difference{}, err
	}
	d := Difference{
		Schema: DiffSchema, From: filesystem.URL(before.Location), To: filesystem.URL(after.Location), Operators: []OperatorDifference{},
		Shared: FileSet{Files: []string{}}, Added: FileSet{Files: []string{}}, Dropped: FileSet{Files: []string{}},
	}
	old, current := a.filesOf(before), a.filesOf(after)
	for name, f := range old {
		if current[name] != nil {
			d.Shared.add(f)
		} else {
			d.Dropped.add(f)
		}
	}
	for name, f := range current {
		if old[name] == nil {
			d.Added.add(f)
		}
	}
	for _, set := range []*FileSet{&d.Shared, &d.Added, &d.Dropped} {
		slices.Sort(set.Files)
	}
	d.compareOperators(before, after)
	return d, nil
}

func (a *Auditor) filesOf(c storage.Completed) map[string]*referenced {
	v := &verifier{Auditor: a, location: c.Location}
	files := map[string]*referenced{}
	for _, f := range v.references(&c.Checkpoint) {
		files[f.name] = f
	}
	return files
}

func (s *FileSet) add(f *referenced) {
	s.Files = append(s.Files, filesystem.URL(f.name))
	s.Bytes += max(f.size, f.atLeast, 0)
}

func (d *Difference) compareOperators(before, after storage.Completed) {
	at := map[metadata.OperatorID]*OperatorDifference{} // the key is the operator's id, because versions before 5 record no uid
	note := func(c storage.Completed, side func(*OperatorDifference) **int64) {
		for i := range c.Checkpoint.Operators {
			o := &c.Checkpoint.Operators[i]
			if at[o.ID] == nil {
				at[o.ID] = &OperatorDifference{}
			}
			size := operatorSize(o)
			at[o.ID].Operator = o.Label()
			*side(at[o.ID]) = &size
		}
	}
	note(before, func(o *OperatorDifference) **int64 { return &o.Before })
	note(after, func(o *OperatorDifference) **int64 { return &o.After })
	for _, o := range at {
		d.Operators = append(d.Operators, *o)
	}
	slices.SortFunc(d.Operators, func(a, b OperatorDifference) int { return strings.Compare(a.Operator, b.Operator) })
}
