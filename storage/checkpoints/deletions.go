package checkpoints

import (
	"fmt"
	"slices"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// Deletions lists the files and directories that discarding the checkpoints will delete, in
// that order. The leader notes the list before it deletes anything. If it dies meanwhile, the
// next leader passes the list to [Delete].
func (r *Registry) Deletions(discarded []storage.Completed) ([]string, error) {
	var deletions []string
	ids := map[int64]bool{}
	for _, c := range discarded {
		ids[c.Checkpoint.ID] = true
		if c.Location != "" {
			deletions = append(deletions, filesystem.Join(c.Location, storage.MetadataName))
		}
	}
	for _, c := range discarded {
		names, err := filesOf(c)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if !r.usedByOthers(name, ids) && !r.unclaimed[name] && !slices.Contains(deletions, name) {
				deletions = append(deletions, name)
			}
		}
	}
	for _, c := range discarded {
		if c.Location != "" {
			deletions = append(deletions, c.Location)
		}
	}
	return deletions, nil
}

// usedByOthers says whether a checkpoint with another id than these refers to a file.
func (r *Registry) usedByOthers(name string, ids map[int64]bool) bool {
	for id := range r.users[name] {
		if !ids[id] {
			return true
		}
	}
	return false
}

// Delete deletes the files and directories of a list that [Registry.Deletions] made. Some may
// be gone already. A directory that is not empty stays.
func Delete(files filesystem.FileSystem, deletions []string) error {
	for _, name := range deletions {
		if held, err := files.List(name); err == nil && len(held) > 0 {
			continue
		}
		if err := filesystem.IgnoreNotExist(files.Remove(name)); err != nil {
			return fmt.Errorf("delete discarded files: %w", err)
		}
	}
	return nil
}
