package storage

import (
	"fmt"
	"slices"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// publish turns a directory of state files into a checkpoint.
//
// The order leaves no crash after which `_metadata` exists and something that it
// refers to does not.
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
	// The state files' names and the checkpoint's own become durable first. A crash
	// here leaves a directory without `_metadata`, which is no checkpoint. (Flink syncs
	// no directory: a power loss may take a file that an acknowledged checkpoint has.)
	directories, err := directoriesOf(location, checkpoint)
	if err != nil {
		return err
	}
	for _, directory := range directories {
		if err := files.SyncDir(directory); err != nil {
			return err
		}
	}
	// FLINK-17808: half of it is never visible. When it is, the checkpoint exists for
	// whoever looks for one; when this has returned, also after a power loss.
	return filesystem.WriteWhole(files, filesystem.Join(location, MetadataName), filesystem.Join(location, InProgressPrefix+attempt), encoded)
}

// directoriesOf lists the directories with names that a checkpoint relies on: its
// own, the one that holds that, and those of the files it refers to.
func directoriesOf(location string, checkpoint metadata.Checkpoint) ([]string, error) {
	directories := []string{location, filesystem.Dir(location)}
	for reference := range checkpoint.References() {
		name, _, err := FileOf(location, reference.Stream)
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

// Abandon deletes what there is of a checkpoint that was never completed. Its
// publish may have failed after `_metadata` was in place, so that goes first, and for
// good, here too. It can be interrupted anywhere and repeated.
func Abandon(files filesystem.FileSystem, target Target) error {
	if target.Location == "" {
		return nil
	}
	err := unpublish(files, target.Location)
	if err == nil {
		err = filesystem.RemoveAll(files, target.Location)
	}
	if err != nil {
		return fmt.Errorf("abandon %s: %w", filesystem.URL(target.Location), err)
	}
	return nil
}

// unpublish makes a directory one that nobody takes for a checkpoint, whatever crash
// comes after it.
func unpublish(files filesystem.FileSystem, location string) error {
	if err := filesystem.IgnoreNotExist(files.Remove(filesystem.Join(location, MetadataName))); err != nil {
		return err
	}
	return filesystem.IgnoreNotExist(files.SyncDir(location))
}
