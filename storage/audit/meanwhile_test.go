package audit_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/filesystem"
)

// meanwhile is a disk that calls the function "happen" once, just before an operation on a file.
// The fields "operation" and "name" say which operations count. The field "after" is the number of
// such operations that come first and do not call the function.
type meanwhile struct {
	filesystem.Local
	operation, name string
	after           int32
	happen          func()
	seen            atomic.Int32
}

func (m *meanwhile) before(operation, name string) {
	if operation == m.operation && name == m.name && m.seen.Add(1) == m.after+1 {
		m.happen()
	}
}

func (m *meanwhile) Open(name string) (io.ReadCloser, error) {
	m.before("open", name)
	return m.Local.Open(name)
}

func (m *meanwhile) List(name string) ([]filesystem.Entry, error) {
	m.before("list", name)
	return m.Local.List(name)
}

func (m *meanwhile) Remove(name string) error {
	m.before("remove", name)
	return m.Local.Remove(name)
}

// Another job claims a checkpoint while the auditor reads checkpoints. The claimed checkpoint is
// listed, but is deleted before it is read. The new checkpoint of the other job needs the same
// files, and is written after its directory was listed.
func TestACheckpointThatIsClaimedMeanwhileIsNoticed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ckpt")
	placed(t, incremental, dir, "file:"+dir)
	job := filepath.Join(dir, incrementalJob)
	for _, name := range []string{"chk-2", "chk-3"} {
		must(t, os.RemoveAll(filepath.Join(job, name)))
	}
	claimant := filepath.Join(dir, "0000000000000000000000000000000b")
	must(t, os.MkdirAll(filepath.Join(claimant, "chk-5"), 0o700))
	grownOld(t, dir)
	files := &meanwhile{operation: "open", name: filepath.Join(job, "chk-4/_metadata"), happen: func() {
		must(t, os.RemoveAll(filepath.Join(claimant, "chk-5")))
		claimed(t, filepath.Join(job, "chk-4"), claimant)
	}}
	found, err := (&audit.Auditor{Files: files}).Orphans(context.Background(), dir, audit.OrphanOptions{Now: time.Now()})
	must(t, err)
	for _, o := range found.Orphans {
		if strings.Contains(o.Path, "/shared/") && strings.Contains(filepath.Base(o.Path), "-") {
			for _, needed := range filesOf(t, dir, filepath.Join(claimant, "chk-5")) {
				if o.Path == "file:"+needed {
					t.Errorf("%s is an orphan, but chk-5 needs it", o.Path)
				}
			}
		}
	}
	if found.Checkpoints != 1 || found.Referenced == 0 {
		t.Errorf("chk-5 was not noticed: %+v", found)
	}
}

// While Delete deletes planned files, a new checkpoint appears that needs one of these files.
func TestAFileThatACheckpointComesToReferToIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ckpt")
	placed(t, incremental, dir, "file:"+dir)
	job := filepath.Join(dir, incrementalJob)
	aside := filepath.Join(t.TempDir(), "chk-4")
	must(t, os.CopyFS(aside, os.DirFS(filepath.Join(job, "chk-4"))))
	needed := filesOf(t, dir, filepath.Join(job, "chk-4"))
	for _, name := range []string{"chk-2", "chk-3", "chk-4"} {
		must(t, os.RemoveAll(filepath.Join(job, name)))
	}
	for i := range 200 {
		must(t, os.WriteFile(filepath.Join(job, "shared", fmt.Sprintf("0000-%03d", i)), []byte("left"), 0o600))
	}
	grownOld(t, dir)
	options := audit.OrphanOptions{Now: time.Now(), Age: time.Hour}
	plain := &audit.Auditor{Files: filesystem.Local{}}
	found, err := plain.Orphans(context.Background(), dir, options)
	must(t, err)
	if len(found.Orphans) < 212 {
		t.Fatalf("got %d orphans", len(found.Orphans))
	}
	files := &meanwhile{operation: "remove", name: filepath.Join(job, "shared/0000-010"), happen: func() {
		must(t, os.CopyFS(filepath.Join(job, "chk-4"), os.DirFS(aside)))
	}}
	deleted, err := (&audit.Auditor{Files: files}).Delete(context.Background(), dir, options, found.Orphans)
	must(t, err)
	for _, name := range needed {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("a file that chk-4 needs was deleted: %v", err)
		}
	}
	if len(deleted.Kept) == 0 || deleted.Kept[0].Reason != "file:"+filepath.Join(job, "chk-4")+" refers to it" {
		t.Errorf("got %d deleted, %+v", len(deleted.Deleted), deleted.Kept)
	}
}

// No completed checkpoint refers to the files of a checkpoint in progress. These files must stay,
// even with --age 0s.
func TestACheckpointInProgressIsUnknown(t *testing.T) {
	for what, state := range map[string]struct {
		prepare func(job string)
		why     string
	}{
		"begun":                       {func(job string) { must(t, os.Mkdir(filepath.Join(job, "chk-5"), 0o700)) }, "chk-5 of its job may be in progress"},
		"begun, with exclusive state": {func(job string) { orphanNow(t, filepath.Join(job, "chk-5")) }, "chk-5 of its job may be in progress"},
	} {
		dir := filepath.Join(t.TempDir(), "ckpt")
		placed(t, incremental, dir, "file:"+dir)
		job := filepath.Join(dir, incrementalJob)
		state.prepare(job)
		orphanNow(t, filepath.Join(job, "shared"))
		options := audit.OrphanOptions{Now: time.Now()}
		found, err := (&audit.Auditor{Files: filesystem.Local{}}).Orphans(context.Background(), dir, options)
		must(t, err)
		if len(found.Orphans) > 0 || len(found.Unknown) != 1 || !strings.Contains(found.Unknown[0].Reason, state.why) {
			t.Errorf("%s: got %+v, %+v", what, found.Orphans, found.Unknown)
		}
		options.Now = options.Now.Add(2 * time.Hour) // after two hours, the checkpoint does not count as in progress any more
		found, err = (&audit.Auditor{Files: filesystem.Local{}}).Orphans(context.Background(), dir, options)
		must(t, err)
		if len(found.Orphans) == 0 {
			t.Errorf("%s, two hours later: got %+v", what, found.Unknown)
		}
	}
	// A job with the changelog writes state even between checkpoints.
	dir := filepath.Join(t.TempDir(), "ckpt")
	const changelog = "2.3.0/14-changelog-hashmap"
	placed(t, changelog, dir, "file:"+dir)
	jobs, err := filepath.Glob(filepath.Join(dir, "0*"))
	must(t, err)
	orphanNow(t, filepath.Join(jobs[0], "shared"))
	found, err := (&audit.Auditor{Files: filesystem.Local{}}).Orphans(context.Background(), dir, audit.OrphanOptions{Now: time.Now()})
	must(t, err)
	if len(found.Orphans) > 0 || !strings.Contains(fmt.Sprint(found.Unknown), "its job uses the changelog") {
		t.Errorf("got %+v, %+v", found.Orphans, found.Unknown)
	}
}

// orphanNow adds a new file to which no completed checkpoint refers.
func orphanNow(t *testing.T, dir string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "99999999-2222-4333-8444-555555555555"), []byte("new"), 0o600))
}
