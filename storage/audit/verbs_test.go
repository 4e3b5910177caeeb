package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

func expiry(t *testing.T, root string, policy audit.Policy) audit.Expiry {
	t.Helper()
	e, err := (&audit.Auditor{Files: filesystem.Local{}}).Expire(context.Background(), root, audit.ExpireOptions{Now: time.Now(), Policy: policy})
	must(t, err)
	return e
}

func expired(e audit.Expiry) (names []string) {
	for _, x := range e.Expired {
		names = append(names, filepath.Base(x.Path))
	}
	return names
}

// For each job, a policy keeps the restorable checkpoints with the highest ids. It also keeps
// checkpoints that are too young to expire.
func TestAPolicyLetsOldCheckpointsGo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ckpt")
	placed(t, incremental, dir, "file:"+dir)
	for _, c := range []struct {
		policy audit.Policy
		want   string
	}{
		{audit.Policy{Keep: 1}, "[chk-2 chk-3]"},
		{audit.Policy{Keep: 2}, "[chk-2]"},
		{audit.Policy{Keep: 3}, "[]"},
		{audit.Policy{Keep: 1, OlderThan: 72 * time.Hour}, "[]"},
		{audit.Policy{Keep: 0, OlderThan: time.Hour}, "[chk-2 chk-3 chk-4]"},
	} {
		if got := fmt.Sprint(expired(expiry(t, dir, c.policy))); got != c.want {
			t.Errorf("%+v: want %s, got %s", c.policy, c.want, got)
		}
	}
	must(t, os.Symlink(filepath.Join(dir, incrementalJob), dir+"-job"))
	if e := expiry(t, dir+"-job", audit.Policy{Keep: 1}); len(e.Expired) != 2 || e.Kept != 1 {
		t.Errorf("through a link: got %+v", e)
	}
	// A checkpoint that cannot be restored does not count. If a checkpoint's files are missing,
	// this is a doubt, and nothing expires.
	chk := filepath.Join(dir, incrementalJob, "chk-4")
	must(t, os.Truncate(filesOf(t, dir, chk)[0], 1))
	if got := fmt.Sprint(expired(expiry(t, dir, audit.Policy{Keep: 1}))); got != "[chk-2]" {
		t.Errorf("got %s", got)
	}
	must(t, os.Remove(filesOf(t, dir, chk)[0]))
	if e := expiry(t, dir, audit.Policy{Keep: 1}); len(e.Expired) > 0 || len(e.Doubts) != 1 {
		t.Errorf("got %+v", e)
	}
}

// An expired checkpoint must be deleted together with the files that no other checkpoint needs. No
// other files may be deleted.
func TestWhatExpiresIsDeletedByPlan(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ckpt")
	placed(t, incremental, dir, "file:"+dir)
	job := filepath.Join(dir, incrementalJob)
	sealed := filepath.Join(job, "chk-2"+audit.SealSuffix)
	must(t, os.WriteFile(sealed, []byte("{}"), 0o600))
	a := &audit.Auditor{Files: filesystem.Local{}}
	e := expiry(t, dir, audit.Policy{Keep: 1})
	var plan bytes.Buffer
	must(t, e.WritePlan(&plan))
	if _, err := audit.ReadExpirePlan(bytes.NewReader(plan.Bytes()), job); err == nil || !strings.Contains(err.Error(), "it is for root") {
		t.Errorf("want a plan for another root refused, got %v", err)
	}
	if _, err := audit.ReadPlan(bytes.NewReader(plan.Bytes()), dir); err == nil {
		t.Error("a plan of another command was read")
	}
	planned, err := audit.ReadExpirePlan(&plan, dir)
	must(t, err)
	done, err := a.DeleteExpired(context.Background(), dir, audit.ExpireOptions{Now: time.Now(), Policy: planned.Policy}, planned.Lines)
	must(t, err)
	if len(done.Deleted) != 2 || len(done.Kept) != 0 || done.Bytes != e.Bytes {
		t.Errorf("planned %d bytes, got %+v", e.Bytes, done)
	}
	expectRestorable(t, a, dir, 1)
	found, err := a.Orphans(context.Background(), dir, audit.OrphanOptions{Now: time.Now()})
	must(t, err)
	if len(found.Orphans) > 0 {
		t.Errorf("want no orphans, got %+v", found.Orphans)
	}
	for _, name := range []string{"chk-2", "chk-3", "chk-2" + audit.SealSuffix} {
		if _, err := os.Stat(filepath.Join(job, name)); err == nil {
			t.Errorf("%s still exists", name)
		}
	}
}

// After the plan was made, the newest checkpoint disappears. So one of the planned checkpoints must
// stay.
func TestAPlanIsJudgedAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ckpt")
	placed(t, incremental, dir, "file:"+dir)
	e := expiry(t, dir, audit.Policy{Keep: 1})
	must(t, os.RemoveAll(filepath.Join(dir, incrementalJob, "chk-4")))
	a := &audit.Auditor{Files: filesystem.Local{}}
	done, err := a.DeleteExpired(context.Background(), dir, audit.ExpireOptions{Now: time.Now(), Policy: e.Policy}, e.Expired)
	must(t, err)
	if len(done.Deleted) != 1 || len(done.Kept) != 1 || !strings.HasSuffix(done.Kept[0].Path, "chk-3") || !strings.Contains(done.Kept[0].Reason, "it no longer expires") {
		t.Errorf("got %+v", done)
	}
	expectRestorable(t, a, dir, 1)
}

// If another job has claimed an expired checkpoint, the files that the other job needs must stay.
func TestWhatAnotherJobDependsOnDoesNotExpire(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ckpt")
	placed(t, incremental, dir, "file:"+dir)
	job := filepath.Join(dir, incrementalJob)
	aside := filepath.Join(t.TempDir(), "chk-3")
	must(t, os.CopyFS(aside, os.DirFS(filepath.Join(job, "chk-3"))))
	claimed(t, aside, filepath.Join(dir, "0000000000000000000000000000000b"))
	grownOld(t, dir)
	a := &audit.Auditor{Files: filesystem.Local{}}
	for _, root := range []string{job, dir} { // in the first round, the other job is not below the root
		e := expiry(t, root, audit.Policy{Keep: 1})
		_, err := a.DeleteExpired(context.Background(), root, audit.ExpireOptions{Now: time.Now(), Policy: e.Policy}, e.Expired)
		must(t, err)
		expectRestorable(t, a, dir, 2)
	}
}

// If it is unknown to which jobs some checkpoints belong, their ids do not show which checkpoint is
// newer. So no checkpoint expires, and no checkpoint counts as the newest.
func TestCheckpointsOfUnknownJobsDoNotExpire(t *testing.T) {
	dir, archive := filepath.Join(t.TempDir(), "ckpt"), filepath.Join(t.TempDir(), "archive")
	placed(t, incremental, dir, "file:"+dir)
	a := &audit.Auditor{Files: filesystem.Local{}}
	for i, name := range []string{"orders", "payments", "savepoint-000000-aaaaaaaaaaaa"} {
		_, err := a.Copy(context.Background(), filepath.Join(dir, incrementalJob, fmt.Sprintf("chk-%d", i+2)), filepath.Join(archive, name))
		must(t, err)
	}
	grownOld(t, archive)
	if e := expiry(t, archive, audit.Policy{Keep: 1}); len(e.Expired) > 0 || e.Kept != 3 || len(e.Notes) != 1 || !strings.Contains(e.Notes[0], "3 checkpoints stay, because it is unknown") {
		t.Errorf("got %+v", e)
	}
	list, err := a.List(context.Background(), archive)
	must(t, err)
	if _, _, err := list.Latest(""); err == nil || !strings.Contains(err.Error(), "holds checkpoints of jobs that are not known") {
		t.Errorf("got %v", err)
	}
	if e := expiry(t, dir, audit.Policy{OlderThan: time.Hour}); len(e.Expired) != 3 || len(e.Notes) != 1 || !strings.HasPrefix(e.Notes[0], "WARNING: no checkpoint is left to restore job "+incrementalJob) {
		t.Errorf("got %+v", e)
	}
}

// A plan records the other roots and the moves with which it was made.
func TestAPlanIsCarriedOutAsItWasMade(t *testing.T) {
	old, dir, other := filepath.Join(t.TempDir(), "old"), filepath.Join(t.TempDir(), "ckpt"), filepath.Join(t.TempDir(), "other")
	placed(t, incremental, old, "file:"+old)
	must(t, os.Rename(old, dir))
	aside := filepath.Join(t.TempDir(), "chk-3")
	must(t, os.CopyFS(aside, os.DirFS(filepath.Join(dir, incrementalJob, "chk-3"))))
	claimed(t, aside, filepath.Join(other, "0000000000000000000000000000000b"))
	moved := []audit.Move{{From: old, To: dir}}
	options := audit.ExpireOptions{Now: time.Now(), Policy: audit.Policy{Keep: 1}, Also: []string{other}}
	e, err := (&audit.Auditor{Files: filesystem.Local{}, Moved: moved}).Expire(context.Background(), dir, options)
	must(t, err)
	var text bytes.Buffer
	must(t, e.WritePlan(&text))
	plan, err := audit.ReadExpirePlan(&text, dir)
	must(t, err)
	if !slices.Equal(plan.Moved, moved) || len(plan.Also) != 1 || plan.Also[0] != "file:"+other || plan.Policy != options.Policy || len(plan.Lines) != 2 {
		t.Errorf("got %+v", plan)
	}
	a := &audit.Auditor{Files: filesystem.Local{}, Moved: plan.Moved}
	_, err = a.DeleteExpired(context.Background(), dir, audit.ExpireOptions{Now: time.Now(), Policy: plan.Policy, Also: plan.Also}, plan.Lines)
	must(t, err)
	expectRestorable(t, a, other, 1)
	wrong := &audit.Auditor{Files: filesystem.Local{}, Moved: append(moved, audit.Move{From: "/bogus", To: "/x"})}
	before := tree(t, dir)
	if _, err := wrong.DeleteExpired(context.Background(), dir, options, plan.Lines); err == nil || !slices.Equal(before, tree(t, dir)) {
		t.Errorf("a plan was carried out with a --rebase that matches nothing: %v", err)
	}
}

func TestDependentsAreNamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ckpt")
	placed(t, incremental, dir, "file:"+dir)
	job := filepath.Join(dir, incrementalJob)
	a := &audit.Auditor{Files: filesystem.Local{}}
	deps := func(path string) audit.Deps {
		t.Helper()
		d, err := a.Deps(context.Background(), path, audit.DepsOptions{Now: time.Now()})
		must(t, err)
		return d
	}
	// The files that chk-3 shares with chk-2 are in the directory "shared". So no other checkpoint
	// depends on the directory of chk-2.
	if d := deps(filepath.Join(job, "chk-2")); !d.MayBeDeleted || d.Checkpoints != 2 || len(d.Notes) != 0 {
		t.Errorf("got %+v", d)
	}
	if d := deps(filepath.Join(job, "chk-4/_metadata")); d.MayBeDeleted || len(d.Dependents) != 1 {
		t.Errorf("got %+v", d)
	}
	if d := deps(filepath.Dir(dir)); d.MayBeDeleted || len(d.Doubts) != 1 || !strings.Contains(d.Doubts[0], "no other checkpoint was read") {
		t.Errorf("got %+v", d)
	}
	if d := deps(filepath.Join(job, "chk-4")); !d.MayBeDeleted || len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "is the newest checkpoint of its job: without it") {
		t.Errorf("got %+v", d)
	}
	users := map[string]int{}
	for _, chk := range []string{"chk-2", "chk-3", "chk-4"} {
		for _, name := range filesOf(t, dir, filepath.Join(job, chk)) {
			if filepath.Base(filepath.Dir(name)) == "shared" {
				users[name]++
			}
		}
	}
	several := 0
	for name, n := range users {
		d := deps(name)
		if d.MayBeDeleted || len(d.Dependents) != n || d.Dependents[0].First != "file:"+name {
			t.Errorf("%s: want %d dependents, got %+v", name, n, d)
		}
		if n > 1 {
			several++
		}
	}
	if several == 0 {
		t.Error("no file is shared")
	}
}

// It is unknown which files a checkpoint needs if it is in progress, or if it cannot be read.
func TestDependentsAreNotKnownWhileAJobRuns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ckpt")
	placed(t, incremental, dir, "file:"+dir)
	job := filepath.Join(dir, incrementalJob)
	deps := func(path string) audit.Deps {
		t.Helper()
		d, err := (&audit.Auditor{Files: filesystem.Local{}}).Deps(context.Background(), path, audit.DepsOptions{Now: time.Now()})
		must(t, err)
		return d
	}
	only := orphan(t, filepath.Join(job, "shared"))
	if d := deps(filepath.Join(job, "shared", only)); !d.MayBeDeleted {
		t.Errorf("got %+v", d)
	}
	must(t, os.Mkdir(filepath.Join(job, "chk-5"), 0o700)) // now the job seems to run
	orphanNow(t, filepath.Join(job, "shared"))
	for _, path := range []string{filepath.Join(job, "shared/99999999-2222-4333-8444-555555555555"), filepath.Join(job, "chk-5"), job} {
		if d := deps(path); d.MayBeDeleted || len(d.Doubts) != 1 || !strings.Contains(d.Doubts[0], "chk-5") || !strings.Contains(d.Doubts[0], "may be in progress") {
			t.Errorf("%s: got %+v", path, d)
		}
	}
	must(t, os.Remove(filepath.Join(job, "chk-5")))
	must(t, os.WriteFile(filepath.Join(job, "chk-3/_metadata"), []byte("damaged"), 0o600))
	if d := deps(filepath.Join(job, "shared", only)); d.MayBeDeleted || len(d.Doubts) != 1 || !strings.Contains(d.Doubts[0], "chk-3/_metadata cannot be read") {
		t.Errorf("got %+v", d)
	}
}

// operator returns an operator for the tests of Compat.
func operator(uid string, parallelism, maximum int32, keyed metadata.KeyedHandle) metadata.Operator {
	o := metadata.Operator{UID: uid, ID: metadata.NewOperatorID(uid), Parallelism: parallelism, MaxParallelism: maximum}
	if keyed != nil {
		o.Subtasks = []metadata.Subtask{{ManagedKeyed: keyed}}
	}
	return o
}

func TestWhatFlinkWouldRefuseIsSaid(t *testing.T) {
	state := &metadata.ByteStream{Name: "state", Data: []byte("state")}
	heap := &metadata.KeyGroups{Kind: metadata.KeyGroupsV2, Offsets: []int64{0}, Stream: state}
	canonical := &metadata.KeyGroups{Kind: metadata.KeyGroupsSavepoint, Offsets: []int64{0}, Stream: state}
	rocks := &metadata.Incremental{Backend: "b", Range: metadata.KeyGroupRange{Count: 1}, Shared: []metadata.LocalFile{{LocalPath: "1.sst", Stream: state}}}
	write := func(name string, operators ...metadata.Operator) string {
		dir := filepath.Join(t.TempDir(), name)
		must(t, os.MkdirAll(dir, 0o700))
		data, err := metadata.Encode(metadata.Checkpoint{Version: metadata.Version, ID: 7, Operators: operators})
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, "_metadata"), data, 0o600))
		return dir
	}
	for what, c := range map[string]struct {
		from, job []metadata.Operator
		refused   []string
		note      string
	}{
		"the same":         {[]metadata.Operator{operator("a", 2, 128, heap)}, []metadata.Operator{operator("a", 2, 128, heap)}, nil, ""},
		"rescaled":         {[]metadata.Operator{operator("a", 2, 128, heap)}, []metadata.Operator{operator("a", 3, 128, heap)}, nil, ""},
		"gone with state":  {[]metadata.Operator{operator("a", 2, 128, heap)}, []metadata.Operator{operator("b", 2, 128, heap)}, []string{"a: the job has no such operator|--allowNonRestoredState"}, "1 operators of the job are not in the checkpoint"},
		"gone without":     {[]metadata.Operator{operator("a", 2, 128, nil)}, []metadata.Operator{operator("b", 2, 128, heap)}, nil, "they start without state"},
		"another maximum":  {[]metadata.Operator{operator("a", 2, 128, heap)}, []metadata.Operator{operator("a", 2, 256, heap)}, []string{"a: its maximum parallelism is 128 in the checkpoint and 256 in the job|sets it to 128"}, ""},
		"too parallel":     {[]metadata.Operator{operator("a", 2, 4, heap)}, []metadata.Operator{operator("a", 8, 8, heap)}, []string{"a: its maximum|", "a: the job's parallelism is 8, but the checkpoint has only 4 key groups|-p 4 or less"}, ""},
		"another backend":  {[]metadata.Operator{operator("a", 2, 128, rocks)}, []metadata.Operator{operator("a", 2, 128, heap)}, []string{"a: its keyed state was written by rocksdb|canonical savepoint"}, ""},
		"canonical":        {[]metadata.Operator{operator("a", 2, 128, canonical)}, []metadata.Operator{operator("a", 2, 128, rocks)}, nil, ""},
		"changelog is new": {[]metadata.Operator{operator("a", 2, 128, heap)}, []metadata.Operator{operator("a", 2, 128, &metadata.Changelog{Materialized: []metadata.KeyedHandle{heap}})}, nil, "the changelog is enabled only in the checkpoint, or only in the job"},
	} {
		got, err := (&audit.Auditor{Files: filesystem.Local{}}).Compat(write("from", c.from...), write("job", c.job...))
		must(t, err)
		if got.Accepted != (len(c.refused) == 0) || len(got.Refusals) != len(c.refused) || !strings.Contains(strings.Join(got.Notes, "\n"), c.note) {
			t.Errorf("%s: got %+v", what, got)
			continue
		}
		for i, want := range c.refused {
			why, unless, _ := strings.Cut(want, "|")
			if said := got.Refusals[i].Operator + ": " + got.Refusals[i].Why; !strings.HasPrefix(said, why) || !strings.Contains(got.Refusals[i].Unless, unless) {
				t.Errorf("%s: want %s, got %+v", what, want, got.Refusals[i])
			}
		}
	}
}

// Versions before 5 record only the ids of operators. With the given uids, Inspect can say which
// state belongs to which uid.
func TestUIDsTellWhoseStateItIs(t *testing.T) {
	at, err := filepath.Abs(filepath.Join(samples, "2.3.0/24-reserialized-versions/_metadata.v3"))
	must(t, err)
	in, err := (&audit.Auditor{Files: filesystem.Local{}}).Inspect(at, "src", "cnt", "nobody")
	must(t, err)
	var known []string
	for _, uid := range in.UIDs {
		known = append(known, fmt.Sprint(uid.UID, " ", uid.ID[:4], " ", uid.Found))
	}
	if fmt.Sprint(known) != "[src f362 true cnt f397 true nobody "+metadata.NewOperatorID("nobody").String()[:4]+" false]" || len(in.Nameless) != 1 || !strings.HasPrefix(in.Nameless[0], "2e58") {
		t.Errorf("got %v, %v", known, in.Nameless)
	}
	if in.ReadableBy != "1.15 to 2.3" || in.Kind != audit.UnknownKind || !strings.HasPrefix(in.Backend, "hashmap") {
		t.Errorf("got %q, %q, %q", in.ReadableBy, in.Kind, in.Backend)
	}
	states := in.Operators[slices.IndexFunc(in.Operators, func(o audit.InspectedOperator) bool { return o.ID == in.UIDs[0].ID })].States
	if fmt.Sprint(states) != "[{offset SPLIT_DISTRIBUTE 2} {union-offset UNION 2}]" {
		t.Errorf("got %v", states)
	}
}
