package flink

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/scenarios"
)

// fields names the field of a scenario that a key of Flink stands for. A scenario must set the
// field, because the harness judges by the field.
var fields = map[string]string{
	"execution.checkpointing.interval":                          "job.interval",
	"execution.checkpointing.timeout":                           "job.timeout",
	"execution.checkpointing.min-pause":                         "job.minPause",
	"execution.checkpointing.max-concurrent-checkpoints":        "job.maxConcurrent",
	"execution.checkpointing.tolerable-failed-checkpoints":      "job.tolerable",
	"execution.checkpointing.externalized-checkpoint-retention": "job.retention",
	"execution.checkpointing.mode":                              "job.atLeastOnce",
	"execution.checkpointing.unaligned.enabled":                 "job.unaligned",
	"execution.checkpointing.aligned-checkpoint-timeout":        "job.alignmentTimeout",
	"execution.checkpointing.num-retained":                      "cluster.retained",
	"pipeline.max-parallelism":                                  "job.maxParallelism",
	"parallelism.default":                                       "job.parallelism",
	"taskmanager.numberOfTaskSlots":                             "cluster.taskManagers",
	"high-availability.type":                                    "cluster.jobManagers",
}

// own are prefixes of the keys that only the harness sets. With another value of such a key the
// harness would not find the cluster, its files or its processes.
var own = []string{
	"jobmanager.rpc.", "jobmanager.bind-host", "taskmanager.host", "taskmanager.bind-host", "taskmanager.resource-id",
	"taskmanager.rpc.", "taskmanager.data.port", "taskmanager.data.bind-port", "rest.address", "rest.port", "rest.bind-",
	"blob.storage.directory", "blob.server.port", "web.tmpdir", "web.upload.dir", "web.submit.enable", "io.tmp.dirs",
	"process.working-dir", "execution.checkpointing.dir", "execution.checkpointing.savepoint-dir",
	"high-availability.cluster-id", "high-availability.storageDir", "high-availability.zookeeper.quorum",
	"high-availability.jobmanager.port",
}

// ofCluster are prefixes of keys that Flink reads only from the configuration of a cluster. In the
// configuration of a job Flink ignores them.
var ofCluster = []string{
	"jobmanager.", "taskmanager.", "heartbeat.", "cluster.", "slotmanager.", "resourcemanager.", "slot.", "metrics.",
	"high-availability.", "dstl.", "state.changelog.storage", "execution.checkpointing.num-retained",
}

// checkSettings returns an error for a setting that Flink would not honour, or that the harness
// sets itself. The parameter where names the settings, for example cluster.settings.
func (t Target) checkSettings(where string, settings map[string]string, refused []string) error {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if field, ok := fields[key]; ok {
			return harness.Usagef("%s: %s: set the field %s of the scenario instead", where, key, field)
		}
		if slices.ContainsFunc(own, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
			return harness.Usagef("%s: %s: the harness itself sets this key; leave it out", where, key)
		}
		if slices.ContainsFunc(refused, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
			return harness.Usagef("%s: %s: Flink reads this key only from the cluster; set it in cluster.settings", where, key)
		}
	}
	unknown, err := t.unknown(slices.Sorted(maps.Keys(settings)))
	if err == nil && len(unknown) > 0 {
		err = harness.Usagef("%s: Flink %s has no key %s", where, t.version, strings.Join(unknown, ", "))
	}
	return err
}

// unknown returns the keys that this release of Flink does not have. Flink ignores such a key. All
// keys of Flink are constants of classes whose names end with Options.
func (t Target) unknown(keys []string) ([]string, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	jars, err := filepath.Glob(filepath.Join(t.lib, "flink-dist-*.jar"))
	if err != nil || len(jars) != 1 {
		return nil, fmt.Errorf("look for keys of the configuration: want one flink-dist in %s, got %d", t.lib, len(jars))
	}
	archive, err := zip.OpenReader(jars[0])
	if err != nil {
		return nil, err
	}
	defer func() { _ = archive.Close() }() // nothing was written to it
	for _, file := range archive.File {
		if !strings.HasSuffix(file.Name, "Options.class") {
			continue
		}
		class, err := content(file)
		if err != nil {
			return nil, err
		}
		keys = slices.DeleteFunc(keys, func(key string) bool { return bytes.Contains(class, constant(key)) })
	}
	return keys, nil
}

// constant returns the bytes of a text in a class file: its length, and then the text.
func constant(text string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...)
}

func content(file *zip.File) ([]byte, error) {
	reader, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = reader.Close() }() // nothing was written to it
	return io.ReadAll(reader)
}

// writeCluster writes the configuration of a cluster. The values fill in the template. The settings
// replace what the template says.
func (c *client) writeCluster(values map[string]any, settings map[string]string) error {
	var text strings.Builder
	if err := configTemplate.Execute(&text, values); err != nil {
		return err
	}
	return c.writeConfig(withSettings(text.String(), settings))
}

// withSettings returns the text of a configuration file with further settings. A setting replaces
// the line that sets the same key.
func withSettings(text string, settings map[string]string) string {
	var lines []string
	for line := range strings.Lines(text) {
		key, _, _ := strings.Cut(line, ":")
		if _, replaced := settings[key]; !replaced {
			lines = append(lines, line)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		lines = append(lines, fmt.Sprintf("%s: %q\n", key, settings[key]))
	}
	return strings.Join(lines, "")
}

// changelogDir is the key for the directory of a changelog on a file system.
const changelogDir = "dstl.dfs.base-path"

// clusterSettings returns the settings of a cluster. A changelog on a file system gets a directory
// beside the directories of jobs, unless the scenario names another one.
func clusterSettings(cluster scenarios.Cluster, root string) map[string]string {
	settings := map[string]string{}
	if cluster.Settings["state.changelog.storage"] == "filesystem" {
		settings[changelogDir] = root + "/changelog"
	}
	maps.Copy(settings, cluster.Settings)
	return settings
}

// backends says how to configure a state backend. The keys are the words of a scenario's field
// backend.
var backends = map[string]map[string]string{
	"":            {},
	"full":        {"state.backend.type": "hashmap"},
	"hashmap":     {"state.backend.type": "hashmap"},
	"rocksdb":     {"state.backend.type": "rocksdb"},
	"incremental": {"state.backend.type": "rocksdb", "execution.checkpointing.incremental": "true"},
	"changelog":   {"state.changelog.enabled": "true"},
	"forst":       {"state.backend.type": "forst"},
}

// backendSettings returns the settings of a state backend.
func (t Target) backendSettings(backend string) (map[string]string, error) {
	settings, ok := backends[backend]
	if !ok {
		known := slices.DeleteFunc(slices.Sorted(maps.Keys(backends)), func(name string) bool { return name == "" })
		return nil, harness.Usagef("job.backend: want one of %s, got %q", strings.Join(known, ", "), backend)
	}
	if backend == "forst" && strings.HasPrefix(t.version, "1.") {
		return nil, harness.Usagef("job.backend: Flink %s has no forst; want a release from 2.0.0 on", t.version)
	}
	return settings, nil
}
