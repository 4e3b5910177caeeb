package storage

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/snapback/snapback/storage/filesystem"
)

// Names in a checkpoint directory.
const (
	MetadataName  = "_metadata"
	SharedName    = "shared"
	TaskOwnedName = "taskowned"

	// InProgressPrefix is the prefix of a metadata file's name while the file is written.
	InProgressPrefix = "._metadata.inprogress."
	checkpointPrefix = "chk-"
)

// The two checkpoint storages, as a configuration names them.
const (
	JobManagerName = "jobmanager"
	FileSystemName = "filesystem"
)

// CheckpointName returns the name of a checkpoint's directory, such as chk-7.
func CheckpointName(id int64) string { return checkpointPrefix + strconv.FormatInt(id, 10) }

// ParseCheckpointName returns the id in the name of a checkpoint's directory. It is the inverse
// of [CheckpointName].
func ParseCheckpointName(name string) (id int64, ok bool) {
	digits, found := strings.CutPrefix(name, checkpointPrefix)
	if !found {
		return 0, false
	}
	id, err := strconv.ParseInt(digits, 10, 64)
	return id, err == nil && id > 0 && CheckpointName(id) == name
}

var jobID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// ValidJobID says whether a name has the form of a job id: 32 hexadecimal digits.
func ValidJobID(name string) bool { return jobID.MatchString(name) }

// ParseDir validates the URL of a checkpoint directory by Flink's rules and returns its name. It
// accepts unknown schemes; the file system refuses them later.
func ParseDir(dir string) (string, error) {
	fail := func(why string) (string, error) {
		return "", fmt.Errorf("checkpoint directory %q: %s", dir, why)
	}
	if scheme, _, found := strings.Cut(dir, ":"); !found || strings.Contains(scheme, "/") {
		return fail("the scheme is missing; write it out, as in file:///checkpoints")
	}
	name, err := filesystem.ParseName(dir)
	if err != nil {
		return "", fmt.Errorf("checkpoint directory: %w", err)
	}
	if filesystem.IsRoot(name) {
		return fail("the root directory cannot hold checkpoints")
	}
	return name, nil
}
