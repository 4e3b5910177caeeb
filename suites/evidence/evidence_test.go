// Package evidence_test compares the harness's reader of `_metadata` with the engine's reader. The
// readers share no code. So the same mistake is unlikely in both.
package evidence_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/harness/evidence"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/metadata"
	"github.com/snapback/snapback/storage/metadata/specimen"
)

// location is the directory in which the tests place every checkpoint.
const location = "s3://bucket/job/chk-1"

// ours lists the references that the harness's reader finds, in their order.
func ours(c evidence.Checkpoint) (all []string) {
	for _, r := range c.References {
		file, err := r.In(location)
		all = append(all, fmt.Sprintf("%s %d %t", file, r.Size, err == nil))
	}
	return all
}

// theirs lists the references that the engine's reader finds, in their order. It leaves out inline
// state, which names no file.
func theirs(c metadata.Checkpoint) (all []string) {
	for r := range c.References() {
		switch r.Stream.(type) {
		case *metadata.File, *metadata.RelativeFile, *metadata.Segment:
			file, size, err := storage.FileOf(location, r.Stream)
			all = append(all, fmt.Sprintf("%s %d %t", file, size, err == nil))
		}
	}
	return all
}

// readable says whether all paths consist of complete characters. Java can write a lone surrogate,
// which is half of a UTF-16 character. No file has such a name, and our two readers replace the
// surrogate by different characters.
func readable(references []string) bool {
	return !slices.ContainsFunc(references, func(r string) bool { return strings.ToValidUTF8(r, "\uFFFD") != r || strings.Contains(r, "\uFFFD") })
}

// compare fails the test if both readers accept a file but read different things. It returns true
// if both readers accept the file.
func compare(t *testing.T, name string, data []byte) bool {
	t.Helper()
	got, err := evidence.Decode(data)
	want, theirErr := metadata.Decode(data)
	if err != nil || theirErr != nil {
		return false
	}
	a, b := ours(got), theirs(want)
	if readable(a) && readable(b) && (got.ID != want.ID || !slices.Equal(a, b)) {
		t.Errorf("%s: the engine's reader finds checkpoint %d with %q\nthe harness's finds %d with %q", name, want.ID, b, got.ID, a)
	}
	return true
}

// samples are the `_metadata` files that real Flink wrote.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir("../../storage/testdata", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasPrefix(entry.Name(), "_metadata") || filepath.Ext(name) == ".json" {
			return err
		}
		files[name], err = os.ReadFile(name)
		return err
	})
	if err != nil || len(files) < 90 {
		t.Fatalf("want 90 samples, got %d, %v", len(files), err)
	}
	return files
}

// everything returns a checkpoint for each version of the format. The checkpoint has every kind of
// handle that Flink has.
func everything(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for version := int32(metadata.VersionMin); version <= metadata.Version; version++ {
		data, err := metadata.Encode(specimen.Everything(version))
		if err != nil {
			t.Fatal(err)
		}
		files[fmt.Sprintf("version %d", version)] = data
	}
	return files
}

func TestBothReadersFindTheSameReferences(t *testing.T) {
	for name, data := range samples(t) {
		if !compare(t, name, data) {
			t.Errorf("%s: one of the readers refuses it", name)
		}
	}
	for name, data := range everything(t) {
		if !compare(t, name, data) {
			t.Errorf("%s: one of the readers refuses it", name)
		}
		for n := range data {
			if _, err := evidence.Decode(data[:n]); err == nil {
				t.Errorf("%s: its first %d bytes of %d are read", name, n, len(data))
			}
		}
	}
}

// The comparison finds each difference. For each reference of a checkpoint, the test removes this
// reference from what the harness's reader found. Then the result must differ from what the
// engine's reader found.
func TestADifferenceIsFound(t *testing.T) {
	whole := specimen.Everything(metadata.Version)
	data, err := metadata.Encode(whole)
	if err != nil {
		t.Fatal(err)
	}
	read, err := evidence.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range read.References {
		shorter := read
		shorter.References = slices.Delete(slices.Clone(read.References), i, i+1)
		if slices.Equal(ours(shorter), theirs(whole)) {
			t.Errorf("without reference %d there is no difference", i)
		}
	}
	if len(read.References) < 15 {
		t.Errorf("want 15 references, got %d", len(read.References))
	}
}

func FuzzReaders(f *testing.F) {
	for _, files := range []map[string][]byte{samples(f), everything(f)} {
		for _, data := range files {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { compare(t, "it", data) })
}
