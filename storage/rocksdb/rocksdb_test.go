package rocksdb_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/storage/metadata"
	"github.com/snapback/snapback/storage/rocksdb"
)

const samples = "../testdata/flink-metadata"

// files returns the content of RocksDB files from checkpoints that real Flink wrote. The result
// contains a file if the function "is" returns true for the file's local path. For a merged file,
// the content is only the segment.
func files(t testing.TB, is func(localPath string) bool) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := filepath.WalkDir(samples, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "_metadata" {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		checkpoint, err := metadata.Decode(data)
		if err != nil {
			return err
		}
		version := strings.Split(strings.TrimPrefix(name, samples+"/"), "/")[0]
		for reference := range checkpoint.References() {
			_, localPath, _ := strings.Cut(reference.State, ": ")
			if !is(localPath) {
				continue
			}
			file, content := content(filepath.Dir(name), version, reference.Stream)
			if content != nil {
				found[file] = content
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// content reads a file of a sample. The recorded path is a path on the machine that wrote the
// sample.
func content(dir, version string, stream metadata.Stream) (string, []byte) {
	place := func(recorded string) string {
		_, tail, _ := strings.Cut(recorded, "/checkpoints/"+version+"/")
		return filepath.Join(samples, version, tail)
	}
	switch s := stream.(type) {
	case *metadata.File:
		data, _ := os.ReadFile(place(s.Path)) // some samples deliberately lack files
		return s.Path, data
	case *metadata.RelativeFile:
		data, _ := os.ReadFile(filepath.Join(dir, s.Path))
		return s.Path, data
	case *metadata.Segment:
		data, err := os.ReadFile(place(s.Path))
		if err != nil {
			return "", nil
		}
		return fmt.Sprint(s.Path, "@", s.Start), data[s.Start : s.Start+s.Size]
	}
	return "", nil
}

func checkTable(data []byte) error {
	return rocksdb.CheckTable(bytes.NewReader(data), int64(len(data)))
}

func TestTheTablesThatFlinkWroteAreIntact(t *testing.T) {
	tables := files(t, func(name string) bool { return strings.HasSuffix(name, ".sst") })
	if len(tables) < 100 {
		t.Fatalf("want the samples, got %d tables", len(tables))
	}
	for name, data := range tables {
		if err := checkTable(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// CheckTable must find every flipped bit, except the last bit of the version. That flip turns
// version 5 into version 4, which has the same format.
func TestEveryFlippedBitOfATableIsFound(t *testing.T) {
	bits, missed := 0, 0
	for name, data := range files(t, func(name string) bool { return strings.HasSuffix(name, ".sst") }) {
		if bits > 400_000 {
			break
		}
		for bit := range len(data) * 8 {
			bits++
			data[bit/8] ^= 1 << (bit % 8)
			if checkTable(data) == nil {
				missed++
				if at := len(data) - 12; bit != at*8 {
					t.Errorf("%s: bit %d of byte %d can be flipped", name, bit%8, bit/8)
				}
			}
			data[bit/8] ^= 1 << (bit % 8)
		}
	}
	if missed == 0 {
		t.Error("every flipped bit is found, so the comment above is wrong")
	}
}

func TestAPartOfATableIsNone(t *testing.T) {
	for name, data := range files(t, func(name string) bool { return strings.HasSuffix(name, ".sst") }) {
		for n := range data {
			if checkTable(data[:n]) == nil {
				t.Errorf("%s: its first %d bytes of %d pass", name, n, len(data))
			}
		}
		if checkTable(append(data, 0)) == nil {
			t.Errorf("%s: passes with one more byte", name)
		}
		return
	}
}

func TestWhatCannotBeCheckedIsSaidSo(t *testing.T) {
	for _, data := range files(t, func(name string) bool { return strings.HasSuffix(name, ".sst") }) {
		for at, value := range map[int]byte{len(data) - 53: 0, len(data) - 12: 7} { // the first change removes the checksums; the second sets an unknown version
			was := data[at]
			data[at] = value
			if err := checkTable(data); !errors.Is(err, rocksdb.ErrUnsupported) {
				t.Errorf("got %v", err)
			}
			data[at] = was
		}
		return
	}
}

func TestEveryFlippedBitOfAManifestIsFound(t *testing.T) {
	manifests := files(t, func(name string) bool { return strings.HasPrefix(name, "MANIFEST") })
	if len(manifests) < 30 {
		t.Fatalf("want the samples, got %d manifests", len(manifests))
	}
	for name, data := range manifests {
		if err := rocksdb.CheckManifest(bytes.NewReader(data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for bit := range len(data) * 8 {
			data[bit/8] ^= 1 << (bit % 8)
			if rocksdb.CheckManifest(bytes.NewReader(data)) == nil {
				t.Errorf("%s: bit %d can be flipped", name, bit)
			}
			data[bit/8] ^= 1 << (bit % 8)
		}
	}
}

// record returns one record of a log.
func record(kind byte, data []byte) []byte {
	body := append([]byte{kind}, data...)
	sum := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
	b := binary.LittleEndian.AppendUint32(nil, (sum>>15|sum<<17)+0xa282ead8)
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(data))), body...)
}

func TestAManifestOfSeveralBlocks(t *testing.T) {
	const block = 32 << 10
	first := record(2, make([]byte, block-7))
	log := slices.Concat(first, record(4, []byte("the rest")))
	if err := rocksdb.CheckManifest(bytes.NewReader(log)); err != nil {
		t.Error(err)
	}
	var damage *rocksdb.DamageError
	for what, log := range map[string][]byte{
		"within a record":        first,
		"of type 4 must not":     record(4, nil),
		"only 20 bytes are left": append(record(1, nil), record(1, make([]byte, 20))[:20]...),
		"that are not a record":  append(record(1, nil), 0, 0),
		"the file ends":          {},
	} {
		if err := rocksdb.CheckManifest(bytes.NewReader(log)); !errors.As(err, &damage) || !strings.Contains(err.Error(), what) {
			t.Errorf("want %q, got %v", what, err)
		}
	}
}

func FuzzCheckTable(f *testing.F) {
	for _, data := range files(f, func(name string) bool { return strings.HasSuffix(name, ".sst") }) {
		f.Add(data)
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		_ = checkTable(data) // CheckTable must not panic
		_ = rocksdb.CheckManifest(bytes.NewReader(data))
	})
}

func BenchmarkCheckTable(b *testing.B) {
	for _, data := range files(b, func(name string) bool { return strings.HasSuffix(name, ".sst") }) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			_ = checkTable(data)
		}
		return
	}
}

func ExampleCheckTable() {
	fmt.Println(rocksdb.CheckTable(strings.NewReader("SST"), 3))
	// Output: at offset 0: 3 bytes are too few for a table
}

// These tables have versions, checksums, compressions and indexes that do not occur in Flink's
// samples. RocksDB wrote the tables; see testdata/make.py.
func TestOtherKindsOfTables(t *testing.T) {
	names, err := filepath.Glob("testdata/*.sst")
	if err != nil || len(names) < 10 {
		t.Fatalf("want tables, got %q, %v", names, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		err = checkTable(data)
		if strings.Contains(name, "no_checksum") {
			if !errors.Is(err, rocksdb.ErrUnsupported) {
				t.Errorf("%s: got %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		version := len(data) - 12 // a flipped bit in this byte may pass, because some versions have the same format
		for at := range data {
			data[at] ^= 1
			if checkTable(data) == nil && at != version {
				t.Errorf("%s: a bit of byte %d can be flipped", name, at)
			}
			data[at] ^= 1
		}
	}
}
