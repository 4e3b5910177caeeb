package run

import (
	"io"
	"slices"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

// Now implements [target.Cluster].
func (inMemory) Now() time.Duration { return 0 }

// An engine may be deleting an old checkpoint while its files are damaged. If the restoration brought
// back the `_metadata` of this checkpoint, it would refer to files that are gone.
func TestARestorationBringsBackNoFileThatTheEngineDeleted(t *testing.T) {
	c := inMemory{files: filesystem.NewMemory(), root: "/checkpoints"}
	write := func(name string) {
		if err := filesystem.WriteFile(c.files, name, []byte("metadata of "+name)); err != nil {
			t.Fatal(err)
		}
	}
	old, kept := "/checkpoints/job/chk-2/_metadata", "/checkpoints/job/chk-3/_metadata"
	for _, name := range []string{old, kept} {
		if err := c.files.MkdirAll(filesystem.Dir(name)); err != nil {
			t.Fatal(err)
		}
		write(name)
	}
	recorder, err := history.NewRecorder(io.Discard, history.Header{})
	if err != nil {
		t.Fatal(err)
	}
	r := newSession(scenarios.Scenario{}, recorder, 1, func(string) {})
	r.cluster = c
	damage := func(how scenarios.Harm) {
		if err := r.damage(scenarios.Damage{File: "*/_metadata", How: how}); err != nil {
			t.Fatal(err)
		}
	}

	damage(scenarios.Truncated)
	if err := c.files.Remove(old); err != nil {
		t.Fatal(err)
	}
	damage(scenarios.Restored)
	if _, err := c.files.Stat(old); err == nil {
		t.Errorf("want %s to stay deleted, but it is there again", old)
	}
	if data, err := filesystem.ReadFile(c.files, kept, 100); err != nil || string(data) != "metadata of "+kept {
		t.Errorf("want %s with its own content, got %q, %v", kept, data, err)
	}

	damage(scenarios.Deleted)
	damage(scenarios.Restored)
	var restored []string
	for _, e := range r.History().Events {
		if e.Kind == history.Damage && e.Label == string(scenarios.Restored) {
			restored = append(restored, e.Path)
		}
	}
	if want := []string{"job/chk-3/_metadata", "job/chk-3/_metadata"}; !slices.Equal(restored, want) {
		t.Errorf("want the restorations %q, got %q", want, restored)
	}
}
