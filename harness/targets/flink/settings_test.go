package flink

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
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

func TestASettingThatFlinkWouldNotHonourIsRefused(t *testing.T) {
	flink := distribution(t, "2.3.0", "restart-strategy.type")
	for _, c := range []struct {
		where, key string
		refused    []string
		want       string // a part of the error; empty: the setting is honoured
	}{
		{"job.settings", "restart-strategy.type", ofCluster, ""},
		{"job.settings", "restart-strategy.typo", ofCluster, "Flink 2.3.0 has no key restart-strategy.typo"},
		{"job.settings", "restart-strategy", ofCluster, "has no key restart-strategy"}, // a part of a key is no key
		{"job.settings", "jobmanager.scheduler", ofCluster, "set it in cluster.settings"},
		{"job.settings", "execution.checkpointing.interval", ofCluster, "set the field job.interval"},
		{"cluster.settings", "rest.port", nil, "the harness itself sets this key"},
	} {
		err := flink.checkSettings(c.where, map[string]string{c.key: "1"}, c.refused)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %s: want %q, got %v", c.where, c.key, c.want, err)
		}
	}
}

func TestEachFieldOfAJobIsAKeyOfFlink(t *testing.T) {
	flink := distribution(t, "2.3.0", "restart-strategy.fixed-delay.delay")
	got, err := flink.configuration(target.Submission{
		Settings: map[string]string{"execution.checkpointing.incremental": "false"},
		Job: scenarios.Job{
			ParallelismMax: 5, MinPause: 1e6, MaxConcurrent: 2, Tolerable: 3, AtLeastOnce: true, Unaligned: true, AlignmentTimeout: 4e6,
			Backend: "incremental", Settings: map[string]string{"restart-strategy.fixed-delay.delay": "1s"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
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

func TestABackendThatFlinkDoesNotHaveIsRefused(t *testing.T) {
	for version, backend := range map[string]string{"2.3.0": "rocks", "1.20.5": "forst"} {
		if _, err := (Target{version: version}).backendSettings(backend); err == nil || !strings.Contains(err.Error(), "job.backend") {
			t.Errorf("backend %s on Flink %s: got %v", backend, version, err)
		}
	}
}

func TestSettingsReplaceLinesOfTheConfiguration(t *testing.T) {
	got := withSettings("# comment\na: 1\nb: 2\n", map[string]string{"b": "x y", "c": "3"})
	if want := "# comment\na: 1\nb: \"x y\"\nc: \"3\"\n"; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}
