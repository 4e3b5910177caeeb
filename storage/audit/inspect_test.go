package audit_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/filesystem"
)

const samples = "../testdata/flink-metadata"

// strip removes the fields that were only needed to create the expected values.
func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = strip(value)
		}
		for _, key := range []string{"class", "typeClass", "extra", "schema", "path"} {
			if _, text := v[key].(string); text || key == "extra" {
				if key != "path" || v["kind"] == nil { // the path of a file is kept
					delete(v, key)
				}
			}
		}
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
	}
	return v
}

// asFlink removes the fields that the output of Flink's reader does not have.
func asFlink(ours, flinks any) any {
	switch ours := ours.(type) {
	case map[string]any:
		theirs, _ := flinks.(map[string]any)
		for key := range ours {
			if _, told := theirs[key]; told {
				ours[key] = asFlink(ours[key], theirs[key])
			} else {
				delete(ours, key)
			}
		}
	case []any:
		theirs, _ := flinks.([]any)
		for i := range min(len(ours), len(theirs)) {
			ours[i] = asFlink(ours[i], theirs[i])
		}
	}
	return ours
}

func load(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return strip(v)
}

// Inspect must read the same from each sample as Flink 2.3.0's own classes.
func TestInspectAgreesWithFlinksOwnReader(t *testing.T) {
	expected, err := filepath.Glob(samples + "/expected/*/*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, name := range expected {
		if filepath.Base(name) == "presence.json" {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var recorded struct{ Path string }
		if err := json.Unmarshal(data, &recorded); err != nil {
			t.Fatal(err)
		}
		sample, err := filepath.Abs(filepath.Join(strings.Replace(filepath.Dir(name), "/expected/", "/", 1), recorded.Path))
		if err != nil {
			t.Fatal(err)
		}
		auditor := audit.Auditor{Files: filesystem.Local{}}
		inspection, err := auditor.Inspect(sample)
		if err != nil {
			t.Errorf("%s: %v", sample, err)
			continue
		}
		ours, err := json.Marshal(inspection)
		if err != nil {
			t.Fatal(err)
		}
		want := load(t, data)
		if got := asFlink(load(t, ours), want); !reflect.DeepEqual(want, got) {
			t.Errorf("%s:\nwant %v\ngot  %v", name, want, got)
		}
		compared++
	}
	if compared < 85 {
		t.Errorf("only %d samples were compared", compared)
	}
	t.Logf("%d samples", compared)
}
