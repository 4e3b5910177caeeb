package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// recordedRoot is the root of the samples on the machine on which Flink wrote the samples.
const recordedRoot = "/data/flink/checkpoints"

// auditor returns an Auditor for copies of samples that are below root.
func auditor(root string) *audit.Auditor {
	return &audit.Auditor{Files: filesystem.Local{}, Moved: []audit.Move{{From: recordedRoot, To: root}}}
}

// copied copies a sample to a temporary directory, so that a test may damage it.
func copied(t testing.TB, sample string) (root, dir string) {
	t.Helper()
	root = t.TempDir()
	dir = filepath.Join(root, sample)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(samples, sample))); err != nil {
		t.Fatal(err)
	}
	return root, dir
}

func verify(t testing.TB, a *audit.Auditor, pointer string, depth audit.Depth) audit.Verification {
	t.Helper()
	v, err := a.Verify(context.Background(), pointer, depth)
	must(t, err)
	return v
}

// metadataFiles lists the metadata files of the samples below dir.
func metadataFiles(t testing.TB, dir string) []string {
	t.Helper()
	var found []string
	must(t, filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(entry.Name(), "_metadata") && filepath.Ext(name) != ".json" {
			found = append(found, name)
		}
		return err
	}))
	return found
}

func TestIntactSamplesAreRestorable(t *testing.T) {
	root, err := filepath.Abs(samples)
	must(t, err)
	restorable := 0
	for _, name := range metadataFiles(t, root) {
		// Flink deleted shared files that these older checkpoints still need.
		broken := strings.Contains(name, "2.3.0/07a-") && (strings.Contains(name, "chk-2") || strings.Contains(name, "chk-3"))
		for _, depth := range []audit.Depth{audit.Shallow, audit.Deep} {
			v := verify(t, auditor(root), name, depth)
			if strings.Contains(name, "24-reserialized") { // the sample does not contain the other files of this checkpoint
				continue
			}
			if v.Restorable == broken {
				t.Errorf("%s: restorable is %v: %+v", name, v.Restorable, v.Findings)
			}
			if len(v.Notes) > 0 {
				t.Logf("%s: %v", name, v.Notes)
			}
		}
		restorable++
	}
	if restorable < 85 {
		t.Errorf("only %d samples were verified", restorable)
	}
}

// Verify must find each damaged file. The finding must name the file and the operator that would
// lose state.
func TestDamagedFilesAreFound(t *testing.T) {
	damages := map[string]func(name string, data []byte) error{
		"removed":   func(name string, _ []byte) error { return os.Remove(name) },
		"truncated": func(name string, data []byte) error { return os.WriteFile(name, data[:1], 0o600) }, // the data is cut after one byte, because a merged file may still be long enough if it is cut in half
		"emptied":   func(name string, _ []byte) error { return os.WriteFile(name, nil, 0o600) },
	}
	for _, sample := range []string{
		"2.3.0/02-hashmap-files-p2", "2.3.0/03-rocksdb-incremental-p2", "2.3.0/09-unaligned-channelstate-merged5", "2.3.0/11-savepoint-hashmap-native",
		"2.3.0/12-savepoint-rocksdb-canonical", "2.3.0/14-changelog-hashmap", "2.3.0/15-filemerging-hashmap", "1.20.1/16-filemerging-rocksdb", "1.20.1/14-changelog-rocksdb",
	} {
		root, dir := copied(t, sample)
		damaged := 0
		for _, pointer := range metadataFiles(t, dir) {
			if !verify(t, auditor(root), pointer, audit.Shallow).Restorable {
				t.Fatalf("%s is not restorable before the damage", pointer)
			}
			for _, name := range filesOf(t, root, pointer) {
				for how, damage := range damages {
					expectFound(t, root, pointer, name, how, damage)
					damaged++
				}
			}
		}
		if damaged == 0 {
			t.Errorf("%s: nothing was damaged", sample)
		}
	}
}

// expectFound damages a file, expects a finding about that file, and repairs the file.
func expectFound(t *testing.T, root, pointer, name, how string, damage func(name string, data []byte) error) {
	t.Helper()
	data, err := os.ReadFile(name)
	must(t, err)
	if len(data) == 0 {
		return
	}
	must(t, damage(name, data))
	v := verify(t, auditor(root), pointer, audit.Shallow)
	if v.Restorable || !slices.ContainsFunc(v.Findings, func(f audit.Finding) bool {
		return f.File == "file:"+name && f.Operator != "" && f.State != "" && f.Expected != "" && f.Found != ""
	}) {
		t.Errorf("%s with %s %s: %+v", pointer, name, how, v)
	}
	must(t, os.WriteFile(name, data, 0o600))
}

// filesOf lists the files that a checkpoint needs. The names are those of the files in the copy of
// the sample.
func filesOf(t testing.TB, root, pointer string) []string {
	t.Helper()
	completed, err := storage.Resolve(filesystem.Local{}, pointer)
	must(t, err)
	var names []string
	for reference := range completed.Checkpoint.References() {
		name, _, err := storage.FileOf(completed.Location, reference.Stream)
		must(t, err)
		name = strings.Replace(name, recordedRoot, root, 1)
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func TestDamagedMetadataIsFound(t *testing.T) {
	_, dir := copied(t, "2.3.0/22-stateless")
	name := metadataFiles(t, dir)[0]
	data, err := os.ReadFile(name)
	must(t, err)
	expect := func(what string, damaged []byte) {
		t.Helper()
		must(t, os.WriteFile(name, damaged, 0o600))
		v := verify(t, auditor(dir), name, audit.Shallow)
		if v.Restorable || len(v.Findings) == 0 || v.Findings[0].Kind != audit.Metadata || v.Findings[0].File != "file:"+name || v.Findings[0].Offset == nil {
			t.Errorf("%s: got %+v", what, v)
		}
	}
	// Flink restores the checkpoint in two cases: its id differs from the name of its directory, or
	// bytes follow its end. In both cases Verify must add a note.
	expectNoted := func(what, note string, damaged []byte) {
		t.Helper()
		must(t, os.WriteFile(name, damaged, 0o600))
		v := verify(t, auditor(dir), name, audit.Shallow)
		if !v.Restorable || len(v.Findings) > 0 || len(v.Notes) != 1 || !strings.Contains(v.Notes[0], note) {
			t.Errorf("%s: got %+v", what, v)
		}
	}
	for n := range data {
		expect(fmt.Sprintf("its first %d bytes", n), data[:n])
	}
	expect("zeros, as after a power loss", make([]byte, len(data)))
	expectNoted("a byte more", "1 bytes follow the end of the metadata", append(slices.Clone(data), 0))
	// These first 24 bytes contain the magic number, the version, the checkpoint id, the number of
	// master states, and the number of operators.
	for bit := range 24 * 8 {
		damaged := slices.Clone(data)
		damaged[bit/8] ^= 0x80 >> (bit % 8)
		if what := fmt.Sprintf("bit %d flipped", bit); bit > 64 && bit < 128 {
			expectNoted(what, "and its directory is chk-1", damaged)
		} else {
			expect(what, damaged)
		}
	}
}

func TestAFlippedBitIsFoundWhenEveryByteIsRead(t *testing.T) {
	root, dir := copied(t, "2.3.0/03-rocksdb-incremental-p2")
	pointer := metadataFiles(t, dir)[0]
	a := auditor(root)
	flip := func(name string) func() {
		data, err := os.ReadFile(name)
		must(t, err)
		data[len(data)/2] ^= 1
		must(t, os.WriteFile(name, data, 0o600))
		return func() {
			data[len(data)/2] ^= 1
			must(t, os.WriteFile(name, data, 0o600))
		}
	}
	found, unseen := 0, 0
	for _, name := range filesOf(t, root, pointer) {
		restore := flip(name)
		if !verify(t, a, pointer, audit.Shallow).Restorable {
			t.Errorf("%s: a flipped bit must not change a size", name)
		}
		v := verify(t, a, pointer, audit.Deep)
		if v.Restorable {
			unseen++
		} else if v.Findings[0].Kind == audit.Corrupt && v.Findings[0].File == "file:"+name && v.Findings[0].Offset != nil {
			found++
		}
		restore()
	}
	if found < 6 || unseen == 0 { // tables, MANIFESTs and CURRENT can be checked; options files and operator state cannot be checked
		t.Errorf("%d flipped bits were found, %d were not", found, unseen)
	}

	sealed, v, err := a.Seal(context.Background(), pointer)
	must(t, err)
	if !v.Restorable || sealed != "file:"+filepath.Dir(pointer)+audit.SealSuffix {
		t.Errorf("got %s, %+v", sealed, v)
	}
	var again *audit.SealedError
	if _, _, err := a.Seal(context.Background(), pointer); !errors.As(err, &again) {
		t.Errorf("want a second seal refused, got %v", err)
	}
	if v := verify(t, a, pointer, audit.Deep); !v.Restorable {
		t.Errorf("an intact sealed checkpoint: %+v", v)
	}
	for _, name := range append(filesOf(t, root, pointer), pointer) {
		restore := flip(name)
		v := verify(t, a, pointer, audit.Deep)
		if v.Restorable || v.Findings[0].File != "file:"+name {
			t.Errorf("%s: a flipped bit of a sealed file was not found: %+v", name, v)
		}
		restore()
	}
}

func TestACheckpointThatCannotBeRestoredIsNotSealed(t *testing.T) {
	root, dir := copied(t, "2.3.0/02-hashmap-files-p2")
	pointer := metadataFiles(t, dir)[0]
	must(t, os.Remove(filesOf(t, root, pointer)[0]))
	name, v, err := auditor(root).Seal(context.Background(), pointer)
	if name != "" || err != nil || v.Restorable {
		t.Errorf("got %q, %+v, %v", name, v, err)
	}
}

func TestAMovedCheckpointIsSaidSo(t *testing.T) {
	root, dir := copied(t, "2.3.0/03-rocksdb-incremental-p2")
	pointer := metadataFiles(t, dir)[0]
	v := verify(t, &audit.Auditor{Files: filesystem.Local{}}, pointer, audit.Shallow)
	if v.Restorable || len(v.Notes) != 1 || !strings.Contains(v.Notes[0], "--rebase file:"+recordedRoot+"=file:"+root) && !strings.Contains(v.Notes[0], "--rebase file:") {
		t.Fatalf("got %+v", v)
	}
	_, moved, _ := strings.Cut(v.Notes[0], "--rebase ")
	move, err := audit.ParseMove(moved)
	must(t, err)
	a := &audit.Auditor{Files: filesystem.Local{}, Moved: []audit.Move{move}}
	if v := verify(t, a, pointer, audit.Shallow); !v.Restorable {
		t.Errorf("with %s: %+v", moved, v)
	}
}

func TestTheListBeginsWithTheNewestThatCanBeRestoredFrom(t *testing.T) {
	root, dir := copied(t, "2.3.0/03-rocksdb-incremental-p2")
	for i, name := range []string{"chk-2", "chk-3", "chk-4"} {
		at := time.Date(2026, 1, 1, i, 0, 0, 0, time.UTC)
		must(t, os.Chtimes(filepath.Join(dir, "000000000000000000000000c0ffee03", name, "_metadata"), at, at))
	}
	job := filepath.Join(dir, "000000000000000000000000c0ffee03")
	newest := filesOf(t, root, filepath.Join(job, "chk-4"))[0]
	must(t, os.Remove(newest))
	must(t, os.Mkdir(filepath.Join(job, "chk-5"), 0o700))
	must(t, os.Mkdir(filepath.Join(job, "chk-6"), 0o700))
	must(t, os.WriteFile(filepath.Join(job, "chk-6", "_metadata"), []byte("none"), 0o600))
	for _, at := range []string{root, dir, job} {
		list, err := auditor(root).List(context.Background(), at)
		must(t, err)
		var got []string
		for _, c := range list.Checkpoints {
			got = append(got, fmt.Sprintf("%s %v %s %s", filepath.Base(c.Path), c.Restorable, c.Kind, c.Job[28:]))
		}
		want := "[chk-3 true Checkpoint ee03 chk-2 true Checkpoint ee03 chk-6 false unreadable ee03 chk-5 false unfinished ee03 chk-4 false Checkpoint ee03]"
		if fmt.Sprint(got) != want {
			t.Errorf("%s: want %s, got %s", at, want, got)
		}
		if latest, ok, err := list.Latest(""); err != nil || !ok || latest.ID != 3 || latest.Bytes == 0 {
			t.Errorf("%s: latest is %+v, %v", at, latest, err)
		}
	}
	if list, err := auditor(root).List(context.Background(), newest[:strings.LastIndex(newest, "/")]); err != nil || len(list.Checkpoints) == 0 {
		t.Errorf("a checkpoint's own directory: %+v, %v", list, err)
	}
}

func TestWhatTheSamplesShareTheirDifferenceShows(t *testing.T) {
	root, dir := copied(t, "2.3.0/03-rocksdb-incremental-p2")
	job := filepath.Join(dir, "000000000000000000000000c0ffee03")
	d, err := auditor(root).Diff(filepath.Join(job, "chk-2"), filepath.Join(job, "chk-3"))
	must(t, err)
	if len(d.Shared.Files) != 2 || len(d.Added.Files) != 12 || len(d.Dropped.Files) != 10 || d.Shared.Bytes != 2816 {
		t.Errorf("got %d shared (%d bytes), %d added, %d dropped", len(d.Shared.Files), d.Shared.Bytes, len(d.Added.Files), len(d.Dropped.Files))
	}
	if len(d.Operators) != 3 || d.Operators[0].Operator != "cnt" || *d.Operators[0].After-*d.Operators[0].Before != 3109 {
		t.Errorf("got %+v", d.Operators)
	}
	// Versions before 5 record no uids, but their operators have the same ids.
	for _, old := range []string{"v3", "v4"} {
		reserialized := filepath.Join(samples, "2.3.0/24-reserialized-versions/_metadata.")
		absolute, err := filepath.Abs(reserialized)
		must(t, err)
		d, err := auditor(root).Diff(absolute+old, absolute+"v6")
		must(t, err)
		for _, o := range d.Operators {
			if o.Before == nil || o.After == nil || *o.Before != *o.After {
				t.Errorf("%s: got %+v", old, o)
			}
		}
	}
}

// orphaned copies a sample. It adds one orphan for each [audit.Source], a file that is too young,
// and a file that does not belong to the layout of checkpoints.
func orphaned(t *testing.T) (root, dir string) {
	root, dir = copied(t, "2.3.0/03-rocksdb-incremental-p2")
	job := filepath.Join(dir, "000000000000000000000000c0ffee03")
	for _, name := range []string{
		"chk-9/state", "chk-9/._metadata.inprogress.1", "chk-4/._metadata.inprogress.2", "chk-4/stray", "shared/left", "shared/young",
		"taskowned/left", "shared/job_1_op_2/merged", "chk-1.seal.json", "chk-4.seal.json", "notes.txt",
	} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(job, name)), 0o700))
		must(t, os.WriteFile(filepath.Join(job, name), []byte("12345"), 0o600))
	}
	old := time.Now().Add(-48 * time.Hour)
	must(t, filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Base(name) != "young" {
			err = os.Chtimes(name, old, old)
		}
		return err
	}))
	must(t, os.Mkdir(filepath.Join(job, "chk-8"), 0o700))
	return root, dir
}

func orphans(t *testing.T, root, dir string) audit.Orphans {
	t.Helper()
	found, err := auditor(root).Orphans(context.Background(), dir, audit.OrphanOptions{Now: time.Now(), Age: time.Hour})
	must(t, err)
	return found
}

func TestOrphansAreNamedWithTheirSource(t *testing.T) {
	root, dir := orphaned(t)
	found := orphans(t, root, dir)
	var got []string
	for _, o := range found.Orphans {
		got = append(got, strings.TrimPrefix(o.Path, "file:"+dir+"/000000000000000000000000c0ffee03/")+" "+string(o.Source))
		if o.Source.Explain() == "" || !slices.Contains(audit.Sources(), o.Source) {
			t.Errorf("%s is not explained", o.Source)
		}
	}
	want := []string{
		"chk-1.seal.json seal-without-checkpoint", "chk-4/._metadata.inprogress.2 in-progress-metadata", "chk-4/stray stray-exclusive",
		"chk-9/._metadata.inprogress.1 in-progress-metadata", "chk-9/state unfinished-checkpoint", "shared/job_1_op_2/merged unreferenced-shared",
		"shared/left unreferenced-shared", "taskowned/left unreferenced-taskowned",
	}
	if !slices.Equal(got, want) {
		t.Errorf("want %q\ngot  %q", want, got)
	}
	var unknown []string
	for _, u := range found.Unknown {
		unknown = append(unknown, fmt.Sprint(filepath.Base(u.First), " ", u.Files))
	}
	if fmt.Sprint(unknown) != "[notes.txt 1 young 1]" {
		t.Errorf("got %v", found.Unknown)
	}
	if len(found.Empty) != 1 || filepath.Base(found.Empty[0]) != "chk-8" || found.Checkpoints != 3 {
		t.Errorf("got %v, %d checkpoints", found.Empty, found.Checkpoints)
	}
}

func TestNothingIsAnOrphanThatAnUnreadableCheckpointMayOwn(t *testing.T) {
	root, dir := orphaned(t)
	must(t, os.WriteFile(filepath.Join(dir, "000000000000000000000000c0ffee03/chk-3/_metadata"), []byte("torn"), 0o600))
	found := orphans(t, root, dir)
	for _, o := range found.Orphans {
		if o.Source != audit.InProgressMetadata && o.Source != audit.SealWithout {
			t.Errorf("%s may belong to chk-3", o.Path)
		}
	}
	if !slices.ContainsFunc(found.Unknown, func(u audit.Unknown) bool {
		return strings.Contains(u.Reason, "chk-3/_metadata cannot be read") && u.Files > 5
	}) {
		t.Errorf("got %+v", found.Unknown)
	}
}

// A checkpoint below another root may need files of this root. This happens, for example, after
// another job was restored from a checkpoint of this root in the mode CLAIM.
func TestFilesThatAnotherRootRefersToAreNoOrphans(t *testing.T) {
	root, dir := copied(t, "2.3.0/03-rocksdb-incremental-p2")
	elsewhere := t.TempDir()
	must(t, os.Rename(filepath.Join(dir, "000000000000000000000000c0ffee03/chk-4"), filepath.Join(elsewhere, "chk-4")))
	count := func(also ...string) int {
		found, err := auditor(root).Orphans(context.Background(), dir, audit.OrphanOptions{Now: time.Now(), Also: also})
		must(t, err)
		return len(found.Orphans)
	}
	if alone, together := count(), count(elsewhere); alone == 0 || together != 0 {
		t.Errorf("want orphans without the other root and none with it, got %d and %d", alone, together)
	}
}

func TestOnlyWhatIsPlannedAndStillAnOrphanIsDeleted(t *testing.T) {
	root, dir := orphaned(t)
	job := filepath.Join(dir, "000000000000000000000000c0ffee03")
	var plan bytes.Buffer
	must(t, orphans(t, root, dir).WritePlan(&plan))
	if _, err := audit.ReadPlan(bytes.NewReader(plan.Bytes()), root); err == nil || !strings.Contains(err.Error(), "it is for root") {
		t.Errorf("want a plan for another root refused, got %v", err)
	}
	if _, err := audit.ReadPlan(strings.NewReader("{}"), dir); err == nil {
		t.Error("a file that is not a plan was read as one")
	}
	planned, err := audit.ReadPlan(&plan, dir)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(job, "shared/left"), []byte("changed"), 0o600)) // the change also makes the file young
	must(t, os.WriteFile(filepath.Join(job, "shared/new"), []byte("not planned"), 0o600))
	before := verify(t, auditor(root), filepath.Join(job, "chk-4"), audit.Deep)
	deleted, err := auditor(root).Delete(context.Background(), dir, audit.OrphanOptions{Now: time.Now(), Age: planned.Age}, planned.Lines)
	must(t, err)
	if len(deleted.Deleted) != 7 || len(deleted.Kept) != 1 || !strings.HasSuffix(deleted.Kept[0].Path, "shared/left") {
		t.Errorf("got %+v", deleted)
	}
	for name, there := range map[string]bool{"shared/left": true, "shared/new": true, "shared/young": true, "notes.txt": true, "chk-9": false, "chk-4/stray": false, "chk-4.seal.json": true} {
		if _, err := os.Stat(filepath.Join(job, name)); (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
	}
	_ = os.Remove(filepath.Join(job, "chk-4.seal.json")) // this file is not a valid seal
	if after := verify(t, auditor(root), filepath.Join(job, "chk-4"), audit.Shallow); !after.Restorable || before.Restorable && after.Checked.Files != before.Checked.Files {
		t.Errorf("the checkpoint was harmed: %+v", after)
	}
}

// Orphans must need little memory for a root with 100,000 files, and must report progress.
func TestALargeRootTakesLittleMemory(t *testing.T) {
	root := t.TempDir()
	must(t, os.CopyFS(root, os.DirFS(filepath.Join(samples, "2.3.0/22-stateless"))))
	files := &wide{Local: filesystem.Local{}, dir: filepath.Join(root, "000000000000000000000000c0ffee1a"), n: 100_000}
	must(t, os.MkdirAll(filepath.Join(files.dir, "shared"), 0o700))
	steps := 0
	a := &audit.Auditor{Files: files, Progress: func(string, int64, int64) { steps++ }}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	found, err := a.Orphans(context.Background(), files.dir, audit.OrphanOptions{Now: time.Now(), Age: time.Hour})
	must(t, err)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if len(found.Orphans) != files.n || steps < 50 {
		t.Errorf("got %d orphans, %d steps of progress", len(found.Orphans), steps)
	}
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 60<<20 {
		t.Errorf("%d MB of memory are kept", kept>>20)
	}
	runtime.KeepAlive(found)
}

// wide is the local disk, but List pretends that the job directory "dir" has n files in its
// subdirectory "shared".
type wide struct {
	filesystem.Local
	dir string
	n   int
}

func (w *wide) List(name string) ([]filesystem.Entry, error) {
	if name != filepath.Join(w.dir, "shared") {
		return w.Local.List(name)
	}
	entries := make([]filesystem.Entry, w.n)
	for i := range entries {
		entries[i] = filesystem.Entry{Name: fmt.Sprintf("%032x", i), Size: 10, Modified: time.Unix(1, 0)}
	}
	return entries, nil
}

func TestPathsThatLeadNowhereAreSaidSo(t *testing.T) {
	a := auditor("/")
	var notFound *storage.NotFoundError
	for _, bad := range []string{"", "relative", "/nowhere", t.TempDir()} {
		if _, err := a.Verify(context.Background(), bad, audit.Shallow); !errors.As(err, &notFound) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	if _, err := a.List(context.Background(), "/nowhere"); !errors.As(err, &notFound) {
		t.Errorf("got %v", err)
	}
	if _, err := audit.ParseMove("/a"); err == nil {
		t.Error("a move without a target was parsed")
	}
}

func TestACanceledVerificationEnds(t *testing.T) {
	root, dir := copied(t, "2.3.0/02-hashmap-files-p2")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := auditor(root).Verify(ctx, metadataFiles(t, dir)[0], audit.Deep); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ExampleAuditor_Verify() {
	files := filesystem.NewMemory()
	_ = files.MkdirAll("/checkpoints/chk-7")
	data, _ := metadata.Encode(metadata.Checkpoint{
		Version: metadata.Version, ID: 7, Properties: storage.RetainOnCancellation.Properties(),
		Operators: []metadata.Operator{{
			UID: "counter", Parallelism: 1, MaxParallelism: 128,
			Subtasks: []metadata.Subtask{{ManagedOperator: &metadata.OperatorList{Stream: &metadata.RelativeFile{Path: "gone", Size: 9}}}},
		}},
	})
	_ = filesystem.WriteFile(files, "/checkpoints/chk-7/_metadata", data)
	auditor := audit.Auditor{Files: files}
	v, _ := auditor.Verify(context.Background(), "/checkpoints/chk-7", audit.Shallow)
	fmt.Println(v.Restorable, v.Findings[0].Kind, v.Findings[0].Operator, v.Findings[0].State)
	// Output: false missing counter subtask 0: managed operator state
}
