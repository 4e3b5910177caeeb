package flink

import (
	"slices"
	"testing"

	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
)

func TestEachReleaseIsConfiguredInItsOwnWords(t *testing.T) {
	text := "state.backend.type: hashmap\n\n# text\nexecution.checkpointing.dir: \"file:/x\"\n"
	for _, c := range []struct{ version, name, text, claim string }{
		{"1.16.3", "flink-conf.yaml", "state.backend: hashmap\n\n# text\nstate.checkpoints.dir: file:/x\n", "restoreMode"},
		{"1.18.1", "flink-conf.yaml", "state.backend.type: hashmap\n\n# text\nstate.checkpoints.dir: file:/x\n", "restoreMode"},
		{"1.19.3", "config.yaml", "state.backend.type: hashmap\n\n# text\nstate.checkpoints.dir: \"file:/x\"\n", "restoreMode"},
		{"1.20.5", "config.yaml", text, "claimMode"},
		{"2.3.0", "config.yaml", text, "claimMode"},
	} {
		flink := Target{version: c.version}
		if got := flink.configName(); got != c.name {
			t.Errorf("%s: want the file %s, got %s", c.version, c.name, got)
		}
		if got := flink.configText(text); got != c.text {
			t.Errorf("%s: want %q, got %q", c.version, c.text, got)
		}
		if got := flink.claimMode(); got != c.claim {
			t.Errorf("%s: want %s, got %s", c.version, c.claim, got)
		}
		named := flink.named(map[string]string{"execution.checkpointing.incremental": "true"})
		if old := named["state.backend.incremental"] == "true"; len(named) != 1 || old == flink.since(1, 20) {
			t.Errorf("%s: got %v", c.version, named)
		}
	}
}

// Only the files of the sink depend on the release. Each range of releases has its own.
func TestEachReleaseHasOneSink(t *testing.T) {
	for version, sink := range map[string]string{
		"1.16.0": "java/flink-1.16/FileSink.java", "1.18.1": "java/flink-1.16/FileSink.java",
		"1.19.0": "java/flink-1.19/FileSink.java", "1.20.5": "java/flink-1.19/FileSink.java",
		"2.0.0": "java/flink-2.0/FileSink.java", "2.3.0": "java/flink-2.0/FileSink.java",
	} {
		names, err := Target{version: version}.sources()
		if err != nil || !slices.Contains(names, sink) || !slices.Contains(names, "java/snapback/workloads/Main.java") {
			t.Errorf("%s: want %s and the workloads, got %v, %v", version, sink, names, err)
		}
	}
}

func TestReleasesBefore116AreRefused(t *testing.T) {
	for version, want := range map[string]bool{
		"1.15.4": false, "1.16.0": true, "1.20.5": true, "1.21.0": false, "2.0.2": true, "2.12.1": true, "3.0.0": false, "2.3": false,
	} {
		if _, err := (Options{Version: version}).target(); (err == nil) != want {
			t.Errorf("%s: want it accepted: %v, got %v", version, want, err)
		}
	}
}

func TestARelease116TakesNoCheckpointWhenAsked(t *testing.T) {
	s := scenarios.Scenario{Steps: []scenarios.Step{{Checkpoint: "first"}}}
	for version, want := range map[string]int{"1.16.3": 1, "1.17.0": 0, "2.3.0": 0} {
		if got := target.Unhonoured(Target{version: version}, s); len(got) != want {
			t.Errorf("%s: want %d reasons to skip the scenario, got %q", version, want, got)
		}
	}
}
