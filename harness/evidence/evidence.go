// Package evidence reads what an engine left on storage: which files exist, which
// checkpoints exist, and which files each checkpoint refers to.
//
// The package shares no code with the engines that it looks at. It has its own decoder of
// `_metadata`, its own resolver of references and its own names of the layout. They are
// written from the description of Flink's format. So a mistake in an engine's reader is not
// also a mistake in the evidence. From the rest of the module the package imports only the
// interface to the file system and the types of package history.
//
// The package judges nothing: package oracle does. It writes nothing to storage.
//
// Start with [Audit].
package evidence

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/snapback/snapback/storage/filesystem"
)

// These names appear in the directories of jobs and checkpoints.
const (
	MetadataName  = "_metadata"
	SharedName    = "shared"
	TaskOwnedName = "taskowned"
)

// metadataMax is the greatest size of a `_metadata` file, in bytes.
const metadataMax = 1 << 30

var (
	jobName        = regexp.MustCompile(`^[0-9a-f]{32}$`)
	checkpointName = regexp.MustCompile(`^chk-([1-9][0-9]*)$`)
)

// CheckpointName returns the name of a checkpoint's directory, such as chk-7.
func CheckpointName(id int64) string { return fmt.Sprintf("chk-%d", id) }

// CheckpointID returns 7 for chk-7. It returns false for a name of another form.
func CheckpointID(name string) (id int64, ok bool) {
	match := checkpointName.FindStringSubmatch(name)
	if match == nil {
		return 0, false
	}
	id, err := strconv.ParseInt(match[1], 10, 64)
	return id, err == nil
}

// Checkpoints returns the ids of the completed checkpoints in a job's directory, newest
// first. A checkpoint is completed if it has `_metadata`.
func Checkpoints(files filesystem.FileSystem, job string) ([]int64, error) {
	entries, err := files.List(job)
	if err != nil {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	var ids []int64
	for _, entry := range entries {
		id, ok := CheckpointID(entry.Name)
		if !ok {
			continue
		}
		switch exists, err := has(files, filesystem.Join(job, entry.Name, MetadataName)); {
		case err != nil:
			return nil, fmt.Errorf("list checkpoints: %w", err)
		case exists:
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids, nil
}

// has says whether a file exists.
func has(files filesystem.FileSystem, name string) (bool, error) {
	_, err := files.Stat(name)
	return err == nil, filesystem.IgnoreNotExist(err)
}

// Locate returns the name of the `_metadata` file to which a pointer leads. As in Flink, a pointer
// is the path or URL of a checkpoint's directory or of a metadata file. The metadata file may have
// any name.
func Locate(files filesystem.FileSystem, pointer string) (metadata string, err error) {
	name, err := filesystem.ParseName(pointer)
	if err != nil {
		return "", fmt.Errorf("locate checkpoint: %w", err)
	}
	entry, err := files.Stat(name)
	if err == nil && entry.Directory {
		name = filesystem.Join(name, MetadataName)
		_, err = files.Stat(name)
	}
	if err != nil {
		return "", fmt.Errorf("locate checkpoint %s: %w", pointer, err)
	}
	return name, nil
}

// Read reads a `_metadata` file.
func Read(files filesystem.FileSystem, metadata string) (Checkpoint, error) {
	data, err := filesystem.ReadFile(files, metadata, metadataMax)
	if err != nil {
		return Checkpoint{}, err
	}
	checkpoint, err := Decode(data)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%s: %w", metadata, err)
	}
	return checkpoint, nil
}
