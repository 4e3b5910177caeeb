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
	"github.com/snapback/snapback/storage/filesystem/filesystemtest"
)

// Every implementation must pass the same specification, [filesystemtest.Check]. The tests in
// suites/storage check the implementations that need a server.
func TestFileSystem(t *testing.T) {
	t.Run("local", func(t *testing.T) { filesystemtest.Check(t, filesystem.Local{}, t.TempDir()) })
	t.Run("memory", func(t *testing.T) { filesystemtest.Check(t, filesystem.NewMemory(), "/root") })
	t.Run("memory/object", func(t *testing.T) { filesystemtest.Check(t, filesystem.NewMemory(), "s3://bucket/root") })
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
		"hdfs:///a":           "hdfs:///a",
		"hdfs:/a/./b":         "hdfs:///a/b",
		"s3a:///a":            `"s3a:///a": want a bucket or a container after s3a://`,
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

// after lists the different trees of files that a power loss at this moment may leave. The level
// says which changes of names survive; see [filesystem.Level].
func after(m *filesystem.Memory, level filesystem.Level) []string {
	seen := map[string]bool{}
	m.EveryCrash(filesystem.Model{Level: level}, func(_ uint64, after *filesystem.Memory) bool {
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
		if got := after(m, filesystem.POSIX); !slices.Equal(got, want) {
			t.Errorf("%s: want %q, got %q", what, want, got)
		}
	}
	file, err := m.Create("/a")
	must(t, err)
	_, err = file.Write([]byte("four"))
	must(t, err)
	expect("written", "", "a=0", "a=1", "a=2", "a=3", "a=4")
	must(t, file.Sync())
	expect("synced", "", "a=4")
	must(t, m.SyncDir("/"))
	expect("its name too", "a=4")

	must(t, m.Rename("/a", "/b"))
	expect("renamed", "a=4", "b=4", "a=4 b=4")
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
	m.EveryCrash(filesystem.Model{Level: filesystem.POSIX}, func(_ uint64, after *filesystem.Memory) bool {
		if _, err := after.Stat("s3://bucket/x"); err != nil {
			t.Errorf("an object was lost: %v", err)
		}
		return true
	})
}

func TestAJournalKeepsTheOrder(t *testing.T) {
	m := filesystem.NewMemory()
	expect := func(what string, want ...string) {
		t.Helper()
		slices.Sort(want)
		if got := after(m, filesystem.Ordered); !slices.Equal(got, want) {
			t.Errorf("%s: want %q, got %q", what, want, got)
		}
	}
	must(t, m.MkdirAll("/d"))
	must(t, filesystem.WriteFile(m, "/d/a", []byte("four")))
	expect("a file is synced, and all names with it", "d d/a=4")
	must(t, m.Rename("/d/a", "/d/b"))
	must(t, m.MkdirAll("/e"))
	expect("one after the other", "d d/a=4", "d d/b=4", "d d/b=4 e")
	must(t, m.Rename("/d/b", "/e/b"))
	expect("a move is one change", "d d/a=4", "d d/b=4", "d d/b=4 e", "d e e/b=4")
	must(t, m.SyncDir("/"))
	expect("any sync of a directory commits all", "d e e/b=4")
	must(t, m.Remove("/e/b"))
	expect("a removal is lost, or not", "d e", "d e e/b=4")
	must(t, filesystem.WriteFile(m, "/e/b", []byte("new")))
	must(t, filesystem.WriteFile(m, "/e/c", []byte("new")))
	must(t, m.Rename("/e/c", "/e/b"))
	expect("what a rename replaced comes back", "d e e/b=3", "d e e/b=3 e/c=3")
}

// The test compares the contents that one file may have after a power loss.
func TestWhatAPowerLossLeavesOfBytes(t *testing.T) {
	contents := func(m *filesystem.Memory) []string {
		seen := map[string]bool{}
		m.EveryCrash(filesystem.Model{Level: filesystem.Ordered}, func(_ uint64, after *filesystem.Memory) bool {
			data, err := filesystem.ReadFile(after, "/a", 1<<20)
			must(t, err)
			seen[fmt.Sprintf("%q", data)] = true
			return true
		})
		return slices.Sorted(maps.Keys(seen))
	}
	m := filesystem.NewMemory()
	must(t, filesystem.WriteFile(m, "/a", []byte("abc")))
	file, err := m.OpenFile("/a")
	must(t, err)
	_, err = file.WriteAt([]byte("BCDE"), 1)
	must(t, err)
	want := []string{`"abc"`, `"aBCDE"`, `"aBc"`, `"aBC"`, `"aBCD"`, `"abc\x00\x00"`, `"abcDE"`}
	slices.Sort(want)
	if got := contents(m); !slices.Equal(got, want) {
		t.Errorf("want %s, got %s", want, got)
	}
	file.Drop()
	if got := contents(m); !slices.Equal(got, []string{`"abc"`}) {
		t.Errorf("after Drop: got %s", got)
	}
	file.Truncate(1)
	if got := contents(m); !slices.Equal(got, []string{`"a"`, `"abc"`}) {
		t.Errorf("after Truncate: got %s", got)
	}

	// The blocks of one write survive in any combination.
	big := filesystem.NewMemory()
	must(t, filesystem.WriteFile(big, "/a", nil))
	file, err = big.OpenFile("/a")
	must(t, err)
	_, err = file.Write([]byte(strings.Repeat("x", 8<<10)))
	must(t, err)
	hole := strings.Repeat("\x00", 4<<10) + strings.Repeat("x", 4<<10)
	if got := contents(big); !slices.Contains(got, fmt.Sprintf("%q", hole)) {
		t.Errorf("none of %d states has the second block without the first", len(got))
	}
}

func TestAStateHasANumber(t *testing.T) {
	m := filesystem.NewMemory()
	must(t, m.MkdirAll("/d"))
	for _, name := range []string{"/d/a", "/b"} {
		must(t, filesystem.WriteFile(m, name, []byte("12")))
	}
	must(t, m.Rename("/b", "/c"))
	for _, level := range filesystem.Levels() {
		model := filesystem.Model{Level: level}
		numbers := map[uint64]bool{}
		m.EveryCrash(model, func(number uint64, after *filesystem.Memory) bool {
			if again := m.Crash(model, filesystem.State(number)); again.Digest() != after.Digest() || numbers[number] {
				t.Errorf("%s: number %d means another state, or several states", level, number)
			}
			numbers[number] = true
			return true
		})
	}
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
