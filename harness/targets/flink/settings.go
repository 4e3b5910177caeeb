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

	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
)

// own are prefixes of keys that only the harness sets. With another value of such a key the harness
// would not find the cluster, its files or its processes, or would contradict a field of the scenario.
var own = []string{
	"parallelism.default", "taskmanager.numberOfTaskSlots", "high-availability.type",
	"jobmanager.rpc.", "jobmanager.bind-host", "taskmanager.host", "taskmanager.bind-host", "taskmanager.resource-id",
	"taskmanager.rpc.", "taskmanager.data.port", "taskmanager.data.bind-port", "rest.address", "rest.port", "rest.bind-",
	"blob.storage.directory", "blob.server.port", "web.tmpdir", "web.upload.dir", "web.submit.enable", "io.tmp.dirs",
	"process.working-dir", "execution.checkpointing.savepoint-dir",
	"high-availability.cluster-id", "high-availability.storageDir", "high-availability.zookeeper.quorum",
	"high-availability.jobmanager.port",
}

// ofCluster are prefixes of keys that Flink reads only from the configuration of a cluster. In the
// configuration of a job Flink ignores them.
var ofCluster = []string{
	"jobmanager.", "taskmanager.", "heartbeat.", "cluster.", "slotmanager.", "resourcemanager.", "slot.", "metrics.",
	"high-availability.", "state.changelog.dstl.", "dstl.", "state.changelog.storage",
}

// honours says whether Flink carries out a setting of a cluster or of a job. Flink ignores keys that
// it does not have, and it reads some keys only from the configuration of a cluster.
func (t Target) honours(f target.Field) bool {
	name := current(f.Key)
	begins := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
	if slices.ContainsFunc(own, begins) || f.Name == target.JobSettings && slices.ContainsFunc(ofCluster, begins) {
		return false
	}
	known, err := t.knows(t.key(name))
	return err == nil && known
}

// knows says whether this release of Flink has a key. All keys of Flink are constants of classes
// whose names end with Options.
func (t Target) knows(key string) (bool, error) {
	jars, err := filepath.Glob(filepath.Join(t.lib, "flink-dist-*.jar"))
	if err != nil || len(jars) != 1 {
		return false, fmt.Errorf("look for the key %s: want one flink-dist in %s, got %d", key, t.lib, len(jars))
	}
	archive, err := zip.OpenReader(jars[0])
	if err != nil {
		return false, err
	}
	defer func() { _ = archive.Close() }() // nothing was written to it
	for _, file := range archive.File {
		if !strings.HasSuffix(file.Name, "Options.class") {
			continue
		}
		class, err := content(file)
		if err != nil || bytes.Contains(class, constant(key)) {
			return err == nil, err
		}
	}
	return false, nil
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
const changelogDir = "state.changelog.dstl.dfs.base-path"

// clusterSettings returns the settings of a cluster. A changelog on a file system gets a directory
// beside the directories of jobs, unless the scenario names another one.
func clusterSettings(cluster scenarios.Cluster, root string) map[string]string {
	settings, given := map[string]string{}, withCurrentNames(cluster.Settings)
	if given["state.changelog.storage"] == "filesystem" {
		settings[changelogDir] = root + "/changelog"
	}
	maps.Copy(settings, given)
	return settings
}

// backends says how to configure a state backend. The keys are the words of [scenarios.Backends].
var backends = map[string]map[string]string{
	"full":        {"state.backend.type": "hashmap"},
	"hashmap":     {"state.backend.type": "hashmap"},
	"rocksdb":     {"state.backend.type": "rocksdb"},
	"incremental": {"state.backend.type": "rocksdb", "execution.checkpointing.incremental": "true"},
	"changelog":   {"state.changelog.enabled": "true"},
	"forst":       {"state.backend.type": "forst"},
}

// hasBackend says whether this release of Flink has a state backend.
func (t Target) hasBackend(name string) bool {
	_, ok := backends[name]
	return ok && (name != "forst" || !strings.HasPrefix(t.version, "1."))
}
