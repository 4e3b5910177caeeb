package flink

import (
	"archive/zip"
	"os"
	"path/filepath"
	"testing"

	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
)

// distribution returns a target whose jar has one class, with one key of the configuration.
func distribution(t *testing.T, version, key string) Target {
	t.Helper()
	lib := t.TempDir()
	file, err := os.Create(filepath.Join(lib, "flink-dist-"+version+".jar"))
	if err != nil {
		t.Fatal(err)
	}
	jar := zip.NewWriter(file)
	class, err := jar.Create("org/apache/flink/configuration/SomeOptions.class")
	if err == nil {
		_, err = class.Write(append([]byte("before"), constant(key)...))
	}
	if err != nil || jar.Close() != nil || file.Close() != nil {
		t.Fatal("write the jar:", err)
	}
	return Target{version: version, lib: lib}
}

func TestASettingThatFlinkWouldIgnoreIsNotHonoured(t *testing.T) {
	flink := distribution(t, "2.3.0", "restart-strategy.type")
	for _, c := range []struct {
		where, key string
		want       bool
	}{
		{target.JobSettings, "restart-strategy.type", true},
		{target.ClusterSettings, "restart-strategy.type", true},
		{target.JobSettings, "restart-strategy.typo", false},
		{target.JobSettings, "strategy.type", false},        // a part of a key is no key
		{target.JobSettings, "jobmanager.scheduler", false}, // only a cluster reads it
		{target.ClusterSettings, "rest.port", false},        // only the harness sets it
		{target.ClusterSettings, "jobmanager.web.port", false},
	} {
		if got := flink.Honours(target.Field{Name: c.where, Key: c.key, Value: "1"}); got != c.want {
			t.Errorf("%s.%s: want %v, got %v", c.where, c.key, c.want, got)
		}
	}
}

// Flink reads the old names of a key, too. So an old name must not go past what the harness says about
// the key.
func TestAnOldNameOfAKeyIsTheKey(t *testing.T) {
	for _, version := range []string{"1.16.3", "2.3.0"} {
		for _, name := range []string{
			"high-availability", "recovery.mode", "state.savepoints.dir", "savepoints.state.backend.fs.dir", "web.port",
			"taskmanager.tmp.dirs", "high-availability.zookeeper.storageDir",
		} {
			flink := distribution(t, version, name)
			if flink.Honours(target.Field{Name: target.ClusterSettings, Key: name, Value: "1"}) {
				t.Errorf("%s: want %s refused, because only the harness sets it", version, name)
			}
		}
	}
	got := configuration(target.Submission{
		Job:      scenarios.Job{Backend: "hashmap", Unaligned: true},
		Settings: map[string]string{"state.backend": "rocksdb", "execution.checkpointing.unaligned": "false", "restart-strategy": "none"},
	})
	for key, want := range map[string]string{
		"state.backend.type": "rocksdb", "execution.checkpointing.unaligned.enabled": "false", "restart-strategy.type": "none",
	} {
		if got[key] != want {
			t.Errorf("%s: want %q, got %q", key, want, got[key])
		}
	}
	for name := range got {
		if name != current(name) {
			t.Errorf("%s: want it under its newest name only", name)
		}
	}
	cluster := clusterSettings(scenarios.Cluster{Settings: map[string]string{"state.backend.changelog.storage": "filesystem"}}, "file:/x")
	if want := "file:/x/changelog"; cluster[changelogDir] != want {
		t.Errorf("want the changelog in %s, got %v", want, cluster)
	}
	both := withCurrentNames(map[string]string{"state.backend": "forst", "state.backend.type": "rocksdb"})
	if len(both) != 1 || both["state.backend.type"] != "rocksdb" {
		t.Errorf("want the value of the newest name, got %v", both)
	}
}

func TestEachFieldOfAJobIsAKeyOfFlink(t *testing.T) {
	got := configuration(target.Submission{
		Settings: map[string]string{"execution.checkpointing.incremental": "false", "restart-strategy.fixed-delay.delay": "1s"},
		Job: scenarios.Job{
			ParallelismMax: 5, MinPause: 1e6, MaxConcurrent: 2, Tolerable: 3, AtLeastOnce: true, Unaligned: true, AlignmentTimeout: 4e6,
			Backend: "incremental",
		},
	})
	for key, want := range map[string]string{
		"pipeline.max-parallelism":                             "5",
		"execution.checkpointing.min-pause":                    "1ms",
		"execution.checkpointing.max-concurrent-checkpoints":   "2",
		"execution.checkpointing.tolerable-failed-checkpoints": "3",
		"execution.checkpointing.mode":                         "AT_LEAST_ONCE",
		"execution.checkpointing.unaligned.enabled":            "true",
		"execution.checkpointing.aligned-checkpoint-timeout":   "4ms",
		"state.backend.type":                                   "rocksdb",
		"execution.checkpointing.incremental":                  "false",
		"restart-strategy.fixed-delay.delay":                   "1s",
	} {
		if got[key] != want {
			t.Errorf("%s: want %q, got %q", key, want, got[key])
		}
	}
}

func TestEachBackendIsConfiguredOrNotHonoured(t *testing.T) {
	for _, backend := range scenarios.Backends {
		for version, without := range map[string]string{"2.3.0": "", "1.20.5": "forst"} {
			flink := Target{version: version}
			if got := flink.Honours(target.Field{Name: target.JobBackend, Value: backend.Name}); got != (backend.Name != without) {
				t.Errorf("backend %s on Flink %s: got %v", backend.Name, version, got)
			}
		}
		if len(backends[backend.Name]) == 0 {
			t.Errorf("backend %s: Flink is not configured", backend.Name)
		}
	}
}

func TestSettingsReplaceLinesOfTheConfiguration(t *testing.T) {
	got := withSettings("# comment\na: 1\nb: 2\n", map[string]string{"b": "x y", "c": "3"})
	if want := "# comment\na: 1\nb: \"x y\"\nc: \"3\"\n"; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}
