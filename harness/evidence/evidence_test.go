package evidence_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/harness/evidence"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/storage/filesystem"
)

// smallCheckpoint holds the bytes that Flink 2.3.0's own classes wrote for a small checkpoint. Its
// one operator has the state of a coordinator, inline state, and a relative file "abc" of 99 bytes.
const smallCheckpoint = "4960672d 00000006 0000000000000007 00000000 00000001 0002 6e6d 0004 75696431 1111111111111111 2222222222222222 00000002 00000080" +
	"01 0005 636f6f7264 00000001 09 00000001 00000000 00000001 04 00000001 0002 7331 00 00000002 0000000000000004 000000000000000c 01 0002 6831 00000003 010203" +
	"00000000 0c 00000000 00000002 000000000000000a 0000000000000014 06 0003 616263 0000000000000063 0003 696431 00 00000000 00000000" +
	noProperties

const noProperties = "aced0005 70"

func bytesOf(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	must(t, err)
	return data
}

func TestASmallCheckpointIsDecoded(t *testing.T) {
	got, err := evidence.Decode(bytesOf(t, smallCheckpoint))
	must(t, err)
	want := evidence.Checkpoint{ID: 7, References: []evidence.Reference{{Kind: evidence.Relative, Path: "abc", Size: 99}}, InlineMax: 3}
	want.Operators = []history.Operator{{
		ID: "11111111111111112222222222222222", Parallelism: 2, ParallelismMax: 128,
		Subtasks: []history.SubtaskState{{Index: 0, Groups: &history.KeyGroups{First: 0, Number: 2}}},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
}

// operatorWith returns a checkpoint in version 3. The checkpoint has one subtask with the given
// keyed state.
func operatorWith(keyed string) string {
	return "4960672d 00000003 0000000000000001 00000000 00000001 1111111111111111 2222222222222222 00000001 00000080 00" +
		"00000001 00000000 00000000 00000000" + keyed + "00 00000000 00000000"
}

func TestDamageIsNamedWithItsOffset(t *testing.T) {
	// ownParent describes a Java class that is its own parent.
	ownParent := "73 72 0001 61 0000000000000000 02 0000 78 71 007e0000"
	for _, c := range []struct{ data, want string }{
		{"", "magic number at offset 0: want 4 bytes, got the end of the file after 0"},
		{"4960672e 00000003", "magic number at offset 0: want 0x4960672d, got 0x4960672e"},
		{"4960672d 00000001", "version at offset 4: want 2 to 6, got 1"},
		{"4960672d 00000007", "version at offset 4: want 2 to 6, got 7"},
		{"4960672d 00000003 8000000000000000", "checkpoint id at offset 8: want 0 or more, got -9223372036854775808"},
		{"4960672d 00000003 0000000000000001 ffffffff", "number of master states at offset 16: want 0 to 0, the number of bytes left, got -1"},
		{"4960672d 00000003 0000000000000001 7fffffff", "number of master states at offset 16: want 0 to 0, the number of bytes left, got 2147483647"},
		{"4960672d 00000003 0000000000000001 00000001 c96b1696 00000003 00000001 0000 00000000", "length of a master state at offset 24: want 10, got 3"},
		{operatorWith("04"), "keyed state at offset 65: want one of the codes [0 3 5 7 8 9 10 11 12 13 14], got 4"},
		{operatorWith("07 00000000 7fffffff"), "number of offsets at offset 70: want 0 to 9, the number of bytes left, got 2147483647"},
		{operatorWith("07 00000000 00000000 06 0001 ff 0000000000000001"), "file path at offset 75: want modified UTF-8, got 0xff as byte 0"},
		{operatorWith("07 00000000 00000000 " + strings.Repeat("03 00000000 00000000", 20) + "00"), "want at most 16 within each other, got more"},
		{strings.Replace(smallCheckpoint, noProperties, "aced0005 75", 1), "object in the properties at offset 186: want one of the codes [112 113 115 116 126], got 117"},
		{strings.Replace(smallCheckpoint, noProperties, "aced0005 71 007e0000", 1), "reference in the properties at offset 187: want 8257536 to 8257535, got 8257536"},
		{strings.Replace(smallCheckpoint, noProperties, "aced0005 "+ownParent, 1), "class in the properties at offset 203: want a reference to a class, got one to handle 0x7e0000"},
	} {
		if _, err := evidence.Decode(bytesOf(t, c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %s, got %v", c.want, err)
		}
	}
}

// Java writes the character NUL in two bytes. It writes a character above U+FFFF as two units of
// three bytes each.
func TestPathsAreModifiedUTF8(t *testing.T) {
	got, err := evidence.Decode(bytesOf(t, operatorWith("07 00000000 00000000 06 000a c080 c3a9 eda0bd edb880 0000000000000001")))
	must(t, err)
	if path := got.References[0].Path; path != "\x00é\U0001F600" {
		t.Errorf("got %q", path)
	}
}

func TestReferencesNameFiles(t *testing.T) {
	for _, c := range []struct {
		reference evidence.Reference
		want      string
	}{
		{evidence.Reference{Kind: evidence.Relative, Path: "a"}, "s3://b/job/chk-1/a"},
		{evidence.Reference{Kind: evidence.Relative, Path: "../shared/a"}, "s3://b/job/shared/a"},
		{evidence.Reference{Kind: evidence.File, Path: "file:/c/shared/a"}, "/c/shared/a"},
		{evidence.Reference{Kind: evidence.Segment, Path: "hdfs://n:1/c/a"}, "hdfs://n:1/c/a"},
	} {
		if got, err := c.reference.In("s3://b/job/chk-1"); got != c.want || err != nil {
			t.Errorf("%v: want %s, got %s, %v", c.reference, c.want, got, err)
		}
	}
	if got, err := (evidence.Reference{Kind: evidence.File, Path: "a"}).In("/c"); err == nil {
		t.Errorf("a URL without a scheme is %s", got)
	}
}

const job = "0123456789abcdef0123456789abcdef"

// storageWith returns a file system with the given files. A name that ends with a slash is a
// directory.
func storageWith(t testing.TB, contents map[string]string) filesystem.FileSystem {
	t.Helper()
	files := filesystem.NewMemory()
	for name, content := range contents {
		if directory, ok := strings.CutSuffix(name, "/"); ok {
			must(t, files.MkdirAll(directory))
			continue
		}
		must(t, files.MkdirAll(filesystem.Dir(name)))
		must(t, filesystem.WriteFile(files, name, []byte(content)))
	}
	return files
}

func TestCheckpointsAreListedNewestFirst(t *testing.T) {
	files := storageWith(t, map[string]string{
		"/c/job/chk-2/_metadata": "", "/c/job/chk-10/_metadata": "", "/c/job/chk-9/_metadata": "",
		"/c/job/chk-11/._metadata.inprogress.1": "", "/c/job/chk-012/_metadata": "", "/c/job/chk-x/_metadata": "", "/c/job/shared/": "",
	})
	if got, err := evidence.Checkpoints(files, "/c/job"); err != nil || !slices.Equal(got, []int64{10, 9, 2}) {
		t.Errorf("want 10, 9 and 2, got %v, %v", got, err)
	}
	if _, err := evidence.Checkpoints(files, "/c/other"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the checkpoints of a job that does not exist: %v", err)
	}
}

func TestAPointerIsADirectoryOrAFile(t *testing.T) {
	files := storageWith(t, map[string]string{"/c/chk-1/_metadata": "", "/c/chk-2/state": ""})
	for pointer, want := range map[string]string{
		"/c/chk-1": "/c/chk-1/_metadata", "file:/c/chk-1/": "/c/chk-1/_metadata", "file:///c/chk-1/_metadata": "/c/chk-1/_metadata",
		"/c/chk-2/state": "/c/chk-2/state",
	} {
		if got, err := evidence.Locate(files, pointer); got != want || err != nil {
			t.Errorf("%s: want %s, got %s, %v", pointer, want, got, err)
		}
	}
	for _, pointer := range []string{"/c/chk-2", "/c/chk-3", "chk-1", ""} {
		if got, err := evidence.Locate(files, pointer); err == nil {
			t.Errorf("%q is %s", pointer, got)
		}
	}
}

// checkpointOf returns a `_metadata` file with two references: to a relative file "mine", and to a
// file by its path.
func checkpointOf(t testing.TB, path string) string {
	t.Helper()
	named := fmt.Sprintf("%04x %x", len(path), path)
	return string(bytesOf(t, operatorWith("05 0000000000000001 0001 61 00000000 00000001 06 0004 6d696e65 0000000000000001"+
		"00000001 0001 61 02 0000000000000001"+named+"00000000")))
}

func TestAnAuditFindsWhatIsMissingAndWhatNobodyRefersTo(t *testing.T) {
	shared := "/c/" + job + "/shared/"
	chk := func(id int) string { return fmt.Sprintf("/c/%s/chk-%d/", job, id) }
	files := storageWith(t, map[string]string{
		chk(1) + "_metadata": checkpointOf(t, "file:"+shared+"a"), chk(1) + "mine": "1", shared + "a": "1", // the checkpoint is whole
		chk(2) + "_metadata": checkpointOf(t, "file:"+shared+"b"), chk(2) + "mine": "1", // the file shared/b is missing
		chk(3) + "_metadata": "torn",
		chk(4) + "_metadata": checkpointOf(t, "file:/c/elsewhere"), chk(4) + "mine": "1", "/c/elsewhere": "1", // the checkpoint refers to a file outside of its job's directory
		chk(5) + "_metadata": checkpointOf(t, "no URL"), chk(5) + "mine": "1",
		shared + "orphan": "1", "/c/savepoint/_metadata": checkpointOf(t, "file:/c/savepoint/a"), "/c/savepoint/mine": "1", "/c/savepoint/a": "1",
	})
	tree, err := evidence.Tree(files, "/c")
	must(t, err)
	got, err := evidence.Audit(files, "/c", tree)
	must(t, err)
	for i, want := range []string{
		job + "/chk-2/_metadata refers to " + shared + "b: ",
		job + "/chk-3/_metadata cannot be read: " + chk(3) + "_metadata: magic number at offset 0: want 0x4960672d",
		job + `/chk-5/_metadata refers to no URL: "no URL": want an absolute path`,
	} {
		if i >= len(got.Dangling) || !strings.HasPrefix(got.Dangling[i], want) {
			t.Errorf("want %s, got %q", want, got.Dangling)
		}
	}
	if len(got.Dangling) != 3 {
		t.Errorf("got %q", got.Dangling)
	}
	if want := []string{job + "/chk-4"}; !slices.Equal(got.Foreign, want) {
		t.Errorf("foreign: want %q, got %q", want, got.Foreign)
	}
	// The torn `_metadata` is itself an orphan. Nobody can know which files it refers to.
	if want := []string{job + "/chk-3/_metadata", job + "/shared/orphan"}; !slices.Equal(got.Orphans, want) {
		t.Errorf("orphans: want %q, got %q", want, got.Orphans)
	}
	if without, err := evidence.Audit(files, "/c", nil); err != nil || without.Orphans != nil || len(without.Dangling) != 3 {
		t.Errorf("without a tree: got %v, %v", without, err)
	}
}

// deleting is a file system that deletes a checkpoint while somebody looks at the checkpoint.
type deleting struct {
	filesystem.FileSystem
	metadata string
}

func (d deleting) Stat(name string) (filesystem.Entry, error) {
	_ = d.Remove(d.metadata) // this fails if an earlier call has deleted the file
	return d.FileSystem.Stat(name)
}

func TestNothingIsWrongWithACheckpointThatIsDeletedMeanwhile(t *testing.T) {
	metadata := "/c/" + job + "/chk-1/_metadata"
	files := storageWith(t, map[string]string{metadata: checkpointOf(t, "file:/c/gone")})
	if got, err := evidence.Audit(files, "/c", nil); err != nil || len(got.Dangling) != 2 {
		t.Errorf("want 2 files missing, got %v, %v", got, err)
	}
	if got, err := evidence.Audit(deleting{files, metadata}, "/c", nil); err != nil || len(got.Dangling)+len(got.Foreign) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestATreeHasDigests(t *testing.T) {
	files := storageWith(t, map[string]string{"/c/a/b": "abc"})
	got, err := evidence.Tree(files, "/c")
	must(t, err)
	want := []history.Entry{{Path: "a", Directory: true}, {Path: "a/b", Size: 3, Digest: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}
	if !slices.Equal(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
	if none, err := evidence.Tree(files, "/other"); err != nil || none == nil || len(none) != 0 {
		t.Errorf("want an empty tree, got %v, %v", none, err)
	}
}

func TestOutputIsReadLineByLine(t *testing.T) {
	files := storageWith(t, map[string]string{"/o/1": "a\nb\n", "/o/2": "c\ntorn", "/o/.pending": "x\n", "/o/3": ""})
	got, err := evidence.Outputs(files, "/o")
	must(t, err)
	want := []evidence.Output{{Path: "1", Lines: []string{"a", "b"}}, {Path: "2", Lines: []string{"c", "torn"}}, {Path: "3"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("want %q, got %q", want, got)
	}
	sizes, err := evidence.Sizes(files, "/o")
	must(t, err)
	if want := []history.Entry{{Path: ".pending", Size: 2}, {Path: "1", Size: 4}, {Path: "2", Size: 6}, {Path: "3"}}; !slices.Equal(sizes, want) {
		t.Errorf("want %v, got %v", want, sizes)
	}
}

func ExampleAudit() {
	files := filesystem.NewMemory()
	_ = files.MkdirAll("/checkpoints/" + job + "/chk-1")
	_ = filesystem.WriteFile(files, "/checkpoints/"+job+"/chk-1/_metadata", []byte("PK\x03\x04"))
	found, err := evidence.Audit(files, "/checkpoints", nil)
	fmt.Println(strings.Join(found.Dangling, "\n"), err)
	// Output:
	// 0123456789abcdef0123456789abcdef/chk-1/_metadata cannot be read: /checkpoints/0123456789abcdef0123456789abcdef/chk-1/_metadata: magic number at offset 0: want 0x4960672d, got 0x504b0304 <nil>
}
