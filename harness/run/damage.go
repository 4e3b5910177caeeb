package run

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

// damagedMax is the greatest size, in bytes, of a file that can be damaged. The session keeps the
// content of each such file in memory.
const damagedMax = 256 << 20

// damaged is a file that the session has damaged.
type damaged struct {
	intact  []byte // the content before the first damage
	deleted bool   // whether the damage was to delete the file
}

// damage damages the files that match a pattern, or restores them. If no file matches, the run
// proves nothing.
func (r *Session) damage(d scenarios.Damage) error {
	names, err := r.matching(d)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return r.missed(fmt.Sprintf("no file matched the damage: %s %q", d.How, d.File))
	}
	for _, name := range names {
		r.progress(fmt.Sprintf("damage: %s %s", d.How, name))
		if err := r.harm(name, d.How); err != nil {
			return fmt.Errorf("damage: %s %s: %w", d.How, name, err)
		}
		relative, _ := filesystem.Relative(r.cluster.Root(), name)
		r.record(history.Event{Kind: history.Damage, Label: string(d.How), Path: relative})
	}
	return nil
}

// matching returns the files below the checkpoint directory that match the pattern of a damage. For
// a restoration, these are files that were damaged before. If the engine has deleted such a file
// since, it stays deleted: a restoration must not bring back a part of a checkpoint that is gone.
func (r *Session) matching(d scenarios.Damage) ([]string, error) {
	var names []string
	if d.How == scenarios.Restored {
		for _, name := range slices.Sorted(maps.Keys(r.damaged)) {
			if _, err := r.cluster.Files().Stat(name); err == nil || r.damaged[name].deleted {
				names = append(names, name)
			}
		}
	} else {
		err := filesystem.Walk(r.cluster.Files(), r.cluster.Root(), func(relative string, e filesystem.Entry) error {
			if !e.Directory {
				names = append(names, filesystem.Join(r.cluster.Root(), relative))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return !faults.Match(d.File, name) }), nil
}

// harm damages one file, or restores it. It writes past the tap, so no fault fires.
func (r *Session) harm(name string, how scenarios.Harm) error {
	files := r.cluster.Files()
	if how == scenarios.Restored {
		content := r.damaged[name].intact
		delete(r.damaged, name)
		// The engine may have deleted the directory when it was empty.
		return errors.Join(files.MkdirAll(filesystem.Dir(name)), replace(files, name, content))
	}
	content, err := filesystem.ReadFile(files, name, damagedMax)
	if err != nil {
		return err
	}
	if r.damaged == nil {
		r.damaged = map[string]damaged{}
	}
	before, again := r.damaged[name]
	if !again {
		before.intact = content
	}
	r.damaged[name] = damaged{intact: before.intact, deleted: how == scenarios.Deleted}
	switch how {
	case scenarios.Deleted:
		return files.Remove(name)
	case scenarios.Truncated:
		return replace(files, name, content[:len(content)/2])
	}
	flipped := slices.Clone(content)
	if len(flipped) == 0 {
		return errors.New("the file is empty, so it has no bit to flip")
	}
	flipped[len(flipped)/2] ^= 1
	return replace(files, name, flipped)
}

// replace writes a file anew, whether it exists or not.
func replace(files filesystem.FileSystem, name string, content []byte) error {
	if err := files.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return filesystem.WriteFile(files, name, content)
}
