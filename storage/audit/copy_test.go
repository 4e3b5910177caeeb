package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// tree lists the files below a directory, with their sizes and their times of change.
func tree(t *testing.T, dir string) (all []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		all = append(all, fmt.Sprint(name, info.Size(), info.ModTime()))
		return err
	}))
	return all
}

// Each kind of checkpoint can be copied. The copy must be restorable without the source. It must
// have the same state, and each path must be of the same kind (relative or absolute) as in the
// source.
func TestACopyStandsAlone(t *testing.T) {
	for sample, chk := range map[string]string{
		"2.3.0/02-hashmap-files-p2":            "000000000000000000000000c0ffee02/chk-3",
		incremental:                            incrementalJob + "/chk-4",
		"2.3.0/11-savepoint-hashmap-native":    "savepoint-000000-e35193d080a8",
		"2.3.0/14-changelog-hashmap":           "000000000000000000000000c0ffee11/chk-3",
		"2.3.0/15-filemerging-hashmap":         "000000000000000000000000c0ffee13/chk-3",
		"1.20.1/16-filemerging-rocksdb":        "",
		"2.3.0/07-rocksdb-rescaled-2to1-claim": "000000000000000000000000c0ffee08/chk-7",
		"2.3.0/22-stateless":                   "000000000000000000000000c0ffee1a/chk-1",
		"2.0.0/03-rocksdb-incremental-p2":      "000000000000000000000000c0ffee03/chk-3",
	} {
		t.Run(sample, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "ckpt")
			placed(t, sample, dir, "file:"+dir)
			from := filepath.Join(dir, chk)
			if chk == "" {
				files := metadataFiles(t, dir)
				from = filepath.Dir(files[len(files)-1])
			}
			to := filepath.Join(t.TempDir(), "archive", "copied")
			before, want := tree(t, dir), inspected(t, from)
			a := &audit.Auditor{Files: filesystem.Local{}}
			copied, err := a.Copy(context.Background(), from, to)
			must(t, err)
			if after := tree(t, dir); !slices.Equal(before, after) {
				t.Error("the source has changed")
			}
			must(t, os.RemoveAll(dir))
			if v := verify(t, a, to, audit.Deep); !v.Restorable || v.Checked.Files != copied.Files {
				t.Errorf("got %+v, %+v", copied, v)
			}
			expectTheSame(t, want, inspected(t, to), to)
		})
	}
}

// expectTheSame expects that a copy has the same state and the same kinds of files as the source.
// All absolute paths must be below the directory of the copy.
func expectTheSame(t *testing.T, want, got audit.Inspection, to string) {
	t.Helper()
	if got.Totals != want.Totals || len(got.Operators) != len(want.Operators) {
		t.Errorf("want %+v, got %+v", want.Totals, got.Totals)
	}
	kinds := func(in audit.Inspection) (kinds []string) {
		for _, f := range in.Files {
			kinds = append(kinds, f.Kind)
		}
		slices.Sort(kinds)
		return kinds
	}
	if !slices.Equal(kinds(want), kinds(got)) {
		t.Errorf("want paths of the kinds %v, got %v", kinds(want), kinds(got))
	}
	for _, f := range got.Files {
		if below := strings.HasPrefix(f.Path, "file:"+to+"/"); below == (f.Kind == "relativeFile") {
			t.Errorf("%s is a %s", f.Path, f.Kind)
		}
	}
}

func inspected(t *testing.T, at string) audit.Inspection {
	t.Helper()
	in, err := (&audit.Auditor{Files: filesystem.Local{}}).Inspect(at)
	must(t, err)
	return in
}

// Flink deletes a directory of merged files as a whole, and the metadata records this directory. So
// the metadata of a copy must name the copied directory. Otherwise Flink would delete the files of
// the source.
func TestDirectoriesOfMergedFilesAreCopiedToo(t *testing.T) {
	dir, to := filepath.Join(t.TempDir(), "ckpt"), filepath.Join(t.TempDir(), "copied")
	placed(t, "2.3.0/15-filemerging-hashmap", dir, "file:"+dir)
	_, err := (&audit.Auditor{Files: filesystem.Local{}}).Copy(context.Background(), filepath.Join(dir, "000000000000000000000000c0ffee13/chk-3"), to)
	must(t, err)
	data, err := os.ReadFile(filepath.Join(to, "_metadata"))
	must(t, err)
	checkpoint, err := metadata.Decode(data)
	must(t, err)
	seen := 0
	for _, o := range checkpoint.Operators {
		for _, s := range o.Subtasks {
			if merged, ok := s.ManagedOperator.(*metadata.FileMergingOperator); ok {
				seen++
				for _, at := range []string{merged.TaskOwnedDir, merged.SharedDir} {
					if !strings.HasPrefix(at, "file:"+to+"/") {
						t.Errorf("got %s", at)
					}
				}
			}
		}
	}
	if seen == 0 {
		t.Error("no operator has merged files")
	}
}

// Copy must report each failure in one sentence. The source must stay unchanged, and the target
// must not become a checkpoint.
func TestWhatCannotBeCopiedLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ckpt")
	placed(t, incremental, dir, "file:"+dir)
	from := filepath.Join(dir, incrementalJob, "chk-4")
	before := tree(t, dir)
	small := filepath.Join(t.TempDir(), "small")
	must(t, os.Mkdir(small, 0o700))
	mount(t, small, "-t", "tmpfs", "-o", "size=20k", "none")
	full, file := filepath.Join(t.TempDir(), "full"), filepath.Join(t.TempDir(), "file")
	must(t, os.MkdirAll(filepath.Join(full, "x"), 0o700))
	must(t, os.WriteFile(file, nil, 0o600))
	shared := filesOf(t, dir, from)[0]
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, c := range []struct {
		what, to string
		files    filesystem.FileSystem
		want     string
	}{
		{"itself", from, filesystem.Local{}, "is the checkpoint to copy"},
		{"within", filepath.Join(from, "sub"), filesystem.Local{}, "is inside the checkpoint to copy"},
		{"beside", filepath.Join(filepath.Dir(from), "chk-44"), filesystem.Local{}, "is in the job's directory, to which the job writes"},
		{"not empty", full, filesystem.Local{}, "exists, and is not empty: name a new directory"},
		{"a file", file, filesystem.Local{}, "exists, and is a file: name a new directory"},
		{"disk full", filepath.Join(small, "to"), filesystem.Local{}, "no space left on device; the source is untouched, and nothing is left at the target"},
		{"not allowed", filepath.Join(t.TempDir(), "to"), &refusing{}, "permission denied; the source is untouched"},
		{"a file goes", filepath.Join(t.TempDir(), "to"), &meanwhile{operation: "open", name: shared, after: 1, happen: func() { must(t, os.Rename(shared, shared+"-gone")) }}, "the source changed during the copy"},
		{"replaced", filepath.Join(t.TempDir(), "to"), &meanwhile{operation: "open", name: shared, after: 1, happen: func() {
			must(t, os.Rename(filepath.Join(from, "_metadata"), filepath.Join(from, "_metadata-gone")))
		}}, "the source changed during the copy"},
		{"interrupted", filepath.Join(t.TempDir(), "to"), &canceling{cancel: cancel}, "context canceled"},
	} {
		_, err := (&audit.Auditor{Files: c.files}).Copy(ctx, from, c.to)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: want %s, got %v", c.what, c.want, err)
		}
		if _, err := os.Stat(filepath.Join(c.to, "_metadata")); err == nil && c.to != from {
			t.Errorf("%s: the target is a checkpoint", c.what)
		}
		if left, err := os.ReadDir(c.to); err == nil && c.to != from && c.to != full {
			t.Errorf("%s: %d files are left", c.what, len(left))
		}
		for _, gone := range []string{shared, filepath.Join(from, "_metadata")} {
			_ = os.Rename(gone+"-gone", gone)
		}
		if after := tree(t, dir); !slices.Equal(before, after) {
			t.Errorf("%s: the source has changed", c.what)
		}
	}
	must(t, os.Truncate(shared, 1))
	var bad *audit.UnrestorableError
	if _, err := (&audit.Auditor{Files: filesystem.Local{}}).Copy(context.Background(), from, filepath.Join(t.TempDir(), "to")); !errors.As(err, &bad) {
		t.Errorf("want a checkpoint with missing files refused, got %v", err)
	}
}

// refusing is a disk on which no directory can be created.
type refusing struct{ filesystem.Local }

func (refusing) MkdirAll(name string) error {
	return filesystem.Failure("mkdir", name, fs.ErrPermission)
}

// canceling is a disk that cancels the context when the third file is created.
type canceling struct {
	filesystem.Local
	cancel  context.CancelFunc
	created atomic.Int32 // number of created files; atomic, because several goroutines copy files
}

func (c *canceling) Create(name string) (filesystem.File, error) {
	if c.created.Add(1) == 3 {
		c.cancel()
	}
	return c.Local.Create(name)
}

// After a crash at any moment, the target must be either a complete checkpoint or no checkpoint.
func TestACopyThatIsCutOffIsNoCheckpoint(t *testing.T) {
	source := filesystem.NewMemory()
	must(t, source.MkdirAll("/from"))
	for i := range 3 {
		must(t, filesystem.WriteFile(source, fmt.Sprintf("/from/%d", i), []byte("state")))
	}
	checkpoint := metadata.Checkpoint{Version: metadata.Version, ID: 7}
	for i := range 3 {
		checkpoint.Operators = append(checkpoint.Operators, metadata.Operator{
			ID: metadata.OperatorID{byte(i)}, Parallelism: 1, MaxParallelism: 128,
			Subtasks: []metadata.Subtask{{ManagedOperator: &metadata.OperatorList{Stream: &metadata.File{Path: fmt.Sprintf("file:/from/%d", i), Size: 5}}}},
		})
	}
	data, err := metadata.Encode(checkpoint)
	must(t, err)
	must(t, filesystem.WriteFile(source, "/from/_metadata", data))
	points, whole := 0, 0
	source.Observe(func(filesystem.Operation) {
		points++
		source.EveryCrash(filesystem.Model{Level: filesystem.POSIX}, func(_ uint64, after *filesystem.Memory) bool {
			if _, err := after.Stat("/to/_metadata"); err == nil {
				whole++
				v, err := (&audit.Auditor{Files: after}).Verify(context.Background(), "/to", audit.Deep)
				if err != nil || !v.Restorable {
					t.Errorf("after operation %d: %+v, %v", points, v, err)
				}
			}
			return true
		})
	})
	_, err = (&audit.Auditor{Files: &serial{FileSystem: source}}).Copy(context.Background(), "/from", "/to")
	must(t, err)
	if points < 10 || whole == 0 {
		t.Errorf("got %d operations, and %d complete copies", points, whole)
	}
	if _, err := storage.Resolve(source, "/to"); err != nil {
		t.Error(err)
	}
}

// serial passes only one operation at a time to a file system that is not safe for concurrent use.
type serial struct {
	filesystem.FileSystem
	mu sync.Mutex
}

func (s *serial) Create(name string) (filesystem.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	file, err := s.FileSystem.Create(name)
	return &serialFile{file, &s.mu}, err
}

func (s *serial) MkdirAll(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.FileSystem.MkdirAll(name)
}

func (s *serial) Open(name string) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, err := filesystem.ReadFile(s.FileSystem, name, 1<<20)
	return io.NopCloser(bytes.NewReader(data)), err
}

func (s *serial) Stat(name string) (filesystem.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.FileSystem.Stat(name)
}

type serialFile struct {
	filesystem.File
	mu *sync.Mutex
}

func (f *serialFile) Write(data []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.File.Write(data)
}

func (f *serialFile) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.File.Sync()
}

func (f *serialFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.File.Close()
}
