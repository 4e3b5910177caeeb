package audit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/place"
	"github.com/snapback/snapback/storage/metadata"
)

// Each case is an input for which one of the commands (verify, ls, orphans and others) once gave a
// wrong answer. Real Flink wrote the files.
const cases = "../testdata/cases"

// stores is the local disk. Some of its directories stand for other stores, for example for the
// HDFS of one NameNode.
type stores struct {
	filesystem.Local
	places *place.Places
	held   map[string]string // the directory that stands for a store; the key is the standard name of the store
}

func (s *stores) at(name string) (string, error) {
	if filesystem.Scheme(name) == "file" {
		return name, nil
	}
	on, at := filesystem.Split(s.places.Name(name))
	dir, known := s.held[on]
	if !known {
		return "", &place.UnknownError{Name: name}
	}
	return dir + at, nil
}

// named returns the entry without its ID if the name is on another store, because other stores have
// no IDs.
func named(name string, e filesystem.Entry) filesystem.Entry {
	if filesystem.Scheme(name) != "file" {
		e.ID = filesystem.FileID{}
	}
	return e
}

func (s *stores) List(name string) ([]filesystem.Entry, error) {
	at, err := s.at(name)
	if err != nil {
		return nil, err
	}
	entries, err := s.Local.List(at)
	for i := range entries {
		entries[i] = named(name, entries[i])
	}
	return entries, err
}

func (s *stores) Stat(name string) (filesystem.Entry, error) {
	at, err := s.at(name)
	if err != nil {
		return filesystem.Entry{}, err
	}
	e, err := s.Local.Stat(at)
	return named(name, e), err
}

func (s *stores) Open(name string) (io.ReadCloser, error) {
	at, err := s.at(name)
	if err != nil {
		return nil, err
	}
	return s.Local.Open(at)
}

// placed copies a sample to the directory dir. In the copy, absolute paths begin with the URL in
// the parameter "recorded", which is another name of the directory dir.
func placed(t testing.TB, sample, dir, recorded string) {
	t.Helper()
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join(samples, sample))))
	for _, name := range metadataFiles(t, dir) {
		rewrite(t, name, "file:"+recordedRoot+"/"+sample, recorded)
	}
	grownOld(t, dir)
}

// rewrite replaces the beginning of each absolute path in a metadata file.
func rewrite(t testing.TB, name, from, to string) {
	t.Helper()
	data, err := os.ReadFile(name)
	must(t, err)
	checkpoint, err := metadata.Decode(data)
	must(t, err)
	move := func(path string) string { return strings.Replace(path, from, to, 1) }
	must(t, checkpoint.Rewrite(metadata.Paths{
		File: func(s metadata.Stream) (string, error) {
			switch s := s.(type) {
			case *metadata.File:
				return move(s.Path), nil
			case *metadata.Segment:
				return move(s.Path), nil
			case *metadata.RelativeFile:
				return s.Path, nil
			}
			return "", errors.New("a stream without a path")
		},
		Directory: func(path string) (string, error) { return move(path), nil },
	}))
	data, err = metadata.Encode(checkpoint)
	must(t, err)
	must(t, os.WriteFile(name, data, 0o600))
}

func grownOld(t testing.TB, dir string) {
	t.Helper()
	old := time.Now().Add(-48 * time.Hour)
	must(t, filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type()&fs.ModeSymlink == 0 {
			err = os.Chtimes(name, old, old)
		}
		return err
	}))
}

// orphan adds a file that no checkpoint needs.
func orphan(t testing.TB, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "11111111-2222-4333-8444-555555555555")
	must(t, os.MkdirAll(dir, 0o700))
	must(t, os.WriteFile(name, []byte("left"), 0o600))
	grownOld(t, dir)
	return filepath.Base(name)
}

// expectOrphans expects exactly one orphan: the file whose name is in the parameter "only". If this
// name is empty, it expects no orphan. It also expects a doubt that contains the text in the
// parameter "doubt". If this text is empty, it expects no doubt. Then it deletes the orphans.
func expectOrphans(t *testing.T, a *audit.Auditor, root, only, doubt string) {
	t.Helper()
	options := audit.OrphanOptions{Now: time.Now()}
	found, err := a.Orphans(context.Background(), root, options)
	must(t, err)
	var names []string
	for _, o := range found.Orphans {
		names = append(names, filepath.Base(o.Path))
	}
	want := []string{only}
	if only == "" {
		want = nil
	}
	if !slices.Equal(names, want) {
		t.Errorf("%s: want the orphans %q, got %q; %q, %+v", root, want, names, found.Doubts, found.Unknown)
	}
	if said := strings.Join(found.Doubts, "\n"); doubt == "" && said != "" || !strings.Contains(said, doubt) {
		t.Errorf("%s: want the doubt %q, got %q", root, doubt, said)
	}
	deleted, err := a.Delete(context.Background(), root, options, found.Orphans)
	must(t, err)
	if len(deleted.Deleted) != len(want) {
		t.Errorf("%s: got %+v", root, deleted)
	}
}

func expectRestorable(t *testing.T, a *audit.Auditor, root string, n int) {
	t.Helper()
	list, err := a.List(context.Background(), root)
	must(t, err)
	restorable := 0
	for _, c := range list.Checkpoints {
		if c.Restorable {
			restorable++
		}
		v, err := a.Verify(context.Background(), c.Path, audit.Shallow)
		if err == nil && v.Restorable != c.Restorable {
			t.Errorf("%s: ls says %v, verify %v: %s, %+v", c.Path, c.Restorable, v.Restorable, c.Problem, v.Findings)
		}
	}
	if restorable != n {
		t.Errorf("%s: want %d that can be restored from, got %+v", root, n, list.Checkpoints)
	}
}

const incremental, incrementalJob = "2.3.0/03-rocksdb-incremental-p2", "000000000000000000000000c0ffee03"

// Case 2: the user names the root differently than Flink recorded it.
func TestARootHasOneIdentityWhateverItsName(t *testing.T) {
	for what, reach := range map[string]func(t *testing.T, dir string) (recorded, root string){
		"a link": func(t *testing.T, dir string) (recorded, root string) {
			must(t, os.Symlink(dir, dir+"-link"))
			return dir, dir + "-link"
		},
		"recorded through the link": func(t *testing.T, dir string) (recorded, root string) {
			must(t, os.Symlink(dir, dir+"-link"))
			return dir + "-link", dir
		},
		"a link in the middle": func(t *testing.T, dir string) (recorded, root string) {
			must(t, os.Symlink(filepath.Dir(dir), dir+"-link"))
			return dir, filepath.Join(dir+"-link", filepath.Base(dir))
		},
		"two links": func(t *testing.T, dir string) (recorded, root string) {
			must(t, os.Symlink(dir, dir+"-one"))
			must(t, os.Symlink(dir, dir+"-two"))
			return dir + "-one", dir + "-two"
		},
		"a bind mount": func(t *testing.T, dir string) (recorded, root string) {
			bind(t, dir, dir+"-mount")
			return dir, dir + "-mount"
		},
		"two mounts": func(t *testing.T, dir string) (recorded, root string) {
			bind(t, dir, dir+"-mount-1")
			bind(t, dir, dir+"-mount-2")
			return dir + "-mount-1", dir + "-mount-2"
		},
		"dots": func(_ *testing.T, dir string) (recorded, root string) {
			return filepath.Dir(dir) + "/./x/../" + filepath.Base(dir), dir + "/."
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "ckpt")
			must(t, os.MkdirAll(dir, 0o700))
			recorded, root := reach(t, dir)
			placed(t, incremental, dir, "file:"+recorded)
			only := orphan(t, filepath.Join(dir, incrementalJob, "shared"))
			a := &audit.Auditor{Files: filesystem.Local{}}
			expectRestorable(t, a, root, 3)
			expectOrphans(t, a, root, only, "")
			expectRestorable(t, a, root, 3)
		})
	}
}

func bind(t *testing.T, dir, at string) {
	t.Helper()
	must(t, os.MkdirAll(at, 0o700))
	mount(t, at, "--bind", dir)
}

// mount mounts a directory until the test ends. It runs the mount command and does not use the
// system call, because this test must also compile on systems that do not have the system call.
func mount(t *testing.T, at string, arguments ...string) {
	t.Helper()
	if output, err := exec.Command("mount", append(arguments, at)...).CombinedOutput(); err != nil {
		t.Fatalf("this test needs root on Linux, to mount: %v\n%s", err, output)
	}
	t.Cleanup(func() { _ = unmount(at) }) // if this fails, the test has already unmounted the directory
}

func unmount(at string) error { return exec.Command("umount", "--lazy", at).Run() }

// Case 3: the root was moved or copied. Without --rebase, no file can be proven to be an orphan.
func TestACopiedRootHasNoOrphans(t *testing.T) {
	old, moved := filepath.Join(t.TempDir(), "old"), filepath.Join(t.TempDir(), "new")
	placed(t, incremental, old, "file:"+old)
	must(t, os.CopyFS(moved, os.DirFS(old)))
	grownOld(t, moved)
	only := orphan(t, filepath.Join(moved, incrementalJob, "shared"))
	plain := &audit.Auditor{Files: filesystem.Local{}}

	// The original still exists, so all recorded files are found. A copy of a needed file is not an
	// orphan.
	expectOrphans(t, plain, moved, only, "")
	orphan(t, filepath.Join(moved, incrementalJob, "shared"))
	must(t, os.Rename(old, old+"-gone"))
	expectOrphans(t, plain, moved, "", "--rebase file:"+filepath.Dir(old)+"/old=file:"+moved)
	if list, err := plain.List(context.Background(), moved); err != nil || len(list.Notes) != 1 || !strings.HasSuffix(list.Notes[0], "=file:"+moved) {
		t.Errorf("ls proposes no --rebase: %+v, %v", list.Notes, err)
	}
	rebased := &audit.Auditor{Files: filesystem.Local{}, Moved: []audit.Move{{From: old, To: moved}}}
	expectRestorable(t, rebased, moved, 3)
	expectOrphans(t, rebased, moved, only, "")
	expectRestorable(t, rebased, moved, 3)
}

// claimed lets a job claim a checkpoint of another job, as Flink does. It creates a new checkpoint
// that needs the shared files of the old checkpoint, and deletes the old checkpoint. It returns the
// directory of the new checkpoint.
func claimed(t *testing.T, from, job string) string {
	t.Helper()
	chk := filepath.Join(job, "chk-5")
	must(t, os.CopyFS(chk, os.DirFS(from)))
	must(t, os.RemoveAll(from))
	must(t, os.MkdirAll(filepath.Join(job, "shared"), 0o700))
	return chk
}

// Case 4: a second job claimed a checkpoint from the first job, and a third job claimed it from the
// second job.
func TestAJobIsJudgedTogetherWithThoseThatClaimed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ckpt")
	placed(t, incremental, dir, "file:"+dir)
	first := filepath.Join(dir, incrementalJob)
	second := claimed(t, filepath.Join(first, "chk-4"), filepath.Join(dir, "0000000000000000000000000000000b"))
	third := claimed(t, second, filepath.Join(dir, "0000000000000000000000000000000c"))
	for _, name := range []string{"chk-2", "chk-3"} {
		must(t, os.RemoveAll(filepath.Join(first, name)))
	}
	kept := map[string]bool{}
	for _, name := range filesOf(t, dir, third) {
		kept[filepath.Base(name)] = true
	}
	for _, entry := range entriesOf(t, filepath.Join(first, "shared")) { // deletes the shared files that only the deleted checkpoints needed
		if !kept[entry] {
			must(t, os.Remove(filepath.Join(first, "shared", entry)))
		}
	}
	grownOld(t, dir)
	a := &audit.Auditor{Files: filesystem.Local{}}
	expectRestorable(t, a, dir, 1)
	must(t, os.Symlink(first, dir+"-job"))
	bind(t, first, dir+"-mounted")
	for _, root := range []string{first, filepath.Join(first, "shared"), dir + "-job", dir + "-mounted"} {
		only := orphan(t, filepath.Join(first, "shared"))
		expectOrphans(t, a, root, only, "")
		expectRestorable(t, a, dir, 1)
	}
	for path, want := range map[string]int{first: 12, filepath.Join(first, "shared"): 12, dir + "-mounted": 12, filepath.Dir(second): 0, filepath.Dir(third): 0} {
		deps, err := a.Deps(context.Background(), path, audit.DepsOptions{Now: time.Now()})
		must(t, err)
		if deps.MayBeDeleted != (want == 0) || want > 0 && (len(deps.Dependents) != 1 || deps.Dependents[0].Path != "file:"+third || deps.Dependents[0].Files != want) {
			t.Errorf("%s: got %+v", path, deps)
		}
	}
}

// If only the directory of one job is mounted, other jobs that claimed its checkpoints cannot be
// seen.
func TestAJobThatIsMountedAloneIsNotJudged(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk")
	must(t, os.MkdirAll(disk, 0o700))
	mount(t, disk, "-t", "tmpfs", "none")
	at := filepath.Join(t.TempDir(), incrementalJob)
	placed(t, incremental, filepath.Join(disk, "ckpt"), "file:"+filepath.Dir(at))
	bind(t, filepath.Join(disk, "ckpt", incrementalJob), at)
	must(t, unmount(disk))
	orphan(t, filepath.Join(at, "shared"))
	expectOrphans(t, &audit.Auditor{Files: filesystem.Local{}}, at, "", "is mounted without its parent directory")
}

func entriesOf(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// Cases 5 and 6: the same store has several names.
func TestAStoreHasOneIdentityWhateverItsName(t *testing.T) {
	conf := t.TempDir()
	must(t, os.WriteFile(filepath.Join(conf, "core-site.xml"), []byte("<configuration><property><name>fs.defaultFS</name><value>hdfs://prod</value></property></configuration>"), 0o600))
	must(t, os.WriteFile(filepath.Join(conf, "hdfs-site.xml"), []byte(`<configuration>
<property><name>dfs.nameservices</name><value>prod,other</value></property>
<property><name>dfs.ha.namenodes.prod</name><value>a,b</value></property>
<property><name>dfs.namenode.rpc-address.prod.a</name><value>one.example:8020</value></property>
<property><name>dfs.namenode.rpc-address.prod.b</name><value>Two.example:9000</value></property></configuration>`), 0o600))
	t.Setenv(place.HadoopVariable, conf)
	t.Setenv("AZURE_STORAGE_ACCOUNT", "account")
	places := place.FromEnvironment()
	for _, c := range []struct{ recorded, root string }{
		{"s3a://bucket", "s3://bucket"},
		{"s3p://bucket", "s3a://bucket"},
		{"s3://bucket", "s3n://bucket"},
		{"S3://bucket", "s3://bucket"},
		{"abfss://box@account.dfs.core.windows.net", "azblob://box"},
		{"abfs://box@Account.dfs.core.windows.net", "wasbs://box@account.blob.core.windows.net"},
		{"wasb://box", "abfss://box@account.dfs.core.windows.net"},
		{"hdfs:", "hdfs://prod"},
		{"hdfs://", "hdfs://one.example"},
		{"hdfs://two.example:9000", "hdfs://prod"},
		{"hdfs://ONE.example:8020", "hdfs://one.EXAMPLE"},
		{"hdfs://alone:8020", "hdfs://alone"},
	} {
		t.Run(c.recorded+" "+c.root, func(t *testing.T) {
			dir := t.TempDir()
			placed(t, incremental, filepath.Join(dir, "ckpt"), c.recorded+"/ckpt")
			only := orphan(t, filepath.Join(dir, "ckpt", incrementalJob, "shared"))
			on, _ := filesystem.Split(places.Name(c.root + "/ckpt"))
			files := &removing{stores{places: places, held: map[string]string{on: dir}}}
			a := &audit.Auditor{Files: files, Places: places}
			expectRestorable(t, a, c.root+"/ckpt", 3)
			expectOrphans(t, a, c.root+"/ckpt", only, "")
			expectRestorable(t, a, c.root+"/ckpt", 3)
		})
	}
	for _, c := range []struct{ one, other string }{
		{"s3a://bucket/x", "s3a://Bucket/x"},
		{"gs://bucket/x", "s3://bucket/x"},
		{"azblob://box/x", "abfss://box@another.dfs.core.windows.net/x"},
		{"hdfs://other/x", "hdfs:///x"},
		{"hdfs://alone:8020/x", "hdfs://alone:9000/x"},
	} {
		one, err := filesystem.ParseName(c.one)
		must(t, err)
		other, err := filesystem.ParseName(c.other)
		must(t, err)
		if places.Name(one) == places.Name(other) {
			t.Errorf("%s and %s must be two places", c.one, c.other)
		}
	}
}

// removing is the type stores with a method Remove, which deletes the file in the directory that
// stands for the store.
type removing struct{ stores }

func (r *removing) Remove(name string) error {
	at, err := r.at(name)
	if err != nil {
		return err
	}
	return r.Local.Remove(at)
}

// Case 5: the recorded paths have no host. Only a configuration or --rebase can say which host they
// mean.
func TestPathsWithoutAHostAreNotMissing(t *testing.T) {
	pointer, err := filepath.Abs(cases + "/05-hdfs-without-host")
	must(t, err)
	none := &stores{places: &place.Places{}, held: map[string]string{}}
	v := verify(t, &audit.Auditor{Files: none}, pointer, audit.Shallow)
	if v.Restorable || !v.Unproven || len(v.Findings) != 3 || v.Findings[0].Kind != audit.Unreachable || v.Findings[0].File != "hdfs:///user/flink/checkpoints/1fe80538d21e27d116185cd97e89294e/chk-513" {
		t.Errorf("got %+v", v)
	}
	if v.Outside.Files != 30 || len(v.Outside.Directories) != 3 {
		t.Errorf("got %+v", v.Outside)
	}
	// From here on, the files and the metadata are on a NameNode.
	dir := t.TempDir()
	data, err := os.ReadFile(pointer + "/_metadata")
	must(t, err)
	checkpoint, err := metadata.Decode(data)
	must(t, err)
	for r := range checkpoint.References() {
		if file, ok := r.Stream.(*metadata.File); ok {
			at := filepath.Join(dir, strings.TrimPrefix(file.Path, "hdfs:"))
			must(t, os.MkdirAll(filepath.Dir(at), 0o700))
			must(t, os.WriteFile(at, make([]byte, file.Size), 0o600))
		}
	}
	chk := "/user/flink/checkpoints/1fe80538d21e27d116185cd97e89294e/chk-513"
	must(t, os.WriteFile(dir+chk+"/_metadata", data, 0o600))
	nameNode := &stores{places: &place.Places{}, held: map[string]string{"hdfs://nn:8020": dir}}
	v = verify(t, &audit.Auditor{Files: nameNode}, "hdfs://nn"+chk, audit.Shallow)
	if !v.Unproven || len(v.Notes) != 1 || !strings.HasSuffix(v.Notes[0], "--rebase hdfs:///=hdfs://nn/") {
		t.Errorf("got %+v", v)
	}
	for _, from := range []string{"hdfs:/", "hdfs:///user/flink"} {
		move, err := audit.ParseMove(from + "=hdfs://nn:8020" + strings.TrimSuffix(strings.TrimLeft(strings.TrimPrefix(from, "hdfs:"), "/"), "/"))
		if from == "hdfs:///user/flink" {
			move, err = audit.ParseMove("hdfs:///user/flink=hdfs://nn:8020/user/flink")
		}
		must(t, err)
		rebased := &audit.Auditor{Files: nameNode, Moved: []audit.Move{move}}
		if v := verify(t, rebased, "hdfs:"+chk, audit.Shallow); !v.Restorable {
			t.Errorf("--rebase %s: got %+v", move, v)
		}
	}
}

// If a store cannot be reached, the findings must name the store, and must not say that its files
// are missing.
func TestAnUnknownStoreIsNotMissing(t *testing.T) {
	for _, store := range []string{"oss://bucket", "cos://bucket", "viewfs://cluster", "viewfs:", "alluxio://host:19998", "obs://b"} {
		dir := t.TempDir()
		placed(t, incremental, filepath.Join(dir, "ckpt"), store+"/ckpt")
		a := &audit.Auditor{Files: &stores{places: &place.Places{}}}
		v := verify(t, a, filepath.Join(dir, "ckpt", incrementalJob, "chk-4"), audit.Shallow)
		if !v.Unproven || v.Findings[0].Kind != audit.Unreachable || !strings.Contains(v.Findings[0].Found, "this store cannot be reached") {
			t.Errorf("%s: got %+v", store, v.Findings)
		}
		found, err := a.Orphans(context.Background(), filepath.Join(dir, "ckpt"), audit.OrphanOptions{Now: time.Now()})
		must(t, err)
		if len(found.Orphans) > 0 || len(found.Doubts) == 0 || !strings.Contains(found.Doubts[0], "--rebase") {
			t.Errorf("%s: got %+v", store, found)
		}
	}
}

// Case 7: among the checkpoints of one job, the checkpoint with the highest id is the newest. The
// times say nothing, because a copy has new times.
func TestTheNewestIsTheOneWithTheHighestID(t *testing.T) {
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(cases+"/07-newest-after-copy")))
	job := filepath.Join(dir, "0123456789abcdef0123456789abcde9")
	for _, order := range [][]string{{"chk-4", "chk-3", "chk-2"}, {"chk-3", "chk-4", "chk-2"}} {
		for i, name := range order {
			at := time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC)
			must(t, os.Chtimes(filepath.Join(job, name, "_metadata"), at, at))
		}
		list, err := (&audit.Auditor{Files: filesystem.Local{}}).List(context.Background(), dir)
		must(t, err)
		if latest, ok, err := list.Latest(""); err != nil || !ok || latest.ID != 4 || list.Checkpoints[0].ID != 4 || list.Jobs[0].Latest != latest.Path {
			t.Errorf("%v: got %+v, %v", order, latest, err)
		}
	}
	// A variant: the directory contains a copied job, the next run of the original job, and
	// savepoints of two jobs.
	other := filepath.Join(dir, "0123456789abcdef0123456789abcd00")
	must(t, os.MkdirAll(other, 0o700))
	must(t, os.CopyFS(filepath.Join(other, "chk-3"), os.DirFS(filepath.Join(job, "chk-3"))))
	must(t, os.CopyFS(filepath.Join(dir, "savepoint-0123ff-aaaaaaaaaaaa"), os.DirFS(filepath.Join(job, "chk-2"))))
	list, err := (&audit.Auditor{Files: filesystem.Local{}}).List(context.Background(), dir)
	must(t, err)
	var several *audit.SeveralJobsError
	if _, _, err := list.Latest(""); !errors.As(err, &several) || len(several.Jobs) != 3 || !strings.Contains(err.Error(), "say which with --job: ") {
		t.Errorf("got %v", err)
	}
	for job, want := range map[string]int64{"0123456789abcdef0123456789abcde9": 4, "0123456789abcdef0123456789abcd0": 3, "0123ff": 2, other: 3} {
		if latest, ok, err := list.Latest(job); err != nil || !ok || latest.ID != want {
			t.Errorf("%s: want %d, got %+v, %v", job, want, latest, err)
		}
	}
	var none *storage.NotFoundError
	if _, _, err := list.Latest("ffff"); !errors.As(err, &none) {
		t.Errorf("got %v", err)
	}
}

// Case 8: if an oddity does not prevent Flink from restoring a checkpoint, all commands must report
// the oddity only as a note.
func TestWhatIsOddIsANote(t *testing.T) {
	dir, err := filepath.Abs(cases + "/08-ls-says-yes-verify-no")
	must(t, err)
	a := &audit.Auditor{Files: filesystem.Local{}}
	expectRestorable(t, a, dir, 2)
	for name, want := range map[string]string{"chk-60": "the checkpoint's id is 2, and its directory is chk-60", "chk-3": "2 bytes follow the end of the metadata"} {
		if v := verify(t, a, filepath.Join(dir, name), audit.Deep); !v.Restorable || len(v.Notes) != 1 || !strings.Contains(v.Notes[0], want) {
			t.Errorf("%s: got %+v", name, v)
		}
	}
	if list, err := a.List(context.Background(), dir); err != nil || list.Checkpoints[0].ID != 3 || list.Checkpoints[1].ID != 2 {
		t.Errorf("want them sorted by id, got %+v, %v", list.Checkpoints, err)
	}
}

// Case 9: the versions 2 and 3 do not record the kind of a checkpoint.
func TestTheKindOfOldMetadataIsUnknown(t *testing.T) {
	dir, err := filepath.Abs(cases + "/09-old-savepoint-called-checkpoint")
	must(t, err)
	list, err := (&audit.Auditor{Files: filesystem.Local{}}).List(context.Background(), dir)
	must(t, err)
	if len(list.Checkpoints) != 1 || list.Checkpoints[0].Kind != audit.UnknownKind {
		t.Errorf("got %+v", list.Checkpoints)
	}
}

// Case 11: a missing file is in the same directory as the metadata, but the recorded directory has
// another name.
func TestAMoveIsProposedForAFileBesideTheMetadata(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "restored")
	must(t, os.MkdirAll(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "0f8fad5b-d9cb-469f-a165-70867728950e"), []byte("state"), 0o600))
	write := func(path string) {
		data, err := metadata.Encode(metadata.Checkpoint{Version: metadata.Version, ID: 7, Operators: []metadata.Operator{{
			UID: "counter", Parallelism: 1, MaxParallelism: 128,
			Subtasks: []metadata.Subtask{{ManagedOperator: &metadata.OperatorList{Stream: &metadata.File{Path: path, Size: 5}}}},
		}}})
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, "_metadata"), data, 0o600))
	}
	for path, from := range map[string]string{
		"file:/savepoints/savepoint-1/0f8fad5b-d9cb-469f-a165-70867728950e": "file:/savepoints/savepoint-1",
		"s3a://bucket/x/0f8fad5b-d9cb-469f-a165-70867728950e":               "s3a://bucket/x",
	} {
		write(path)
		a := &audit.Auditor{Files: &stores{places: &place.Places{}}}
		v := verify(t, a, dir, audit.Shallow)
		if v.Restorable || len(v.Notes) != 1 || !strings.HasSuffix(v.Notes[0], "--rebase "+from+"=file:"+dir) {
			t.Fatalf("%s: got %+v", path, v)
		}
		_, moved, _ := strings.Cut(v.Notes[0], "--rebase ")
		move, err := audit.ParseMove(moved)
		must(t, err)
		if v := verify(t, &audit.Auditor{Files: a.Files, Moved: []audit.Move{move}}, dir, audit.Shallow); !v.Restorable {
			t.Errorf("with %s: %+v", moved, v)
		}
	}
}

// Case 13: List must pass over places that it cannot read, and must report them. It must follow
// links.
func TestWhatIsPassedOverIsSaid(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ckpt")
	placed(t, incremental, dir, "file:"+dir)
	elsewhere := filepath.Join(t.TempDir(), "0000000000000000000000000000000a")
	must(t, os.CopyFS(elsewhere, os.DirFS(filepath.Join(cases, "07-newest-after-copy/0123456789abcdef0123456789abcde9"))))
	must(t, os.Symlink(elsewhere, filepath.Join(dir, "0000000000000000000000000000000a")))
	must(t, os.Symlink(dir, filepath.Join(dir, "0000000000000000000000000000000b")))
	must(t, os.Symlink("/nowhere", filepath.Join(dir, "0000000000000000000000000000000c")))
	closed := filepath.Join(dir, "0000000000000000000000000000000d")
	must(t, os.Mkdir(closed, 0o700))
	orphan(t, filepath.Join(dir, incrementalJob, "shared"))
	a := &audit.Auditor{Files: &denying{closed: closed}}
	expectRestorable(t, a, dir, 6) // three of the six are reached through a link
	list, err := a.List(context.Background(), dir)
	must(t, err)
	var passed []string
	for _, p := range list.PassedOver {
		passed = append(passed, fmt.Sprint(filepath.Base(p.Path)[31:], " ", p.Reason))
	}
	for i, want := range []string{"b it is a link to file:" + dir, "c it is a link to a place that does not exist", "d it could not be read: permission denied"} {
		if len(passed) != 3 || !strings.HasPrefix(passed[i], want) {
			t.Errorf("want %s, got %q", want, passed)
		}
	}
	if path, denied := list.Denied(); !denied || path != "file:"+closed {
		t.Errorf("got %s", path)
	}
	expectOrphans(t, a, dir, "", "0000000000000000000000000000000c may hold checkpoints: it is a link to a place that does not exist")
	must(t, os.Remove(filepath.Join(dir, "0000000000000000000000000000000c")))
	expectOrphans(t, a, dir, "", "0000000000000000000000000000000d may hold checkpoints: it could not be read: permission denied")
}

// denying is a disk with one directory that nobody may read.
type denying struct {
	filesystem.Local
	closed string
}

func (d *denying) List(name string) ([]filesystem.Entry, error) {
	if name == d.closed {
		return nil, filesystem.Failure("list", name, fs.ErrPermission)
	}
	return d.Local.List(name)
}

// If a whole directory was not copied, Verify must report one finding for the directory. A note
// must say what to do.
func TestADirectoryThatWasNotCopiedIsOneFinding(t *testing.T) {
	old := filepath.Join(t.TempDir(), "old")
	placed(t, incremental, old, "file:"+old)
	chk := filepath.Join(t.TempDir(), "chk-4")
	must(t, os.CopyFS(chk, os.DirFS(filepath.Join(old, incrementalJob, "chk-4"))))
	a := &audit.Auditor{Files: filesystem.Local{}}
	if v := verify(t, a, chk, audit.Shallow); !v.Restorable || v.Outside.Files != 12 || v.Outside.Directories[0] != "file:"+filepath.Join(old, incrementalJob, "shared") {
		t.Errorf("the shared files exist in the old place, but got %+v", v)
	}
	must(t, os.RemoveAll(old))
	v := verify(t, a, chk, audit.Shallow)
	if v.Restorable || len(v.Findings) != 1 || v.Findings[0].Found != "no such directory" || !strings.HasPrefix(v.Findings[0].Expected, "a directory with 12 files") {
		t.Fatalf("got %+v", v.Findings)
	}
	if len(v.Notes) != 1 || !strings.HasPrefix(v.Notes[0], "shared/ is missing, with 12 files") {
		t.Errorf("got %q", v.Notes)
	}
}
