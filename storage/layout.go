package storage

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Names in a checkpoint directory.
const (
	MetadataName  = "_metadata"
	SharedName    = "shared"
	TaskOwnedName = "taskowned"

	inProgressPrefix = "._metadata.inprogress."
	checkpointPrefix = "chk-"
)

// CheckpointName returns the name of a checkpoint's directory, such as chk-7.
func CheckpointName(id int64) string { return checkpointPrefix + strconv.FormatInt(id, 10) }

// ParseCheckpointName is the inverse of [CheckpointName].
func ParseCheckpointName(name string) (id int64, ok bool) {
	digits, found := strings.CutPrefix(name, checkpointPrefix)
	if !found {
		return 0, false
	}
	id, err := strconv.ParseInt(digits, 10, 64)
	return id, err == nil && id > 0 && CheckpointName(id) == name
}

var jobID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// ValidJobID says whether a name has the shape of a job id: 32 hexadecimal digits.
func ValidJobID(name string) bool { return jobID.MatchString(name) }

// ParseDir validates the URL of a checkpoint directory by Flink's rules and
// returns its path on the file system.
func ParseDir(dir string) (string, error) {
	parsed, err := url.Parse(dir)
	if err != nil {
		return "", fmt.Errorf("checkpoint directory %q: %w", dir, err)
	}
	fail := func(why string) (string, error) {
		return "", fmt.Errorf("checkpoint directory %q: %s", dir, why)
	}
	switch {
	case parsed.Scheme == "":
		return fail("the scheme is missing; write it out, as in file:///checkpoints")
	case parsed.Scheme != "file":
		return fail(fmt.Sprintf("want the scheme file, got %s", parsed.Scheme))
	case parsed.Opaque != "" || !strings.HasPrefix(parsed.Path, "/"):
		return fail("want an absolute path, as in file:///checkpoints")
	case parsed.Host != "":
		return fail(fmt.Sprintf("want no host in a file URL, got %s; write file:///%s%s for a local path", parsed.Host, parsed.Host, parsed.Path))
	case path.Clean(parsed.Path) == "/":
		return fail("the root directory cannot hold checkpoints")
	}
	return path.Clean(parsed.Path), nil
}

// pointerPath returns the path that a pointer to a checkpoint names: a plain
// absolute path, or a file URL.
func pointerPath(pointer string) (string, error) {
	if strings.HasPrefix(pointer, "/") {
		return path.Clean(pointer), nil
	}
	if pointer == "" {
		return "", errors.New("checkpoint path: want a path or a URL, got nothing")
	}
	return ParseDir(pointer)
}
