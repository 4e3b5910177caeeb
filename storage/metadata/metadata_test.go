package metadata_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snapback/snapback/storage/metadata"
	"github.com/snapback/snapback/storage/metadata/specimen"
)

const samples = "../testdata/flink-metadata"

// sampleFiles returns the `_metadata` files that real Flink wrote.
func sampleFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(samples, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasPrefix(entry.Name(), "_metadata") || strings.HasSuffix(name, ".json") {
			return err
		}
		files[name], err = os.ReadFile(name)
		return err
	})
	if err != nil || len(files) < 80 {
		t.Fatalf("want the samples, got %d files, %v", len(files), err)
	}
	return files
}

func TestWhatFlinkWroteIsWrittenBackByteForByte(t *testing.T) {
	versions := map[int32]int{}
	for name, data := range sampleFiles(t) {
		checkpoint, err := metadata.Decode(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		versions[checkpoint.Version]++
		again, err := metadata.Encode(checkpoint)
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("%s: Encode returned other bytes, %v", name, err)
		}
	}
	for version := int32(3); version <= metadata.Version; version++ {
		if versions[version] == 0 {
			t.Errorf("no sample of version %d", version)
		}
	}
}

func TestEveryHandleComesBackInEveryVersion(t *testing.T) {
	for version := int32(metadata.VersionMin); version <= metadata.Version; version++ {
		data, err := metadata.Encode(specimen.Everything(version))
		must(t, err)
		read, err := metadata.Decode(data)
		must(t, err)
		if want, got := fmt.Sprintf("%+v", flat(specimen.Everything(version))), fmt.Sprintf("%+v", flat(read)); got != want {
			t.Errorf("version %d: want %s\ngot %s", version, want, got)
		}
		again, err := metadata.Encode(read)
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("version %d: Encode returned other bytes, %v", version, err)
		}
		for n := range data { // Decode must refuse a file whose end is missing
			if _, err := metadata.Decode(data[:n]); err == nil {
				t.Errorf("version %d: its first %d bytes of %d were read", version, n, len(data))
			}
		}
	}
}

// flat describes every stream of a checkpoint as text, so that two checkpoints can be compared.
func flat(c metadata.Checkpoint) []string {
	var all []string
	for r := range c.References() {
		all = append(all, fmt.Sprintf("%s %d %s %+v %t", r.Operator.Label(), r.Subtask, r.State, r.Stream, r.Changelog))
	}
	return all
}

// Flink 2.3.0's own classes wrote these bytes for a small checkpoint. The constant leaves out the
// properties of a periodic checkpoint, which follow these bytes.
const golden = "4960672d 00000006 0000000000000007 00000000 00000001 0002 6e6d 0004 75696431 1111111111111111 2222222222222222 00000002 00000080" +
	"01 0005 636f6f7264 00000001 09 00000001 00000000 00000001 04 00000001 0002 7331 00 00000002 0000000000000004 000000000000000c 01 0002 6831 00000003 010203" +
	"00000000 0c 00000000 00000002 000000000000000a 0000000000000014 06 0003 616263 0000000000000063 0003 696431 00 00000000 00000000"

func TestFlinksOwnBytesAreWritten(t *testing.T) {
	data, err := metadata.Encode(metadata.Checkpoint{
		Version: metadata.Version, ID: 7,
		Operators: []metadata.Operator{{
			Name: "nm", UID: "uid1", ID: metadata.OperatorID(bytes.Join([][]byte{bytes.Repeat([]byte{0x11}, 8), bytes.Repeat([]byte{0x22}, 8)}, nil)),
			Parallelism: 2, MaxParallelism: 128, Coordinator: &metadata.ByteStream{Name: "coord", Data: []byte{9}},
			Subtasks: []metadata.Subtask{{
				ManagedOperator: &metadata.OperatorList{
					States: []metadata.NamedState{{Name: "s1", Offsets: []int64{4, 12}}}, Stream: &metadata.ByteStream{Name: "h1", Data: []byte{1, 2, 3}},
				},
				ManagedKeyed: &metadata.KeyGroups{
					Kind: metadata.KeyGroupsV2, Offsets: []int64{10, 20}, Stream: &metadata.RelativeFile{Path: "abc", Size: 99}, ID: "id1",
				},
			}},
		}},
		Properties: &metadata.Properties{Name: "Checkpoint", Sharing: "FORWARD_BACKWARD", DiscardFinished: true, DiscardSubsumed: true},
	})
	must(t, err)
	want, err := hex.DecodeString(strings.ReplaceAll(golden, " ", ""))
	must(t, err)
	if !bytes.HasPrefix(data, want) || len(data) != 786 {
		t.Errorf("want %x and 786 bytes, got %d bytes %x", want, len(data), data[:min(len(data), len(want))])
	}
}

func TestWhatIsWrongIsNamedWithItsPlace(t *testing.T) {
	whole, err := metadata.Encode(specimen.Everything(metadata.Version))
	must(t, err)
	at := func(offset int, bytes ...byte) []byte {
		broken := append([]byte(nil), whole...)
		copy(broken[offset:], bytes)
		return broken
	}
	for _, c := range []struct {
		data []byte
		want string
	}{
		{nil, "magic number at offset 0: want 4 bytes, got the end of the file after 0"},
		{at(0, 0), "magic number at offset 0: want 0x4960672d, got 0x0060672d"},
		{at(7, 1), "version at offset 4: want 2 to 6, got 1"},
		{at(7, 7), "version at offset 4: want 2 to 6, got 7"},
		{at(8, 0x80), "checkpoint id at offset 8: want 0 or more, got -9223372036854775801"},
		{at(16, 0xff, 0xff, 0xff, 0xff), "master states: number at offset 16: want a length of 0 or more, got -1"},
		{at(16, 0x7f, 0xff, 0xff, 0xff), "master states: number at offset 16: want at most "},
		{at(20, 0), "master state 1 of 1: magic number at offset 20: want 0xc96b1696, got 0x006b1696"},
		{whole[:len(whole)-1], "properties: sharing at offset "},
	} {
		_, err := metadata.Decode(c.data)
		var wrong *metadata.Error
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %s, got %v", c.want, err)
		}
	}
}

// Decode must find every flipped bit in the header fields below.
func TestAFlippedBitInAHeaderFieldIsFound(t *testing.T) {
	data, err := metadata.Encode(specimen.Everything(metadata.Version))
	must(t, err)
	for _, field := range []struct {
		name       string
		begin, end int
	}{{"magic number", 0, 4}, {"version", 4, 8}, {"number of master states", 16, 20}} {
		for bit := field.begin * 8; bit < field.end*8; bit++ {
			broken := append([]byte(nil), data...)
			broken[bit/8] ^= 0x80 >> (bit % 8)
			if _, err := metadata.Decode(broken); err == nil {
				t.Errorf("bit %d of the %s can be flipped", bit, field.name)
			}
		}
	}
}

func TestWhatFollowsIsKept(t *testing.T) {
	data, err := metadata.Encode(specimen.Everything(metadata.Version))
	must(t, err)
	read, err := metadata.Decode(append(data, "more"...))
	if err != nil || string(read.Trailing) != "more" {
		t.Errorf("got %q, %v", read.Trailing, err)
	}
}

// Flink's reader ignores these fields, so a file may hold any value there.
func TestWhatFlinkIgnoresInVersion2IsKept(t *testing.T) {
	written := specimen.Everything(metadata.VersionMin)
	written.Operators[0].ChainLength, written.Operators[0].Subtasks[0].Duration = 3, 17
	data, err := metadata.Encode(written)
	must(t, err)
	read, err := metadata.Decode(data)
	must(t, err)
	if o := read.Operators[0]; o.ChainLength != 3 || o.Subtasks[0].Duration != 17 {
		t.Errorf("want a chain of 3 and a duration of 17, got %d and %d", o.ChainLength, o.Subtasks[0].Duration)
	}
}

// Flink's reader skips a materialized handle that is null.
func TestANullMaterializedHandleIsRead(t *testing.T) {
	changelog := &metadata.Changelog{Materialized: []metadata.KeyedHandle{nil}}
	data, err := metadata.Encode(withKeyed(metadata.Version, changelog))
	must(t, err)
	read, err := metadata.Decode(data)
	must(t, err)
	if got := read.Operators[0].Subtasks[0].RawKeyed.(*metadata.Changelog).Materialized; len(got) != 1 || got[0] != nil {
		t.Errorf("want one null handle, got %v", got)
	}
	changelog.Materialized, changelog.Changes = nil, []metadata.KeyedHandle{nil}
	if _, err := metadata.Encode(withKeyed(metadata.Version, changelog)); err == nil {
		t.Error("null changes were encoded, but Flink cannot read them")
	}
}

func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	broken := func(change func(*metadata.Checkpoint)) error {
		c := specimen.Everything(metadata.Version)
		change(&c)
		_, err := metadata.Encode(c)
		return err
	}
	for want, err := range map[string]error{
		"version at offset 4: want 2 to 6, got 9":                          broken(func(c *metadata.Checkpoint) { c.Version = 9 }),
		"name at offset 81: want a text of at most 65535 bytes, got 65536": broken(func(c *metadata.Checkpoint) { c.Operators[1].Name = strings.Repeat("x", 1<<16) }),
		"index at offset": broken(func(c *metadata.Checkpoint) { c.Operators[1].Subtasks[0].Index = 9 }),
		"want no state of a fully finished operator": broken(func(c *metadata.Checkpoint) { c.Operators[1].FullyFinished = true }),
		"want no merged channels before version 6":   broken(func(c *metadata.Checkpoint) { c.Version = metadata.Version5 }),
		"want a byte stream, got 2":                  broken(func(c *metadata.Checkpoint) { c.Operators[1].Coordinator = &metadata.File{} }),
		"want a stream, got null":                    broken(func(c *metadata.Checkpoint) { c.Operators[1].Subtasks[0].RawOperator = &metadata.OperatorList{} }),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s, got %v", want, err)
		}
	}
}

// Decode must never panic. If Decode accepts the data, Encode must return exactly the same data.
func FuzzDecode(f *testing.F) {
	for _, data := range sampleFiles(f) {
		f.Add(data)
	}
	for _, file := range publicFiles(f) {
		f.Add(file.Data)
	}
	for version := int32(metadata.VersionMin); version <= metadata.Version; version++ {
		data, err := metadata.Encode(specimen.Everything(version))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checkpoint, err := metadata.Decode(data)
		if err != nil {
			return
		}
		again, err := metadata.Encode(checkpoint)
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("Encode returned other bytes: %v", err)
		}
		for r := range checkpoint.References() {
			if r.Stream == nil || r.Operator == nil {
				t.Errorf("a reference to nothing: %+v", r)
			}
		}
		if size := checkpoint.InlineSize(); size < 0 || size > int64(len(data)) {
			t.Errorf("%d bytes of state are in a file of %d bytes", size, len(data))
		}
		if checkpoint.ReadableSince() == "" {
			t.Error("ReadableSince is empty for a file that we read")
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkDecode(b *testing.B) {
	data, err := metadata.Encode(specimen.Everything(metadata.Version))
	must(b, err)
	handles := 0
	checkpoint, _ := metadata.Decode(data)
	for range checkpoint.References() {
		handles++
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		_, _ = metadata.Decode(data)
	}
	b.ReportMetric(float64(handles*b.N)/b.Elapsed().Seconds(), "handles/s")
}

func ExampleDecode() {
	_, err := metadata.Decode([]byte("PK\x03\x04"))
	var wrong *metadata.Error
	if errors.As(err, &wrong) {
		fmt.Println("is checkpoint metadata:", !errors.Is(err, metadata.ErrNotMetadata))
		fmt.Printf("%s at offset %d: want %s, got %s\n", wrong.What, wrong.Offset, wrong.Want, wrong.Got)
	}
	// Output:
	// is checkpoint metadata: false
	// magic number at offset 0: want 0x4960672d, got 0x504b0304
}

func ExampleNewOperatorID() {
	fmt.Println(metadata.NewOperatorID("src"))
	// Output: f362c87ffabe89c8a91fa7d0a523ba6c
}
