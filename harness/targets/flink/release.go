package flink

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// since says whether this release of Flink is the release MAJOR.MINOR or a later one.
func (t Target) since(major, minor int) bool {
	var is [2]int
	// Cannot fail, because the version matches the pattern supported.
	_, _ = fmt.Sscanf(t.version, "%d.%d.", &is[0], &is[1])
	return is[0] > major || (is[0] == major && is[1] >= minor)
}

// api returns the directory with the sources for the API that this release of Flink has.
func (t Target) api() string {
	switch {
	case t.since(2, 0):
		return "java/flink-2.0"
	case t.since(1, 19):
		return "java/flink-1.19"
	}
	return "java/flink-1.16"
}

// sources returns the names of the Java files for this release of Flink.
func (t Target) sources() ([]string, error) {
	var all []string
	for _, dir := range []string{"java/snapback/workloads", "java/snapback/host", t.api()} {
		names, err := fs.Glob(sources, path.Join(dir, "*.java"))
		if err != nil {
			return nil, err
		}
		all = append(all, names...)
	}
	return all, nil
}

// configName returns the name of the file from which this release of Flink reads its configuration.
func (t Target) configName() string {
	if t.since(1, 19) {
		return "config.yaml"
	}
	return "flink-conf.yaml"
}

// renamed says how keys of the configuration were named before, and the release that renamed them.
var renamed = map[string]struct {
	before       string
	major, minor int
}{
	"execution.checkpointing.dir":                   {"state.checkpoints.dir", 1, 20},
	"execution.checkpointing.savepoint-dir":         {"state.savepoints.dir", 1, 20},
	"execution.checkpointing.storage":               {"state.checkpoint-storage", 1, 20},
	"execution.checkpointing.incremental":           {"state.backend.incremental", 1, 20},
	"execution.checkpointing.num-retained":          {"state.checkpoints.num-retained", 1, 20},
	"execution.checkpointing.data-inline-threshold": {"state.storage.fs.memory-threshold", 1, 20},
	"execution.checkpointing.local-backup.enabled":  {"state.backend.local-recovery", 1, 20},
	"execution.checkpointing.unaligned.enabled":     {"execution.checkpointing.unaligned", 1, 17},
	"state.changelog.enabled":                       {"state.backend.changelog.enabled", 1, 20},
	"state.backend.type":                            {"state.backend", 1, 18},
	"restart-strategy.type":                         {"restart-strategy", 1, 18},
	"high-availability.type":                        {"high-availability", 1, 17},
}

// key returns the name that a key of the configuration has in this release of Flink.
func (t Target) key(name string) string {
	if old, ok := renamed[name]; ok && !t.since(old.major, old.minor) {
		return old.before
	}
	return name
}

// named returns settings with the keys that this release of Flink has.
func (t Target) named(settings map[string]string) map[string]string {
	all := map[string]string{}
	for name, value := range settings {
		all[t.key(name)] = value
	}
	return all
}

// configText returns the text of a configuration file with the keys that this release of Flink has.
// Before 1.19 the file was no YAML: it had no quotes around values.
func (t Target) configText(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); found {
			if unquoted, err := strconv.Unquote(value); err == nil && !t.since(1, 19) {
				value = unquoted
			}
			line = t.key(name) + ": " + value + "\n"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "")
}

// claimMode is the name of the option that says who owns the checkpoint from which a job resumes.
func (t Target) claimMode() string {
	if t.since(1, 20) {
		return "claimMode"
	}
	return "restoreMode"
}
