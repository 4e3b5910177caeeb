package filesystem_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"testing"

	"github.com/snapback/snapback/storage/filesystem"
)

// Both implementations are held to one specification.
func implementations(t *testing.T) map[string]struct {
	files filesystem.FileSystem
	root  string
} {
	memory := filesystem.NewMemory()
	if err := memory.MkdirAll("/root"); err != nil {
		t.Fatal(err)
	}
	return map[string]struct {
		files filesystem.FileSystem
		root  string
	}{
		"local":  {filesystem.Local{}, t.TempDir()},
		"memory": {memory, "/root"},
	}
}

func TestFileSystem(t *testing.T) {
	for name, under := range implementations(t) {
		files, at := under.files, func(name string) string { return path.Join(under.root, name) }
		t.Run(name, func(t *testing.T) {
			must(t, filesystem.WriteFile(files, at("a"), []byte("one")))
			wants(t, filesystem.WriteFile(files, at("a"), []byte("two")), fs.ErrExist)
			wants(t, filesystem.WriteFile(files, at("no/a"), nil), fs.ErrNotExist)

			must(t, files.MkdirAll(at("d/e")))
			must(t, files.MkdirAll(at("d/e")))
			must(t, files.Rename(at("a"), at("d/e/b")))
			wants(t, files.Rename(at("a"), at("d/e/b")), fs.ErrNotExist)
			must(t, filesystem.WriteFile(files, at("d/c"), []byte("three")))
			must(t, files.Rename(at("d/c"), at("d/e/b"))) // replaces

			data, err := filesystem.ReadFile(files, at("d/e/b"), 5)
			must(t, err)
			if string(data) != "three" {
				t.Errorf("want three, got %q", data)
			}
			var tooLarge *filesystem.TooLargeError
			if _, err := filesystem.ReadFile(files, at("d/e/b"), 4); !errors.As(err, &tooLarge) {
				t.Errorf("want TooLargeError, got %v", err)
			}
			if err := files.Remove(at("d")); err == nil {
				t.Error("a directory that holds something was removed")
			}
			must(t, files.SyncDir(at("d")))
			wants(t, files.SyncDir(at("nowhere")), fs.ErrNotExist)

			var seen []string
			must(t, filesystem.Walk(files, under.root, func(name string, e filesystem.Entry) error {
				seen = append(seen, fmt.Sprint(name, " ", e.Size))
				return nil
			}))
			if got, want := fmt.Sprint(seen), "[d 0 d/e 0 d/e/b 5]"; got != want {
				t.Errorf("walk: want %s, got %s", want, got)
			}
			must(t, filesystem.RemoveAll(files, at("d")))
			must(t, filesystem.RemoveAll(files, at("d"))) // repeatable
			_, err = files.Stat(at("d"))
			wants(t, err, fs.ErrNotExist)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("want %v, got %v", want, err)
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
	// Output:
	// chk-1 0
	// chk-1/_metadata 5
}
