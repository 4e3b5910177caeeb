// Package deletion tests the promise of the tools that delete files of checkpoints: each checkpoint
// that could be restored before can still be restored afterwards. This must hold for all files
// under a root, for all plans, and for everything that jobs do while a tool runs.
//
// It does not test what the tools find: the tests of package audit do that. Start with
// [TestNothingThatIsNeededIsEverDeleted].
package deletion_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/filesystem"
)

// tool deletes something under a root, and returns the number of deleted files.
type tool func(w *world, root string) int

// surviving creates a world and uses tools on it. It returns the number of deleted files, and the
// checkpoints that the tools destroyed.
func surviving(t *rapid.T, dir string, tools ...tool) (deleted int, destroyed []string) {
	w := newWorld(t, dir)
	for range rapid.IntRange(2, 20).Draw(t, "steps") {
		w.step()
	}
	for range rapid.IntRange(1, 3).Draw(t, "uses") {
		before := w.restorable()
		deleted += w.use(rapid.SampledFrom(tools).Draw(t, "tool"), w.someRoot())
		after := w.restorable()
		for _, at := range w.expected(before) {
			if _, still := after[at]; !still {
				destroyed = append(destroyed, at)
			}
		}
		for _, j := range w.jobs { // checkpoints that completed while a tool ran must be whole, too
			for _, c := range j.retained {
				if _, whole := after[c.dir]; !whole && !w.broken[c.dir] {
					destroyed = append(destroyed, c.dir)
				}
			}
		}
		for range rapid.IntRange(0, 4).Draw(t, "steps after") {
			w.step()
		}
	}
	return deleted, destroyed
}

// expected returns the checkpoints that must still exist. It leaves out the checkpoints that have
// no `_metadata` any more, because a job or the tool expire has discarded them.
func (w *world) expected(before map[string][]string) []string {
	var expected []string
	for at := range before {
		if _, err := os.Stat(filepath.Join(at, "_metadata")); err == nil {
			expected = append(expected, at)
		}
	}
	slices.Sort(expected)
	return expected
}

// someRoot draws the root for a tool. The root is the checkpoint directory, a job's directory, a
// directory in a job's directory, a copy, or the whole world.
func (w *world) someRoot() string {
	at := filepath.Join(w.dir, root)
	switch one(w, "which root", []string{"root", "root", "job", "shared", "above", "copy"}) {
	case "job":
		at = one(w, "root of job", w.jobs).inRoot()
	case "shared":
		at = filepath.Join(one(w, "root of job", w.jobs).inRoot(), "shared")
	case "above":
		if !w.store {
			return w.dir
		}
	case "copy":
		if len(w.copies) > 0 {
			at = one(w, "root of copy", w.copies)
		}
	}
	return w.name(at)
}

// inRoot returns the path of a job's directory in the checkpoint directory. The path may be a link
// to a directory elsewhere.
func (j *job) inRoot() string {
	if j.link != "" {
		return j.link
	}
	return j.dir
}

func (w *world) auditor() *audit.Auditor { return &audit.Auditor{Files: &storage{w: w}} }

// orphans finds orphans and deletes them by a plan. Sometimes the plan also names files that are no
// orphans, as if a user had added these files.
func orphans(w *world, root string) int {
	ctx := context.Background()
	options := audit.OrphanOptions{Now: time.Now(), Age: one(w, "age", []time.Duration{0, time.Hour})}
	found, err := w.auditor().Orphans(ctx, root, options)
	if err != nil {
		return 0 // the root cannot be read or no longer exists
	}
	planned := found.Orphans
	if w.chance("a plan with more in it", 4) {
		for _, j := range w.jobs {
			for _, c := range j.retained {
				for at := range c.names {
					if entry, err := (filesystem.Local{}).Stat(at); err == nil {
						planned = append(planned, audit.Orphan{Path: filesystem.URL(w.name(at)), Bytes: entry.Size, Modified: entry.Modified, Source: audit.UnreferencedShared})
					}
				}
			}
		}
	}
	options.Now = time.Now()
	done, err := w.auditor().Delete(ctx, root, options, planned)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(done.Deleted)
}

// expire discards old checkpoints. Then the world no longer counts these checkpoints as retained.
func expire(w *world, root string) int {
	ctx := context.Background()
	options := audit.ExpireOptions{Now: time.Now(), Policy: audit.Policy{Keep: w.number("keep", 1, 2)}}
	found, err := w.auditor().Expire(ctx, root, options)
	if err != nil {
		return 0
	}
	done, err := w.auditor().DeleteExpired(ctx, root, options, found.Expired)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, j := range w.jobs {
		j.retained = slices.DeleteFunc(j.retained, func(c *checkpoint) bool {
			_, err := os.Stat(filepath.Join(c.dir, "_metadata"))
			return err != nil
		})
	}
	return done.Files
}

func TestNothingThatIsNeededIsEverDeleted(t *testing.T) {
	deleted, worlds, dir := 0, 0, t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		worlds++
		dir := filepath.Join(dir, strconv.Itoa(worlds))
		defer func() { _ = os.RemoveAll(dir) }() // frees the disk early; the end of the test deletes it too
		n, destroyed := surviving(t, dir, orphans, expire)
		deleted += n
		if len(destroyed) > 0 {
			t.Fatalf("destroyed: %v", destroyed)
		}
	})
	if deleted == 0 {
		t.Error("no tool deleted anything in any world, so the property was not tested")
	}
	t.Logf("%d files deleted", deleted)
}

// naive is a tool with a mistake: it deletes without a proof. It deletes each file whose exact path
// no metadata under the root contains.
func naive(w *world, root string) int {
	files := &storage{w: w}
	deleted := 0
	named := map[string]bool{}
	_ = filesystem.Walk(files, root, func(relative string, entry filesystem.Entry) error {
		if filepath.Base(relative) == "_metadata" {
			for _, name := range namesIn(files, filesystem.Join(root, relative)) {
				named[name] = true
			}
		}
		return nil
	})
	_ = filesystem.Walk(files, root, func(relative string, entry filesystem.Entry) error {
		name := filesystem.Join(root, relative)
		if !entry.Directory && filepath.Base(filepath.Dir(relative)) == "shared" && !named[name] && files.Remove(name) == nil {
			deleted++
		}
		return nil
	})
	return deleted
}

func namesIn(files filesystem.FileSystem, pointer string) []string {
	difference, err := (&audit.Auditor{Files: files}).Diff(pointer, pointer)
	if err != nil {
		return nil
	}
	var names []string
	for _, url := range difference.Shared.Files {
		if name, err := filesystem.ParseName(url); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// The property of this test finds a tool that deletes without a proof.
func TestThePropertyFindsAToolWithoutAProof(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "world")
	worlds := rapid.Custom(func(t *rapid.T) string {
		defer func() { _ = os.RemoveAll(dir) }() // the next world needs an empty directory
		_, destroyed := surviving(t, dir, naive)
		return fmt.Sprint(destroyed)
	})
	for seed := range 100 {
		if worlds.Example(seed) != "[]" {
			t.Logf("found in world %d", seed)
			return
		}
	}
	t.Error("100 worlds survived a tool that knows no links, claims, schemes and copies")
}
