package evidence_test

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/snapback/snapback/harness/evidence"
)

const samples = "../../storage/testdata/"

// told returns a reference as text: "kind size path".
func told(kind evidence.Kind, size int64, path string) string {
	return fmt.Sprintf("%s %d %s", kind, size, path)
}

// references lists the references of a `_metadata` file, sorted.
func references(c evidence.Checkpoint) []string {
	var all []string
	for _, r := range c.References {
		all = append(all, told(r.Kind, r.Size, r.Path))
	}
	slices.Sort(all)
	return all
}

// difference returns a text with the lengths of two lists of references and the first three entries
// of each list.
func difference(want, got []string) string {
	return fmt.Sprintf("want %d references, got %d\nwant %q\ngot  %q", len(want), len(got), want[:min(3, len(want))], got[:min(3, len(got))])
}

// expected is what Flink 2.3.0's own classes read from a checkpoint that real Flink wrote.
type expected struct {
	Path         string
	CheckpointID int64
	Operators    any
}

// expectedReferences returns the references in a tree of JSON. It finds each handle of a file, at
// any depth.
func expectedReferences(node any) (all []string) {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			all = append(all, expectedReferences(child)...)
		}
	case map[string]any:
		kind, _ := node["type"].(string)
		if kinds := []evidence.Kind{evidence.File, evidence.Relative, evidence.Segment}; slices.Contains(kinds, evidence.Kind(kind)) {
			return []string{told(evidence.Kind(kind), int64(node["bytes"].(float64)), node["file"].(string))}
		}
		for _, child := range node {
			all = append(all, expectedReferences(child)...)
		}
	}
	return all
}

// expectedInFlight returns the bytes of all handles of channel state in a tree of JSON.
func expectedInFlight(node any) (total int64) {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			total += expectedInFlight(child)
		}
	case map[string]any:
		kind, _ := node["type"].(string)
		if strings.HasSuffix(kind, "nputChannel") || strings.HasSuffix(kind, "esultSubpartition") {
			return int64(node["bytes"].(float64))
		}
		for _, child := range node {
			total += expectedInFlight(child)
		}
	}
	return total
}

func TestTheSamplesReferToWhatFlinkFoundInThem(t *testing.T) {
	names, err := filepath.Glob(samples + "flink-metadata/expected/*/*/*.json")
	must(t, err)
	compared, unaligned, kinds := 0, 0, map[evidence.Kind]int{}
	for _, name := range names {
		if filepath.Base(name) == "presence.json" {
			continue
		}
		text, err := os.ReadFile(name)
		must(t, err)
		var want expected
		must(t, json.Unmarshal(text, &want))
		sample := filepath.Dir(strings.Replace(name, "/expected/", "/", 1))
		data, err := os.ReadFile(filepath.Join(sample, want.Path))
		must(t, err)
		got, err := evidence.Decode(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		compared++
		for _, r := range got.References {
			kinds[r.Kind]++
		}
		wanted := expectedReferences(want.Operators)
		slices.Sort(wanted)
		if inFlight := expectedInFlight(want.Operators); got.InFlightBytes != inFlight {
			t.Errorf("%s: want %d bytes in flight, got %d", name, inFlight, got.InFlightBytes)
		} else if inFlight > 0 {
			unaligned++
		}
		if found := references(got); got.ID != want.CheckpointID || !slices.Equal(found, wanted) {
			t.Errorf("%s: %s", name, difference(wanted, found))
		}
	}
	if unaligned < 5 {
		t.Errorf("want 5 samples with records in flight, got %d", unaligned)
	}
	if compared < 80 || kinds[evidence.File] == 0 || kinds[evidence.Relative] == 0 || kinds[evidence.Segment] == 0 {
		t.Errorf("want 80 samples and each kind of reference, got %d samples and %v", compared, kinds)
	}
	t.Logf("%d samples, %d with records in flight; references by kind: %v", compared, unaligned, kinds)
}

// publicFile is one file of the public corpus, a collection of `_metadata` files.
type publicFile struct {
	data  []byte
	reads string // what the loader of Flink 2.3.0 read
}

// publicFiles returns the files of the public corpus, by their numbers.
func publicFiles(t testing.TB) map[string]*publicFile {
	t.Helper()
	compressed, err := os.Open(samples + "flink-metadata-public/corpus.tar.zst")
	must(t, err)
	defer func() { _ = compressed.Close() }() // nothing was written to it
	plain, err := zstd.NewReader(compressed)
	must(t, err)
	defer plain.Close()
	files := map[string]*publicFile{}
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		must(t, err)
		content, err := io.ReadAll(archive)
		must(t, err)
		number, name, inFolder := strings.Cut(header.Name, "/")
		if !inFolder || name == "" {
			continue
		}
		if files[number] == nil {
			files[number] = &publicFile{}
		}
		if name == "flink-2.3.0-reads.txt" {
			files[number].reads = string(content)
		} else {
			files[number].data = content
		}
	}
}

var (
	readReference = regexp.MustCompile(`<(file|relativeFile|segment) (-?[0-9]+) ([^>]*)>`)
	readID        = regexp.MustCompile(`(?m)^cp ([0-9]+) `)
)

func TestThePublicFilesReferToWhatFlinkFoundInThem(t *testing.T) {
	compared, refused, found := 0, 0, 0
	for number, file := range publicFiles(t) {
		checkpoint, err := evidence.Decode(file.data)
		if strings.HasPrefix(file.reads, "ERROR") {
			refused++
			if err == nil {
				t.Errorf("%s: Flink says %s; evidence reads it", number, file.reads)
			}
			continue
		}
		compared++
		if err != nil {
			t.Errorf("%s: %v", number, err)
			continue
		}
		var want []string
		for _, match := range readReference.FindAllStringSubmatch(file.reads, -1) {
			want = append(want, strings.Join(match[1:], " "))
		}
		slices.Sort(want)
		got := references(checkpoint)
		found += len(got)
		if id := readID.FindStringSubmatch(file.reads)[1]; id != fmt.Sprint(checkpoint.ID) || !slices.Equal(got, want) {
			t.Errorf("%s: want checkpoint %s, got %d; %s", number, id, checkpoint.ID, difference(want, got))
		}
	}
	if compared != 341 || refused != 6 || found == 0 {
		t.Errorf("want 341 files compared, 6 refused, and references, got %d, %d and %d", compared, refused, found)
	}
	t.Logf("%d files compared, %d refused; %d references", compared, refused, found)
}

func TestWhatFlinkRefusesIsRefused(t *testing.T) {
	names, err := filepath.Glob(samples + "flink-metadata-public/refusals/*")
	must(t, err)
	if len(names) != 4 {
		t.Fatalf("want 4 files, got %d", len(names))
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		must(t, err)
		if _, err := evidence.Decode(data); err == nil {
			t.Errorf("%s: want an error, got none", name)
		}
	}
}

// The decoder refuses a file that is cut off at any place, as Flink does.
func TestHalfOfAFileIsRefused(t *testing.T) {
	for _, name := range []string{"03-rocksdb-incremental-p2/*/chk-3", "11-savepoint-hashmap-native/savepoint-*", "14-changelog-hashmap/*/chk-3", "15-filemerging-hashmap/*/chk-1"} {
		names, err := filepath.Glob(samples + "flink-metadata/2.3.0/" + name + "/_metadata")
		must(t, err)
		if len(names) != 1 {
			t.Fatalf("%s: want one file, got %q", name, names)
		}
		whole, err := os.ReadFile(names[0])
		must(t, err)
		if _, err := evidence.Decode(whole); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := evidence.Decode(append(slices.Clone(whole), "more"...)); err != nil {
			t.Errorf("%s with bytes after its end: %v", name, err)
		}
		for n := range whole {
			if _, err := evidence.Decode(whole[:n]); err == nil {
				t.Errorf("%s: want an error for its first %d of %d bytes, got none", name, n, len(whole))
			}
		}
	}
}

// No input makes the decoder panic or loop forever. If Decode fails, it returns no references.
func FuzzDecode(f *testing.F) {
	for _, file := range publicFiles(f) {
		f.Add(file.data)
	}
	names, err := filepath.Glob(samples + "flink-metadata/2.3.0/*/*/*/_metadata")
	must(f, err)
	for _, name := range names {
		data, err := os.ReadFile(name)
		must(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checkpoint, err := evidence.Decode(data)
		if err != nil && len(checkpoint.References) > 0 {
			t.Errorf("%v, and references: %v", err, checkpoint.References)
		}
		if len(checkpoint.References)*10 > len(data) {
			t.Errorf("%d references in %d bytes", len(checkpoint.References), len(data))
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
