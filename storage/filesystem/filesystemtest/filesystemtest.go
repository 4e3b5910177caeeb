// Package filesystemtest checks implementations of [filesystem.FileSystem]. Every implementation
// must pass these checks. Only tests use the package.
//
// Start with [Check].
package filesystemtest

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/snapback/snapback/storage/filesystem"
)

// Check checks an implementation. The tests use the directory root, which must be empty or not
// exist. Check deletes this directory at the end.
func Check(t *testing.T, files filesystem.FileSystem, root string) {
	t.Helper()
	at := func(name string) string { return filesystem.Join(root, name) }
	must(t, files.MkdirAll(root))
	t.Run("files", func(t *testing.T) { checkFiles(t, files, at) })
	t.Run("directories", func(t *testing.T) { checkDirectories(t, files, at) })
	if files.CreatesWhole(root) {
		t.Run("created whole", func(t *testing.T) { checkCreatedWhole(t, files, at) })
	} else {
		t.Run("renamed", func(t *testing.T) { checkRename(t, files, at) })
	}
	must(t, filesystem.RemoveAll(files, root))
	must(t, filesystem.RemoveAll(files, root)) // a second time changes nothing
}

func checkFiles(t *testing.T, files filesystem.FileSystem, at func(string) string) {
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	must(t, filesystem.WriteFile(files, at("file"), []byte(big)))
	data, err := filesystem.ReadFile(files, at("file"), int64(len(big)))
	must(t, err)
	if string(data) != big {
		t.Errorf("read %d bytes, which differ from the %d written bytes", len(data), len(big))
	}
	must(t, filesystem.WriteFile(files, at("empty"), nil))
	if data, err := filesystem.ReadFile(files, at("empty"), 1); err != nil || len(data) != 0 {
		t.Errorf("an empty file: got %q, %v", data, err)
	}
	wants(t, filesystem.WriteFile(files, at("empty"), []byte("more")), fs.ErrExist)
	if data, err := filesystem.ReadFile(files, at("empty"), 1); err != nil || len(data) != 0 {
		t.Errorf("a refused write has changed the file: %q, %v", data, err)
	}
	var tooLarge *filesystem.TooLargeError
	if _, err := filesystem.ReadFile(files, at("file"), 4); !errors.As(err, &tooLarge) {
		t.Errorf("want TooLargeError, got %v", err)
	}
	entry, err := files.Stat(at("file"))
	must(t, err)
	if entry.Name != "file" || entry.Size != int64(len(big)) || entry.Directory {
		t.Errorf("stat: got %+v", entry)
	}
	_, err = files.Stat(at("nothing"))
	wants(t, err, fs.ErrNotExist)
	_, err = files.Open(at("nothing"))
	wants(t, err, fs.ErrNotExist)
	wants(t, files.Remove(at("nothing")), fs.ErrNotExist)
	must(t, files.Remove(at("file")))
	must(t, files.Remove(at("empty")))
	_, err = files.Stat(at("file"))
	wants(t, err, fs.ErrNotExist)
}

func checkDirectories(t *testing.T, files filesystem.FileSystem, at func(string) string) {
	_, err := files.List(at("d"))
	wants(t, err, fs.ErrNotExist)
	must(t, files.MkdirAll(at("d/e")))
	must(t, files.MkdirAll(at("d/e")))
	must(t, filesystem.WriteFile(files, at("d/b"), []byte("b")))
	must(t, filesystem.WriteFile(files, at("d/e/ü %a"), []byte("123")))
	must(t, files.SyncDir(at("d")))
	entry, err := files.Stat(at("d"))
	must(t, err)
	if entry.Name != "d" || !entry.Directory || entry.Size != 0 {
		t.Errorf("stat of a directory: got %+v", entry)
	}
	var seen []string
	must(t, filesystem.Walk(files, at(""), func(name string, e filesystem.Entry) error {
		seen = append(seen, fmt.Sprint(name, " ", e.Size))
		return nil
	}))
	if got, want := fmt.Sprint(seen), "[d 0 d/b 1 d/e 0 d/e/ü %a 3]"; got != want {
		t.Errorf("walk: want %s, got %s", want, got)
	}
	if err := files.Remove(at("d")); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that holds something was removed: %v", err)
	}
	must(t, filesystem.RemoveAll(files, at("d")))
	must(t, filesystem.RemoveAll(files, at("d"))) // a second time changes nothing
	_, err = files.Stat(at("d"))
	wants(t, err, fs.ErrNotExist)
}

func checkRename(t *testing.T, files filesystem.FileSystem, at func(string) string) {
	wants(t, filesystem.WriteFile(files, at("no/a"), nil), fs.ErrNotExist)
	wants(t, files.SyncDir(at("nowhere")), syncError(at("nowhere")))
	must(t, filesystem.WriteFile(files, at("a"), []byte("one")))
	must(t, filesystem.WriteFile(files, at("b"), []byte("three")))
	must(t, files.Rename(at("b"), at("a"))) // replaces the file a
	wants(t, files.Rename(at("b"), at("a")), fs.ErrNotExist)
	data, err := filesystem.ReadFile(files, at("a"), 5)
	must(t, err)
	if string(data) != "three" {
		t.Errorf("want three, got %q", data)
	}
	aborted, err := files.Create(at("aborted"))
	must(t, err)
	_, err = aborted.Write([]byte("some"))
	must(t, err)
	aborted.Abort()
	aborted.Abort()
	must(t, filesystem.RemoveAll(files, at("aborted")))
	must(t, files.Remove(at("a")))
}

// syncError returns the error that SyncDir must return for a directory that does not exist. On HDFS
// this is nil, because names on HDFS need no sync.
func syncError(name string) error {
	if filesystem.Scheme(name) == "hdfs" {
		return nil
	}
	return fs.ErrNotExist
}

func checkCreatedWhole(t *testing.T, files filesystem.FileSystem, at func(string) string) {
	first, err := files.Create(at("d/object"))
	must(t, err)
	second, err := files.Create(at("d/object"))
	must(t, err)
	_, err = first.Write([]byte("first"))
	must(t, err)
	must(t, first.Sync())
	_, err = files.Stat(at("d/object"))
	wants(t, err, fs.ErrNotExist) // the object does not exist before Close
	must(t, first.Close())
	_, err = second.Write([]byte("second"))
	must(t, err)
	wants(t, second.Close(), fs.ErrExist)
	data, err := filesystem.ReadFile(files, at("d/object"), 6)
	must(t, err)
	if string(data) != "first" {
		t.Errorf("want first, got %q", data)
	}
	aborted, err := files.Create(at("aborted"))
	must(t, err)
	_, err = aborted.Write([]byte("some"))
	must(t, err)
	aborted.Abort()
	_, err = files.Stat(at("aborted"))
	wants(t, err, fs.ErrNotExist)
	must(t, files.Remove(at("d/object")))
	_, err = files.Stat(at("d"))
	wants(t, err, fs.ErrNotExist) // a directory without objects does not exist
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
