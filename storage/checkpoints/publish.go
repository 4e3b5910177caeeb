package checkpoints

import (
	"fmt"
	"slices"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// publish turns a directory of state files into a checkpoint: it writes `_metadata` into the
// directory. The parameter "attempt" becomes part of the name of a temporary file, and must be
// different for each call.
//
// A crash may come at any point. After it, either `_metadata` is missing, or all files exist to
// which `_metadata` refers.
func publish(files filesystem.FileSystem, location, attempt string, checkpoint metadata.Checkpoint) error {
	if err := publishInOrder(files, location, attempt, checkpoint); err != nil {
		return fmt.Errorf("publish %s: %w", filesystem.URL(location), err)
	}
	return nil
}

func publishInOrder(files filesystem.FileSystem, location, attempt string, checkpoint metadata.Checkpoint) error {
	encoded, err := metadata.Encode(checkpoint)
	if err != nil {
		return err
	}
	// First, the names of the state files and of the checkpoint's directory become durable. A crash
	// here leaves a directory without `_metadata`. Such a directory is not a checkpoint. (Flink
	// syncs no directory. There, a power loss may lose a file to which an acknowledged checkpoint
	// refers.)
	directories, err := directoriesOf(location, checkpoint)
	if err != nil {
		return err
	}
	for _, directory := range directories {
		if err := files.SyncDir(directory); err != nil {
			return err
		}
	}
	// FLINK-17808: `_metadata` appears whole or does not appear. As soon as a reader can see it,
	// the checkpoint exists. When WriteWhole returns, the checkpoint also survives a power loss.
	return filesystem.WriteWhole(files, filesystem.Join(location, storage.MetadataName), filesystem.Join(location, storage.InProgressPrefix+attempt), encoded)
}

// directoriesOf lists the directories that must be synced so that a power loss keeps all names that
// a checkpoint needs. These are its own directory, the parent of its own directory, and the
// directories of all files to which the checkpoint refers.
func directoriesOf(location string, checkpoint metadata.Checkpoint) ([]string, error) {
	directories := []string{location, filesystem.Dir(location)}
	for reference := range checkpoint.References() {
		name, _, err := storage.FileOf(location, reference.Stream)
		if err != nil {
			return nil, err
		}
		if name == "" {
			continue
		}
		if directory := filesystem.Dir(name); !slices.Contains(directories, directory) {
			directories = append(directories, directory)
		}
	}
	return directories, nil
}

// unpublish deletes `_metadata` durably. From then on, even after a power loss, no reader takes the
// directory for a checkpoint.
func unpublish(files filesystem.FileSystem, location string) error {
	if err := filesystem.IgnoreNotExist(files.Remove(filesystem.Join(location, storage.MetadataName))); err != nil {
		return err
	}
	return filesystem.IgnoreNotExist(files.SyncDir(location))
}
