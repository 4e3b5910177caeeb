package metadata_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/snapback/snapback/storage/metadata"
)

const (
	corpusFile = "../testdata/flink-metadata-public/corpus.tar.zst"
	readsFile  = "flink-2.3.0-reads.txt"
	corpusMin  = 340 // smallest number of files in the complete corpus
)

// publicFile is one file of the public corpus.
type publicFile struct {
	Number string
	Flink  string // the Flink release that wrote the file, for example 1.16; "?" if the release is unknown
	Data   []byte
	Reads  string // a text that describes what Flink 2.3.0's loader read
}

// refused says whether Flink's loader refused the file.
func (f publicFile) refused() bool { return strings.HasPrefix(f.Reads, "ERROR") }

// publicFiles returns the files of the public corpus, sorted by their number.
func publicFiles(t testing.TB) []publicFile {
	t.Helper()
	archived := unpack(t, corpusFile)
	var files []publicFile
	for row := range strings.Lines(string(archived["corpus.tsv"])) {
		columns := strings.Split(strings.TrimSpace(row), "\t") // the columns number, origin, file, flink and version
		if columns[0] == "number" {
			continue
		}
		files = append(files, publicFile{
			Number: columns[0], Flink: columns[3],
			Data: archived[path.Join(columns[0], columns[2])], Reads: string(archived[path.Join(columns[0], readsFile)]),
		})
	}
	if len(files) < corpusMin {
		t.Fatalf("%s: want at least %d files, got %d", corpusFile, corpusMin, len(files))
	}
	return files
}

func unpack(t testing.TB, name string) map[string][]byte {
	t.Helper()
	compressed, err := os.Open(name)
	must(t, err)
	defer func() { _ = compressed.Close() }() // an error of Close does no harm, because the file was only read
	plain, err := zstd.NewReader(compressed)
	must(t, err)
	defer plain.Close()
	files := map[string][]byte{}
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		must(t, err)
		files[header.Name], err = io.ReadAll(archive)
		must(t, err)
	}
}

// Our reader must read each public file in the same way as Flink 2.3.0's own loader, and write it
// back byte for byte. It must refuse each file that Flink refuses.
func TestPublicFilesAreReadAsFlinkReadsThem(t *testing.T) {
	compared, refused := 0, 0
	versions := map[int32]int{}
	for _, file := range publicFiles(t) {
		checkpoint, err := metadata.Decode(file.Data)
		if file.refused() {
			refused++
			if err == nil {
				t.Errorf("%s: Flink refuses it (%s), but we read it", file.Number, file.Reads)
			}
			continue
		}
		compared++
		if err != nil {
			t.Errorf("%s: %v", file.Number, err)
			continue
		}
		versions[checkpoint.Version]++
		if got := rendered(&checkpoint); got != file.Reads {
			t.Errorf("%s: %s", file.Number, firstDifference(file.Reads, got))
		}
		if again, err := metadata.Encode(checkpoint); err != nil || !bytes.Equal(again, file.Data) {
			t.Errorf("%s: Encode returned other bytes, %v", file.Number, err)
		}
	}
	if compared < corpusMin || refused == 0 {
		t.Errorf("want at least %d files compared and some refused, got %d and %d", corpusMin, compared, refused)
	}
	if len(versions) != metadata.Version-metadata.VersionMin+1 {
		t.Errorf("want each version, got %v", versions)
	}
	t.Logf("%d files compared, %d refused; files by version: %v", compared, refused, versions)
}

func firstDifference(want, got string) string {
	wanted, gotten := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(wanted), len(gotten)) {
		if wanted[i] != gotten[i] {
			return "want " + wanted[i] + "\ngot  " + gotten[i]
		}
	}
	return "one has more lines than the other"
}

// This savepoint of Flink 1.8 ends with an operator whose subtasks have no state. No subtask of
// version 2 can have fewer bytes than these subtasks.
func TestASavepointThatEndsWithAnEmptySubtaskIsRead(t *testing.T) {
	files := publicFiles(t)
	i := slices.IndexFunc(files, func(f publicFile) bool { return f.Number == "0121" })
	checkpoint, err := metadata.Decode(files[i].Data)
	if err != nil || checkpoint.ID != 21 || len(checkpoint.Operators) != 3 {
		t.Errorf("want checkpoint 21 with 3 operators, got %d with %d, %v", checkpoint.ID, len(checkpoint.Operators), err)
	}
}

// Each release of Flink can read the files that it wrote. So ReadableSince must not return a later
// release than the one that wrote the file.
func TestAPublicFileIsReadableByTheFlinkThatWroteIt(t *testing.T) {
	known := 0
	for _, file := range publicFiles(t) {
		if file.Flink == "?" || file.refused() {
			continue
		}
		known++
		checkpoint, err := metadata.Decode(file.Data)
		must(t, err)
		if since := checkpoint.ReadableSince(); releaseNumber(t, since) > releaseNumber(t, file.Flink) {
			t.Errorf("%s: Flink %s wrote it, but ReadableSince says %s", file.Number, file.Flink, since)
		}
	}
	if known < 150 {
		t.Errorf("the release is known for only %d files", known)
	}
}

// releaseNumber turns a release into a number that can be compared: 1.9 is less than 1.16.
func releaseNumber(t testing.TB, release string) int {
	t.Helper()
	var major, minor int
	_, err := fmt.Sscanf(release, "%d.%d", &major, &minor)
	must(t, err)
	return major*100 + minor
}
