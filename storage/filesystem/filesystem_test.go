package filesystem_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/specification"
)

// All implementations are held to one specification; those that need a server, in
// suites/storage.
func TestFileSystem(t *testing.T) {
	t.Run("local", func(t *testing.T) { specification.Check(t, filesystem.Local{}, t.TempDir()) })
	t.Run("memory", func(t *testing.T) { specification.Check(t, filesystem.NewMemory(), "/root") })
	t.Run("memory/object", func(t *testing.T) { specification.Check(t, filesystem.NewMemory(), "s3://bucket/root") })
}

func TestNames(t *testing.T) {
	for text, want := range map[string]string{
		"/a/b/":               "/a/b",
		"file:/a":             "/a",
		"file:///a/b/../c":    "/a/c",
		"FILE:///a":           "/a",
		"hdfs://n:40010/a/b/": "hdfs://n:40010/a/b",
		"s3://bucket":         "s3://bucket/",
		"s3://bucket/a//b":    "s3://bucket/a/b",
		"":                    "want a path or a URL, got nothing",
		"a/b":                 `"a/b": want an absolute path, or a URL such as file:///checkpoints`,
		"a/b:c":               `"a/b:c": want an absolute path, or a URL such as file:///checkpoints`,
		":x":                  `":x": want a scheme before the colon, as in file:///checkpoints`,
		"file:a/b":            `"file:a/b": want an absolute path after the scheme, as in file:///checkpoints`,
		"file://host/a":       `"file://host/a": want no host in a file URL, got host; write file:///host/a for a local path`,
		"hdfs:///a":           `"hdfs:///a": want a host or a bucket after hdfs://`,
	} {
		name, err := filesystem.ParseName(text)
		if err != nil {
			name = err.Error()
		}
		if name != want {
			t.Errorf("%q: want %s, got %s", text, want, name)
		}
	}
	for _, name := range []string{"/a/b", "s3://bucket/a/b"} {
		if got := filesystem.Join(filesystem.Dir(name), "x", "../b"); got != name {
			t.Errorf("want %s, got %s", name, got)
		}
		if again, err := filesystem.ParseName(filesystem.URL(name)); err != nil || again != name {
			t.Errorf("want %s, got %s, %v", name, again, err)
		}
	}
}

// after lists the trees that a power loss may leave, each once.
func after(m *filesystem.Memory) []string {
	seen := map[string]bool{}
	m.EveryCrash(func(after *filesystem.Memory) bool {
		var tree []string
		_ = filesystem.Walk(after, "/", func(name string, e filesystem.Entry) error {
			if !e.Directory {
				name += fmt.Sprint("=", e.Size)
			}
			tree = append(tree, name)
			return nil
		})
		seen[strings.Join(tree, " ")] = true
		return true
	})
	return slices.Sorted(maps.Keys(seen))
}

func TestWhatAPowerLossLeaves(t *testing.T) {
	m := filesystem.NewMemory()
	expect := func(what string, want ...string) {
		t.Helper()
		slices.Sort(want)
		if got := after(m); !slices.Equal(got, want) {
			t.Errorf("%s: want %q, got %q", what, want, got)
		}
	}
	file, err := m.Create("/a")
	must(t, err)
	_, err = file.Write([]byte("four"))
	must(t, err)
	expect("written", "", "a=0", "a=2", "a=4")
	must(t, file.Sync())
	expect("synced", "", "a=4")
	must(t, m.SyncDir("/"))
	expect("its name too", "a=4")

	must(t, m.Rename("/a", "/b"))
	expect("renamed", "a=4", "b=4")
	must(t, m.SyncDir("/"))
	must(t, m.MkdirAll("/d"))
	must(t, m.Rename("/b", "/d/b"))
	expect("moved to another directory", "", "b=4", "b=4 d", "b=4 d d/b=4", "d", "d d/b=4")
	must(t, m.SyncDir("/d"))
	must(t, m.SyncDir("/"))
	must(t, m.Remove("/d/b"))
	expect("removed", "d", "d d/b=4")
	must(t, m.SyncDir("/d"))
	expect("removed for good", "d")

	must(t, filesystem.WriteFile(m, "s3://bucket/x", []byte("object")))
	m.EveryCrash(func(after *filesystem.Memory) bool {
		if _, err := after.Stat("s3://bucket/x"); err != nil {
			t.Errorf("an object was lost: %v", err)
		}
		return true
	})
}

func TestOperationsAreObserved(t *testing.T) {
	m := filesystem.NewMemory()
	var seen []string
	m.Observe(func(o filesystem.Operation) {
		seen = append(seen, strings.TrimSpace(fmt.Sprint(o.Kind, o.Name, " ", o.NewName)))
	})
	must(t, filesystem.WriteFile(m, "/a", []byte("x")))
	must(t, m.Rename("/a", "/b"))
	must(t, m.SyncDir("/"))
	must(t, m.Remove("/b"))
	if got, want := strings.Join(seen, "; "), "create/a; write/a; sync/a; close/a; rename/a /b; syncdir/; remove/b"; got != want {
		t.Errorf("want %s, got %s", want, got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func Example() {
	files := filesystem.NewMemory()
	_ = files.MkdirAll("/checkpoints/chk-1")
	_ = filesystem.WriteFile(files, "/checkpoints/chk-1/._metadata.inprogress", []byte("state"))
	_ = files.Rename("/checkpoints/chk-1/._metadata.inprogress", "/checkpoints/chk-1/_metadata")
	_ = filesystem.Walk(files, "/checkpoints", func(name string, entry filesystem.Entry) error {
		fmt.Println(name, entry.Size)
		return nil
	})
	err := filesystem.WriteFile(files, "/checkpoints/chk-1/_metadata", nil)
	fmt.Println(errors.Is(err, fs.ErrExist))
	// Output:
	// chk-1 0
	// chk-1/_metadata 5
	// true
}
