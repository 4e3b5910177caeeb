package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/filesystem"
)

// In each trap, a checkpoint depends on files in a way that is easily overlooked. The tools delete
// everything that they select, and then every precious checkpoint must still be restorable.
func TestTrapsAreNotSprung(t *testing.T) {
	const jobA, jobB = "0000000000000000000000000000000a", "0000000000000000000000000000000b"
	// claimedFrom lets a job in another directory claim a copy of chk-3 of the job in the directory
	// dir.
	claimedFrom := func(t *testing.T, dir, claimant string) string {
		aside := filepath.Join(t.TempDir(), "chk-3")
		must(t, os.CopyFS(aside, os.DirFS(filepath.Join(dir, "chk-3"))))
		return claimed(t, aside, claimant)
	}
	// jobAt creates a job in the given directory, which may have any name.
	jobAt := func(t *testing.T, at string) string {
		must(t, os.MkdirAll(filepath.Dir(at), 0o700))
		placedJob(t, at)
		return at
	}
	for what, trap := range map[string]func(t *testing.T, dir string) (roots []string, precious []string, also []string){
		"jobs have names of their own": func(t *testing.T, dir string) ([]string, []string, []string) {
			orders := jobAt(t, filepath.Join(dir, "orders"))
			return []string{orders}, []string{claimedFrom(t, orders, filepath.Join(dir, "orders-v2"))}, nil
		},
		"a link below the root": func(t *testing.T, dir string) ([]string, []string, []string) {
			a := jobAt(t, filepath.Join(dir, "other", jobA))
			must(t, os.MkdirAll(filepath.Join(dir, "ckpt"), 0o700))
			must(t, os.Symlink(a, filepath.Join(dir, "ckpt", jobA)))
			return []string{filepath.Join(dir, "ckpt")}, []string{claimedFrom(t, a, filepath.Join(dir, "other", jobB)), filepath.Join(a, "chk-2")}, nil
		},
		"a mount below the root": func(t *testing.T, dir string) ([]string, []string, []string) {
			a := jobAt(t, filepath.Join(dir, "other", jobA))
			bind(t, a, filepath.Join(dir, "ckpt", jobA))
			return []string{filepath.Join(dir, "ckpt")}, []string{claimedFrom(t, a, filepath.Join(dir, "other", jobB))}, nil
		},
		"a job that was given as another root": func(t *testing.T, dir string) ([]string, []string, []string) {
			a := jobAt(t, filepath.Join(dir, "other", jobA))
			must(t, os.MkdirAll(filepath.Join(dir, "ckpt", "empty"), 0o700))
			return []string{filepath.Join(dir, "ckpt")}, []string{claimedFrom(t, a, filepath.Join(dir, "other", jobB))}, []string{a}
		},
		"a job among the state of another": func(t *testing.T, dir string) ([]string, []string, []string) {
			a := jobAt(t, filepath.Join(dir, "ckpt", jobA))
			return []string{a, filepath.Join(dir, "ckpt")}, []string{claimedFrom(t, a, filepath.Join(a, "shared", "team", jobB))}, nil
		},
		"a backup of hard links": func(t *testing.T, dir string) ([]string, []string, []string) {
			a := jobAt(t, filepath.Join(dir, "ckpt", jobA))
			backup := filepath.Join(dir, "ckpt", "backup", "before-upgrade")
			must(t, os.MkdirAll(filepath.Dir(backup), 0o700))
			if output, err := exec.Command("cp", "-al", filepath.Join(a, "chk-3"), backup).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, output)
			}
			return []string{filepath.Join(dir, "ckpt"), a}, []string{backup}, nil
		},
		"metadata that is a link": func(t *testing.T, dir string) ([]string, []string, []string) {
			a := jobAt(t, filepath.Join(dir, "ckpt", jobA))
			pinned := filepath.Join(dir, "ckpt", "pinned")
			must(t, os.CopyFS(pinned, os.DirFS(filepath.Join(a, "chk-2"))))
			must(t, os.Remove(filepath.Join(pinned, "_metadata")))
			must(t, os.Symlink(filepath.Join(a, "chk-2", "_metadata"), filepath.Join(pinned, "_metadata")))
			return []string{filepath.Join(dir, "ckpt"), a}, []string{pinned}, nil
		},
		"metadata under another name": func(t *testing.T, dir string) ([]string, []string, []string) {
			a := jobAt(t, filepath.Join(dir, "ckpt", jobA))
			must(t, os.Rename(filepath.Join(a, "chk-4", "_metadata"), filepath.Join(a, "chk-4", "checkpoint_metadata-1a2b3c")))
			return []string{a, filepath.Join(dir, "ckpt")}, []string{filepath.Join(a, "chk-4", "checkpoint_metadata-1a2b3c")}, nil
		},
		"one archive, two jobs": func(t *testing.T, dir string) ([]string, []string, []string) {
			a := &audit.Auditor{Files: filesystem.Local{}}
			from := jobAt(t, filepath.Join(dir, "ckpt", jobA))
			var copies []string
			for _, chk := range []string{"chk-2", "chk-4"} {
				copies = append(copies, filepath.Join(dir, "archive", chk))
				_, err := a.Copy(context.Background(), filepath.Join(from, chk), filepath.Join(dir, "archive", chk))
				must(t, err)
			}
			return []string{filepath.Join(dir, "archive")}, copies, nil
		},
		"a job that goes on from an old checkpoint": func(t *testing.T, dir string) ([]string, []string, []string) {
			a := jobAt(t, filepath.Join(dir, "ckpt", jobA))
			must(t, os.Rename(filepath.Join(a, "chk-4"), filepath.Join(a, "chk-100")))
			must(t, os.MkdirAll(filepath.Join(a, "chk-3000"), 0o700)) // the directory is new, so the checkpoint seems to be in progress
			must(t, os.Rename(filepath.Join(a, "chk-3000"), filepath.Join(a, "chk-4")))
			return []string{a}, []string{filepath.Join(a, "chk-3")}, nil
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "disk")
			must(t, os.MkdirAll(dir, 0o700))
			roots, precious, also := trap(t, dir)
			filesGrownOld(t, dir)
			expectSurvival(t, roots, precious, also)
		})
	}
}

// filesGrownOld gives all files, but not the directories, an old time of change.
func filesGrownOld(t *testing.T, dir string) {
	t.Helper()
	old := time.Now().Add(-48 * time.Hour)
	must(t, filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			err = os.Chtimes(name, old, old)
		}
		return err
	}))
}

// expectSurvival deletes everything that the tools select below the roots. Then it expects that all
// precious checkpoints can still be restored.
func expectSurvival(t *testing.T, roots, precious, also []string) {
	t.Helper()
	a := &audit.Auditor{Files: filesystem.Local{}}
	for _, at := range precious {
		if v := verify(t, a, at, audit.Shallow); !v.Restorable {
			t.Fatalf("%s is not restorable before the deletion: %+v", at, v.Findings)
		}
	}
	for _, root := range roots {
		orphanAll(t, a, root, also)
		expireAll(t, a, root, also)
	}
	for _, at := range precious {
		if v := verify(t, a, at, audit.Shallow); !v.Restorable {
			t.Errorf("%s cannot be restored any more: %+v", at, v.Findings)
		}
	}
}

// placedJob copies the job of the sample to the given directory, which may have any name. The paths
// in the copied metadata lead to this directory.
func placedJob(t *testing.T, at string) {
	t.Helper()
	placed(t, incremental, at+".sample", "file:"+filepath.Dir(at)+"/"+filepath.Base(at)+".job")
	must(t, os.Rename(filepath.Join(at+".sample", incrementalJob), at))
	must(t, os.RemoveAll(at+".sample"))
	for _, name := range metadataFiles(t, at) {
		rewrite(t, name, "file:"+at+".job/"+incrementalJob, "file:"+at)
	}
}

func orphanAll(t *testing.T, a *audit.Auditor, root string, also []string) {
	t.Helper()
	options := audit.OrphanOptions{Now: time.Now(), Also: also}
	found, err := a.Orphans(context.Background(), root, options)
	must(t, err)
	_, err = a.Delete(context.Background(), root, options, found.Orphans)
	must(t, err)
}

func expireAll(t *testing.T, a *audit.Auditor, root string, also []string) {
	t.Helper()
	options := audit.ExpireOptions{Now: time.Now(), Policy: audit.Policy{Keep: 1}, Also: also}
	found, err := a.Expire(context.Background(), root, options)
	must(t, err)
	_, err = a.DeleteExpired(context.Background(), root, options, found.Expired)
	must(t, err)
}

// If a doubt exists when a deletion begins, the doubt must remain when the claims are refreshed
// during the deletion.
func TestADoubtOutlastsALookInTheMiddle(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ckpt")
	placed(t, incremental, dir, "file:"+dir)
	shared := filepath.Join(dir, incrementalJob, "shared")
	for i := range 150 {
		must(t, os.WriteFile(filepath.Join(shared, fmt.Sprintf("0000-%03d", i)), []byte("left"), 0o600))
	}
	grownOld(t, dir)
	a := &audit.Auditor{Files: filesystem.Local{}}
	options := audit.OrphanOptions{Now: time.Now()}
	found, err := a.Orphans(context.Background(), dir, options)
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(shared, "x"), 0o700))
	must(t, os.WriteFile(filepath.Join(shared, "x", "_metadata"), []byte("no metadata"), 0o600))
	deleted, err := a.Delete(context.Background(), dir, options, found.Orphans)
	must(t, err)
	if len(found.Orphans) < 150 || len(deleted.Deleted) > 0 {
		t.Errorf("%d of %d were deleted", len(deleted.Deleted), len(found.Orphans))
	}
}

// If a root disappears while the claims are collected, this must be a doubt. The root must not
// count as a root without claims.
func TestARootThatVanishesIsADoubt(t *testing.T) {
	dir, other := filepath.Join(t.TempDir(), "ckpt"), filepath.Join(t.TempDir(), "other")
	placed(t, incremental, dir, "file:"+dir)
	aside := filepath.Join(t.TempDir(), "chk-3")
	must(t, os.CopyFS(aside, os.DirFS(filepath.Join(dir, incrementalJob, "chk-3"))))
	claimed(t, aside, filepath.Join(other, "0000000000000000000000000000000b"))
	files := &meanwhile{operation: "open", name: filepath.Join(dir, incrementalJob, "chk-2/_metadata"), happen: func() { must(t, os.Rename(other, other+"-gone")) }}
	e, err := (&audit.Auditor{Files: files}).Expire(context.Background(), dir, audit.ExpireOptions{Now: time.Now(), Policy: audit.Policy{Keep: 1}, Also: []string{other}})
	must(t, err)
	if len(e.Expired) > 0 || !strings.Contains(fmt.Sprint(e.Doubts), "other may hold checkpoints: it could not be read") {
		t.Errorf("got %+v", e)
	}
}

// ReadExpirePlan must refuse a plan whose policy was edited so that it keeps nothing.
func TestAPlanThatKeepsNothingIsRefused(t *testing.T) {
	for _, policy := range []string{`{}`, `{"keep":-1}`, `{"keep":1,"olderThan":-5}`} {
		text := `{"schema":"snapback/expire-plan/1","root":"file:/x","made":"2026-01-01T00:00:00Z","policy":` + policy + "}\n"
		if _, err := audit.ReadExpirePlan(bytes.NewReader([]byte(text)), "/x"); err == nil || !strings.Contains(err.Error(), "that keeps something") {
			t.Errorf("%s: got %v", policy, err)
		}
	}
}

// If two copies have the same target, one of them must be refused, and must not harm the other.
func TestTwoCopiesToOnePlaceDoNotMix(t *testing.T) {
	dir, to := filepath.Join(t.TempDir(), "ckpt"), filepath.Join(t.TempDir(), "to")
	placed(t, incremental, dir, "file:"+dir)
	job := filepath.Join(dir, incrementalJob)
	files := &meanwhile{operation: "open", name: filesOf(t, dir, filepath.Join(job, "chk-3"))[0], after: 1, happen: func() {
		_, err := (&audit.Auditor{Files: filesystem.Local{}}).Copy(context.Background(), filepath.Join(job, "chk-4"), to)
		if err == nil || !strings.Contains(err.Error(), "exists, and is not empty") {
			t.Errorf("got %v", err)
		}
	}}
	_, err := (&audit.Auditor{Files: files}).Copy(context.Background(), filepath.Join(job, "chk-3"), to)
	must(t, err)
	if v := verify(t, &audit.Auditor{Files: filesystem.Local{}}, to, audit.Deep); !v.Restorable {
		t.Errorf("got %+v", v)
	}
}
