package crashpoints_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/storage/filesystem"
)

// clones is the number of power losses of Pebble's file system for each probability that the test
// tries. The number is so large that every possible state appears.
const clones = 3_000

// both is one change of files, such as the creation of a file. It has a function that makes the
// change in our file system, and a function that makes it in Pebble's file system.
type both struct {
	ours   func(*filesystem.Memory) error
	pebble func(*vfs.MemFS) error
}

// written is an open file of our file system or of Pebble's.
type written interface {
	io.WriteCloser
	Sync() error
}

func writing(name, text string, sync bool) both {
	put := func(f written, err error) error {
		if err != nil {
			return err
		}
		if _, err := io.WriteString(f, text); err != nil {
			return err
		}
		if sync {
			if err := f.Sync(); err != nil {
				return err
			}
		}
		return f.Close()
	}
	return both{
		func(m *filesystem.Memory) error {
			f, err := m.Create(name)
			return put(f, err)
		},
		func(m *vfs.MemFS) error {
			f, err := m.Create(name, vfs.WriteCategoryUnspecified)
			return put(f, err)
		},
	}
}

func rename(from, to string) both {
	return both{
		func(m *filesystem.Memory) error { return m.Rename(from, to) },
		func(m *vfs.MemFS) error { return m.Rename(from, to) },
	}
}

func remove(name string) both {
	return both{
		func(m *filesystem.Memory) error { return m.Remove(name) },
		func(m *vfs.MemFS) error { return m.Remove(name) },
	}
}

func syncDir(name string) both {
	return both{
		func(m *filesystem.Memory) error { return m.SyncDir(name) },
		func(m *vfs.MemFS) error {
			dir, err := m.OpenDir(name)
			if err != nil {
				return err
			}
			if err := dir.Sync(); err != nil {
				return err
			}
			return dir.Close()
		},
	}
}

// Every state that a power loss can leave in Pebble's model is also possible in our model. Our
// model allows more states where Pebble's model is less exact.
func TestEveryStateOfPebblesFileSystemIsOneOfOurs(t *testing.T) {
	for _, c := range []struct {
		name    string
		changes []both
	}{
		{"a file written", []both{writing("/d/a", "bytes", false)}},
		{"a file synced", []both{writing("/d/a", "bytes", true)}},
		{"a name made durable", []both{writing("/d/a", "bytes", true), syncDir("/d")}},
		{"a rename", []both{writing("/d/a", "bytes", true), syncDir("/d"), rename("/d/a", "/d/b")}},
		{"a rename over another", []both{writing("/d/a", "old", true), writing("/d/b", "new", true), syncDir("/d"), rename("/d/b", "/d/a")}},
		{"a removal", []both{writing("/d/a", "bytes", true), syncDir("/d"), remove("/d/a")}},
		{"two files", []both{writing("/d/a", "bytes", true), writing("/d/b", "bytes", false)}},
		{"published", []both{writing("/d/state", "bytes", true), writing("/d/_metadata.part", "refers", true), rename("/d/_metadata.part", "/d/_metadata"), syncDir("/d")}},
	} {
		ours, theirs := filesystem.NewMemory(), vfs.NewCrashableMem()
		must(t, filesystem.MkdirDurably(ours, "/d"))
		must(t, theirs.MkdirAll("/d", 0o755))
		must(t, syncDir("/").pebble(theirs))
		for _, change := range c.changes {
			must(t, change.ours(ours))
			must(t, change.pebble(theirs))
		}
		possible := map[string]bool{}
		ours.EveryCrash(run.PowerLossModel(filesystem.POSIX), func(_ uint64, after *filesystem.Memory) bool {
			possible[ourNames(t, after)] = true
			return true
		})
		pebbles := map[string]bool{}
		random := rand.New(rand.NewPCG(1, 1))
		for i := range clones {
			clone := theirs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: (i % 11) * 10, RNG: random})
			pebbles[pebblesNames(t, clone)] = true
		}
		for state := range pebbles {
			if !possible[state] {
				t.Errorf("%s: Pebble's file system leaves %s, and ours never does", c.name, state)
			}
		}
		t.Logf("%s: ours leaves %d states, Pebble's %d", c.name, len(possible), len(pebbles))
		if len(possible) < len(pebbles) {
			t.Errorf("%s: ours leaves %d states, Pebble's %d", c.name, len(possible), len(pebbles))
		}
	}
}

// state returns the contents of a directory as text.
func state(files map[string]string) string {
	var all []string
	for name, text := range files {
		all = append(all, fmt.Sprintf("%s=%q", name, text))
	}
	slices.Sort(all)
	return "{" + strings.Join(all, " ") + "}"
}

func ourNames(t *testing.T, m *filesystem.Memory) string {
	t.Helper()
	files := map[string]string{}
	entries, err := m.List("/d")
	must(t, err)
	for _, e := range entries {
		data, err := filesystem.ReadFile(m, path.Join("/d", e.Name), 1<<20)
		must(t, err)
		files[e.Name] = string(data)
	}
	return state(files)
}

func pebblesNames(t *testing.T, m *vfs.MemFS) string {
	t.Helper()
	files := map[string]string{}
	names, err := m.List("/d")
	must(t, err)
	for _, name := range names {
		f, err := m.Open(path.Join("/d", name))
		must(t, err)
		data, err := io.ReadAll(f)
		must(t, err)
		must(t, f.Close())
		files[name] = string(data)
	}
	return state(files)
}
