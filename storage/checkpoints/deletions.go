package checkpoints

import (
	"fmt"
	"slices"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// Deletions lists what must be deleted to discard the given checkpoints: files and directories, in
// the order in which they must be deleted. The leader records the list before it deletes anything.
// If the leader dies before it has deleted everything, the next leader passes the list to [Delete].
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

// usedByOthers says whether a checkpoint uses the file, other than the checkpoints with the given
// ids.
func (r *Registry) usedByOthers(name string, ids map[int64]bool) bool {
	for id := range r.users[name] {
		if !ids[id] {
			return true
		}
	}
	return false
}

// Delete deletes the files and directories of a list that [Registry.Deletions] made. Some of them
// may be deleted already. A directory that is not empty stays.
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
