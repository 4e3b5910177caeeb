package flink

import (
	"context"
	"encoding/binary"
	"errors"
	"regexp"
	"strings"

	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// savepointsName is the name of the directory for savepoints, beside the directories of jobs.
const savepointsName = "savepoints"

// headerSize is the size of the header of a `_metadata` file, in bytes: four bytes that mark the file,
// four for the version of the format, and eight for the number of the checkpoint or savepoint.
const headerSize = 16

// metadataMax is the greatest size of a `_metadata` file, in bytes.
const metadataMax = 64 << 20

// The formats of savepoints, in Flink's words.
const (
	canonical = "CANONICAL"
	native    = "NATIVE"
)

// Savepoint implements [target.Savepointer].
func (c *client) Savepoint(ctx context.Context, id string, stop scenarios.Stop) (string, error) {
	return c.savepoint(ctx, id, stop, canonical)
}

// NativeSavepoint implements [target.NativeSavepointer].
func (c *client) NativeSavepoint(ctx context.Context, id string, stop scenarios.Stop) (string, error) {
	return c.savepoint(ctx, id, stop, native)
}

func (c *client) savepoint(ctx context.Context, id string, stop scenarios.Stop, format string) (string, error) {
	var answer struct{ Location string }
	dir, results := filesystem.URL(filesystem.Join(c.root, savepointsName)), "/jobs/"+id+"/savepoints/"
	var err error
	if stop == scenarios.GoOn {
		request := map[string]any{"target-directory": dir, "formatType": format}
		err = c.triggered(ctx, "/jobs/"+id+"/savepoints", results, request, &answer)
	} else {
		request := map[string]any{"targetDirectory": dir, "formatType": format, "drain": stop == scenarios.Drain}
		err = c.triggered(ctx, "/jobs/"+id+"/stop", results, request, &answer)
	}
	var refused *target.RefusedError
	if errors.As(err, &refused) {
		if created := createdText.FindStringSubmatch(refused.Why); created != nil {
			answer.Location, err = created[1], nil
		}
	}
	return strings.TrimPrefix(answer.Location, "file:"), err
}

// createdText matches Flink's words for a job that failed while it stopped, after its savepoint was
// complete.
var createdText = regexp.MustCompile(`A savepoint has been created at: (\S+), but`)

// savepointAt returns the path of the savepoint with the given number, which a job has taken. Flink
// logs the number of a savepoint but not its path. The path is empty if there is no such savepoint.
func savepointAt(files filesystem.FileSystem, root, id string, number int64) string {
	dir := filesystem.Join(root, savepointsName)
	entries, err := files.List(dir)
	if err != nil {
		return "" // the savepoint was deleted already, or is in no directory of ours
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name, "savepoint-"+id[:6]) {
			continue
		}
		path := filesystem.Join(dir, entry.Name)
		data, err := filesystem.ReadFile(files, filesystem.Join(path, storage.MetadataName), metadataMax)
		if err != nil {
			continue // a savepoint that was aborted
		}
		if len(data) >= headerSize && int64(binary.BigEndian.Uint64(data[headerSize-8:])) == number {
			return path
		}
	}
	return ""
}
