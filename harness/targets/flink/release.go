package flink

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
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
	"execution.checkpointing.write-buffer-size":     {"state.storage.fs.write-buffer-size", 1, 20},
	"execution.checkpointing.savepoint-dir":         {"state.savepoints.dir", 1, 20},
	"execution.checkpointing.storage":               {"state.checkpoint-storage", 1, 20},
	"execution.checkpointing.incremental":           {"state.backend.incremental", 1, 20},
	"execution.checkpointing.num-retained":          {"state.checkpoints.num-retained", 1, 20},
	"execution.checkpointing.data-inline-threshold": {"state.storage.fs.memory-threshold", 1, 20},
	"execution.checkpointing.local-backup.enabled":  {"state.backend.local-recovery", 1, 20},
	"execution.checkpointing.unaligned.enabled":     {"execution.checkpointing.unaligned", 1, 17},
	"state.changelog.enabled":                       {"state.backend.changelog.enabled", 1, 20},
	"state.changelog.storage":                       {"state.backend.changelog.storage", 1, 20},
	"state.changelog.max-failures-allowed":          {"state.backend.changelog.max-failures-allowed", 1, 20},
	"state.changelog.periodic-materialize.enabled":  {"state.backend.changelog.periodic-materialize.enabled", 1, 20},
	"state.changelog.periodic-materialize.interval": {"state.backend.changelog.periodic-materialize.interval", 1, 20},
	"state.changelog.dstl.dfs.base-path":            {"dstl.dfs.base-path", 1, 20},
	"state.backend.type":                            {"state.backend", 1, 18},
	"restart-strategy.type":                         {"restart-strategy", 1, 18},
	"high-availability.type":                        {"high-availability", 1, 17},
}

// older says what else keys of the harness were named: names that Flink still reads, but that no
// release from 1.16 on calls the name of the key.
var older = map[string]string{
	"state.backend.fs.checkpointdir":             "execution.checkpointing.dir",
	"savepoints.state.backend.fs.dir":            "execution.checkpointing.savepoint-dir",
	"state.backend.fs.memory-threshold":          "execution.checkpointing.data-inline-threshold",
	"execution.checkpointing.alignment-timeout":  "execution.checkpointing.aligned-checkpoint-timeout",
	"recovery.mode":                              "high-availability.type",
	"recovery.zookeeper.path.namespace":          "high-availability.cluster-id",
	"high-availability.zookeeper.path.namespace": "high-availability.cluster-id",
	"recovery.zookeeper.storageDir":              "high-availability.storageDir",
	"high-availability.zookeeper.storageDir":     "high-availability.storageDir",
	"recovery.zookeeper.quorum":                  "high-availability.zookeeper.quorum",
	"recovery.jobmanager.port":                   "high-availability.jobmanager.port",
	"taskmanager.tmp.dirs":                       "io.tmp.dirs",
	"web.address":                                "rest.address",
	"jobmanager.web.address":                     "rest.address",
	"web.port":                                   "rest.port",
	"jobmanager.web.port":                        "rest.port",
	"jobmanager.web.submit.enable":               "web.submit.enable",
	"jobmanager.web.tmpdir":                      "web.tmpdir",
	"jobmanager.web.upload.dir":                  "web.upload.dir",
}

// current returns the newest name of a key of the configuration.
func current(name string) string {
	if newest, ok := older[name]; ok {
		return newest
	}
	for newest, old := range renamed {
		if old.before == name { // each name is there once, so the order does not matter
			return newest
		}
	}
	return name
}

// withCurrentNames returns settings with the newest names of their keys. If a key is there under
// two names, the value of the newest name counts.
func withCurrentNames(settings map[string]string) map[string]string {
	all := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		newest := current(name)
		if _, twice := settings[newest]; newest == name || !twice {
			all[newest] = settings[name]
		}
	}
	return all
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
