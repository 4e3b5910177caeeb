package metadata_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/snapback/snapback/storage/metadata"
	"github.com/snapback/snapback/storage/metadata/specimen"
)

// sampleSince returns the first Flink release that reads a sample. The name of the sample tells its
// version and features, and these decide the release.
func sampleSince(name string) string {
	flink, sample, _ := strings.Cut(strings.TrimPrefix(filepath.ToSlash(name), samples+"/"), "/")
	switch version := filepath.Ext(name); {
	case version == ".v3":
		return "1.15" // the handles have ids, which Flink reads since 1.15
	case version == ".v4" || flink == "1.20.1" && !strings.Contains(sample, "filemerging"):
		return "1.16"
	case flink == "1.20.1":
		return "1.20"
	case version == ".v5" || flink == "2.0.0":
		return "2.0"
	}
	return "2.1"
}

func TestSamplesAreReadableSince(t *testing.T) {
	for name, data := range sampleFiles(t) {
		checkpoint, err := metadata.Decode(data)
		must(t, err)
		if want, got := sampleSince(name), checkpoint.ReadableSince(); got != want {
			t.Errorf("%s: want %s, got %s", name, want, got)
		}
	}
}

func TestAHandleNeedsTheFlinkThatBroughtIt(t *testing.T) {
	for want, s := range map[string]metadata.Subtask{
		"1.3":  {RawKeyed: &metadata.Incremental{V1: true}},
		"1.5":  {RawOperator: &metadata.OperatorList{States: []metadata.NamedState{{Mode: metadata.Broadcast}}}},
		"1.11": {RawKeyed: &metadata.KeyGroups{Kind: metadata.KeyGroupsV1, Stream: &metadata.RelativeFile{}}},
		"1.12": {Inputs: []metadata.Channel{{}}},
		"1.13": {ManagedKeyed: &metadata.KeyGroups{Kind: metadata.KeyGroupsSavepoint}},
		"1.14": {Finished: true},
		"1.15": {ManagedKeyed: &metadata.Changelog{V1: true}},
		"1.16": {ManagedKeyed: &metadata.Changelog{V1: true, Changes: []metadata.KeyedHandle{&metadata.ChangelogFiles{}}}},
		"1.20": {ManagedKeyed: &metadata.KeyGroups{Kind: metadata.KeyGroupsV2, Stream: &metadata.Segment{}}},
	} {
		checkpoint := withSubtask(metadata.VersionMin, s)
		if got := checkpoint.ReadableSince(); got != want {
			t.Errorf("want %s, got %s", want, got)
		}
	}
	finished := metadata.Checkpoint{Version: metadata.Version3, Operators: []metadata.Operator{{FullyFinished: true}}}
	if got := finished.ReadableSince(); got != "1.14" {
		t.Errorf("a finished operator: want 1.14, got %s", got)
	}
	for version, want := range map[int32]string{2: "1.20", 3: "1.20", 4: "1.20", 5: "2.0", 6: "2.1"} {
		checkpoint := specimen.Everything(version)
		if got := checkpoint.ReadableSince(); got != want {
			t.Errorf("version %d with file-merging handles: want %s, got %s", version, want, got)
		}
	}
}
