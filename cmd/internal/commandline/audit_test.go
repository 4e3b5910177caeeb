package commandline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// samples holds checkpoints that Flink wrote.
const samples = "../../../storage/testdata/flink-metadata/2.3.0"

// sample copies a checkpoint with its job's directory into a temporary directory. It returns the
// copied directories: of the checkpoint and of the job.
func sample(t *testing.T) (chk, job string) {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(filepath.Join(samples, "02-hashmap-files-p2"))); err != nil {
		t.Fatal(err)
	}
	job = filepath.Join(root, "000000000000000000000000c0ffee02")
	return filepath.Join(job, "chk-3"), job
}

func TestAuditAnswersInWordsAndInJSON(t *testing.T) {
	chk, job := sample(t)
	for _, c := range []struct {
		arguments []string
		words     string
		field     string
		want      any
	}{
		{[]string{"ls", job}, "3 checkpoints, 3 restorable", "schema", "snapback/list/1"},
		{[]string{"inspect", chk}, "src   Source: number source", "checkpointId", 3.0},
		{[]string{"verify", chk}, "restorable: file:" + chk, "restorable", true},
		{[]string{"verify", "--deep", chk}, "restorable: file:" + chk, "restorable", true},
		{[]string{"diff", job + "/chk-2", chk}, "added    4 files", "schema", "snapback/diff/1"},
		{[]string{"orphans", job}, "0 orphans with 0 B", "checkpoints", 3.0},
		{[]string{"deps", job + "/chk-2"}, "no other checkpoint uses it: it may be deleted", "mayBeDeleted", true},
		{[]string{"compat", chk, "--with", job + "/chk-2"}, "accepted, as far as the metadata shows", "accepted", true},
		{[]string{"expire", "--keep", "3", job}, "0 checkpoints to delete", "kept", 3.0},
	} {
		words, program := snapback(t, c.arguments...), snapback(t, append(c.arguments, "--format", "json")...)
		if words.code != exitHolds || !strings.Contains(words.stdout, c.words) {
			t.Errorf("%s: want %s, got %d\n%s%s", c.arguments, c.words, words.code, words.stdout, words.stderr)
		}
		var document map[string]any
		if err := json.Unmarshal([]byte(program.stdout), &document); err != nil || program.code != exitHolds || document[c.field] != c.want {
			t.Errorf("%s: want %s %v, got %d, %v\n%s%s", c.arguments, c.field, c.want, program.code, document[c.field], program.stdout, program.stderr)
		}
	}
	if got := snapback(t, "ls", "--latest", job); got.code != exitHolds || !strings.HasPrefix(got.stdout, "file:"+job+"/chk-") {
		t.Errorf("got %d, %s", got.code, got.stdout)
	}
}

func TestWhatCannotBeRestoredFromIsAFinding(t *testing.T) {
	chk, job := sample(t)
	entries, err := os.ReadDir(chk)
	if err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(chk, entries[0].Name())
	if err := os.Truncate(victim, 1); err != nil {
		t.Fatal(err)
	}
	got := snapback(t, "verify", chk)
	for _, want := range []string{"NOT restorable: file:" + chk, "wrong-size: file:" + victim, "found:    1 bytes", "lost:     operator ", ", subtask "} {
		if got.code != exitFinding || !strings.Contains(got.stdout, want) {
			t.Errorf("want exit code 1 and %q, got %d\n%s", want, got.code, got.stdout)
		}
	}
	if got := snapback(t, "verify", "--format", "json", chk); got.code != exitFinding || !strings.Contains(got.stdout, `"kind": "wrong-size"`) {
		t.Errorf("got %d, %s", got.code, got.stdout)
	}
	if got := snapback(t, "seal", chk); got.code != exitFinding || !strings.Contains(got.stdout, "NOT restorable") {
		t.Errorf("got %d, %s", got.code, got.stdout)
	}
	for _, id := range []string{"chk-1", "chk-2"} {
		if err := os.RemoveAll(filepath.Join(job, id)); err != nil {
			t.Fatal(err)
		}
	}
	if got := snapback(t, "ls", "--latest", job); got.code != exitFinding || got.stdout != "" || !strings.Contains(got.stderr, "there is no restorable checkpoint under") {
		t.Errorf("got %d, %s%s", got.code, got.stdout, got.stderr)
	}
}

func TestASealFindsAFlippedBit(t *testing.T) {
	chk, _ := sample(t)
	if got := snapback(t, "seal", chk); got.code != exitHolds || !strings.Contains(got.stdout, "sealed: file:"+chk+".seal.json") {
		t.Fatalf("got %d, %s%s", got.code, got.stdout, got.stderr)
	}
	entries, err := os.ReadDir(chk)
	if err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(chk, entries[0].Name())
	data, err := os.ReadFile(victim)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(victim, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := snapback(t, "verify", chk); got.code != exitHolds {
		t.Errorf("no size has changed: %d, %s", got.code, got.stdout)
	}
	if got := snapback(t, "verify", "--deep", chk); got.code != exitFinding || !strings.Contains(got.stdout, "corrupt: file:"+victim) {
		t.Errorf("got %d, %s", got.code, got.stdout)
	}
}

// The program deletes an orphan only if a plan lists it. It never writes over an existing plan.
func TestOrphansAreDeletedByPlanOnly(t *testing.T) {
	_, job := sample(t)
	orphan, old := filepath.Join(job, "shared", "left"), time.Now().Add(-48*time.Hour)
	if err := os.MkdirAll(filepath.Dir(orphan), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(orphan, []byte("left"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(orphan, old, old); err != nil {
		t.Fatal(err)
	}
	plan := filepath.Join(t.TempDir(), "plan.jsonl")
	got := snapback(t, "orphans", "--plan", plan, job)
	for _, want := range []string{"unreferenced-shared: 1 file, 4 B: ", "  file:" + orphan, "1 orphan with 4 B"} {
		if got.code != exitFinding || !strings.Contains(got.stdout, want) {
			t.Errorf("want exit code 1 and %q, got %d\n%s", want, got.code, got.stdout)
		}
	}
	if got := snapback(t, "orphans", "--plan", plan, job); got.code != exitUsage || !strings.Contains(got.stderr, "the file exists") {
		t.Errorf("a plan was overwritten: %d, %s", got.code, got.stderr)
	}
	if _, err := os.Stat(orphan); err != nil {
		t.Error("deleted without --delete")
	}
	if got := snapback(t, "orphans", "--delete", "--plan", plan, job); got.code != exitHolds || !strings.Contains(got.stdout, "deleted 1 file with 4 B, kept 0") {
		t.Errorf("got %d, %s%s", got.code, got.stdout, got.stderr)
	}
	if _, err := os.Stat(orphan); !os.IsNotExist(err) {
		t.Error("the orphan was not deleted")
	}
}

func TestBadPlacesAreOneSentenceAndExitCode2(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": "http://" + deadAddress(t), "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "HADOOP_USER_NAME": "nobody",
	} {
		t.Setenv(name, value)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections, but never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	chk, job := sample(t)
	dead := deadAddress(t)
	plan := filepath.Join(t.TempDir(), "plan")
	if err := os.WriteFile(plan, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"verify"}, "snapback verify: want PATH, got 0 arguments"},
		{[]string{"diff", chk}, "snapback diff: want A and B, got 1 arguments"},
		{[]string{"verify", "/nowhere"}, `cannot find checkpoint "/nowhere": no such file or directory`},
		{[]string{"verify", job}, "is not a checkpoint, but holds 3 checkpoints, from chk-1 to chk-3: see snapback ls file:" + job},
		{[]string{"inspect", filepath.Dir(job)}, "holds directories of 1 jobs: see snapback ls file:" + filepath.Dir(job)},
		{[]string{"verify", filepath.Join(job, "shared")}, "cannot find"},
		{[]string{"inspect", filepath.Join(samples, "README")}, "no such file or directory"},
		{[]string{"inspect", "commandline.go"}, "cannot find checkpoint"},
		{[]string{"inspect", "--uids", "/nowhere", chk}, "--uids: open /nowhere: no such file or directory"},
		{[]string{"copy", chk}, "snapback copy: want A and B, got 1 arguments"},
		{[]string{"copy", chk, chk}, "is the checkpoint to copy"},
		{[]string{"copy", chk, job}, "exists, and is not empty: name a new directory"},
		{[]string{"copy", chk, "/proc/x"}, "the source is untouched"},
		{[]string{"copy", chk, "ftp://host/x"}, "want one of the schemes file, hdfs, s3, gs, azblob, got ftp"},
		{[]string{"copy", "/nowhere", "/x"}, `cannot find checkpoint "/nowhere"`},
		{[]string{"deps", "/nowhere"}, `"/nowhere": no such file or directory`},
		{[]string{"deps", "--also", "/nowhere", chk}, `root "/nowhere": no such directory`},
		{[]string{"compat", chk}, "want --with B, a checkpoint of the job that must restore A"},
		{[]string{"compat", chk, "--with", "/nowhere"}, `cannot find checkpoint "/nowhere"`},
		{[]string{"expire", job}, "want --keep N or --older-than D, or both"},
		{[]string{"expire", "--keep", "-1", job}, "--keep: want 0 or more, got -1"},
		{[]string{"expire", "--keep", "0", job}, "want --older-than D with it"},
		{[]string{"expire", "--delete", job}, "--delete: want --plan FILE; write this file first: snapback expire --keep N --plan FILE " + job},
		{[]string{"expire", "--delete", "--plan", plan, job}, "plan: want a first line with schema snapback/expire-plan/1"},
		{[]string{"expire", "--keep", "1", "--plan", plan, job}, "the file exists: name another file, or delete it"},
		{[]string{"ls", "--job", "a", job}, "--job: want --latest with it"},
		{[]string{"ls", "--latest", "--job", "ffff", job}, "has no such job"},
		{[]string{"inspect", plan}, "plan: decode _metadata: magic number at offset 0: want 4 bytes, got the end of the file after 3"},
		{[]string{"ls", plan}, "want a directory, got a file"},
		{[]string{"ls", "/nowhere"}, `root "/nowhere": no such directory`},
		{[]string{"verify", "ftp://host/x"}, "want one of the schemes file, hdfs, s3, gs, azblob, got ftp"},
		{[]string{"verify", "file://host/x"}, "want no host in a file URL, got host; write file:///host/x for a local path"},
		{[]string{"verify", "hdfs:///x"}, "the NameNode of hdfs:/ is unknown: set HADOOP_CONF_DIR"},
		{[]string{"verify", "s3a:///x"}, "want a bucket or a container after s3a://"},
		{[]string{"ls", "oss://bucket/x"}, "this store cannot be reached: want one of the schemes file, hdfs, s3, gs, azblob, got oss"},
		{[]string{"verify", "--rebase", "/nowhere=/a", chk}, "--rebase file:/nowhere=file:/a matched nothing: no absolute path is recorded"},
		{[]string{"verify", "hdfs://" + dead + "/x"}, "no NameNode answers at " + dead},
		{[]string{"verify", "hdfs://" + silent.Addr().String() + "/x"}, "timeout"},
		{[]string{"ls", "s3://bucket/x"}, "connection refused"},
		{[]string{"verify", "--rebase", "/a", chk}, "--rebase: want FROM=TO"},
		{[]string{"verify", "--format", "xml", chk}, `--format: want human or json, got "xml"`},
		{[]string{"orphans", "--delete", job}, "--delete: want --plan FILE; write this file first: snapback orphans --plan FILE " + job},
		{[]string{"orphans", "--delete", "--plan", "/nowhere", job}, "--plan: open /nowhere: no such file or directory"},
		{[]string{"orphans", "--delete", "--plan", plan, job}, "plan: want a first line with schema"},
		{[]string{"orphans", "--age", "-1s", job}, "--age: want 0 or more, got -1s"},
		{[]string{"reference", "jobmanager", "--config", "/nowhere"}, "--config: configuration: want config.yaml or flink-conf.yaml in the directory /nowhere, found neither"},
		{[]string{"reference", "jobmanager", "-D", "novalue"}, `-D: want key=value, got "novalue"`},
		{[]string{"reference", "run", "--jobmanager", dead, "-D", "execution.checkpointing.interval=soon", "counts"}, `configuration key execution.checkpointing.interval: want a time such as 500 ms, 10 s or 5 min, got "soon"`},
		{[]string{"reference", "run", "--jobmanager", dead, "-D", "execution.checkpointing.mode=TWICE", "counts"}, `execution.checkpointing.mode: want EXACTLY_ONCE or AT_LEAST_ONCE, got "TWICE"`},
		{[]string{"reference", "stop", "--jobmanager", "127.0.0.1:1"}, "want the id of one job"},
	} {
		began := time.Now()
		got := snapback(t, c.arguments...)
		if got.code != exitUsage || !strings.Contains(got.stderr, c.want) || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 || strings.Contains(got.stderr, "goroutine") {
			t.Errorf("snapback %s: want exit code 2 and %s\ngot %d, %s%s", strings.Join(c.arguments, " "), c.want, got.code, got.stderr, got.stdout)
		}
		if took := time.Since(began); took > 40*time.Second {
			t.Errorf("snapback %s: it took %s to say so", strings.Join(c.arguments, " "), took)
		}
	}
}

func TestWithoutPermissionItIsSaidSo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root, to become another user")
	}
	chk, _ := sample(t)
	copied := filepath.Join(os.TempDir(), fmt.Sprintf("snapback-permission-%d", os.Getpid()))
	defer func() { _ = os.RemoveAll(copied) }()
	if err := os.CopyFS(filepath.Join(copied, "chk-3"), os.DirFS(chk)); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(copied, "snapback")
	data, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, data, 0o755); err != nil {
		t.Fatal(err)
	}
	as := func(mode os.FileMode, name string) outcome {
		for place, mode := range map[string]os.FileMode{copied: 0o755, filepath.Join(copied, "chk-3"): 0o755, filepath.Join(copied, name): mode} {
			if err := os.Chmod(place, mode); err != nil {
				t.Fatal(err)
			}
		}
		command := exec.Command(program, "verify", filepath.Join(copied, "chk-3"))
		command.Dir = "/"
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		return output(t, command)
	}
	if got := as(0o700, "chk-3"); got.code != exitUsage || !strings.Contains(got.stderr, "permission denied") {
		t.Errorf("a directory: got %d, %s%s", got.code, got.stdout, got.stderr)
	}
	if err := filepath.WalkDir(copied, func(name string, _ os.DirEntry, err error) error {
		if err == nil {
			err = os.Chmod(name, 0o755)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(copied, "chk-3"))
	if err != nil {
		t.Fatal(err)
	}
	if got := as(0o600, "chk-3/"+entries[0].Name()); got.code != exitUsage || !strings.Contains(got.stdout, "UNKNOWN: ") || !strings.Contains(got.stdout, "unreadable: ") || !strings.Contains(got.stderr, "permission denied") {
		t.Errorf("a file: got %d, %s%s", got.code, got.stdout, got.stderr)
	}
}

// as() runs the program as the user named nobody.
func as(t *testing.T, dir string, arguments ...string) outcome {
	t.Helper()
	program := filepath.Join(dir, "snapback")
	if _, err := os.Stat(program); err != nil {
		data, err := os.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(program, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command(program, arguments...)
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return output(t, command)
}

// If the user lacks a permission, the exit code is always 2. The test tries each verb with each
// file and directory.
func TestWhatMayNotBeLookedAtIsExitCode2(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root, to become another user")
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("snapback-denied-%d", os.Getpid()))
	defer func() { _ = os.RemoveAll(dir) }() // the directory is temporary, so a failure does no harm
	root := filepath.Join(dir, "ckpt")
	if err := os.CopyFS(root, os.DirFS(filepath.Join(samples, "02-hashmap-files-p2"))); err != nil {
		t.Fatal(err)
	}
	job := filepath.Join(root, "000000000000000000000000c0ffee02")
	chk := filepath.Join(job, "chk-3")
	if err := exec.Command("chmod", "-R", "a+rX", dir).Run(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(chk)
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(chk, entries[0].Name())
	verbs := [][]string{{"verify", chk}, {"ls", root}, {"expire", "--keep", "1", root}, {"copy", chk, filepath.Join(dir, "to")}}
	whoAsks := slices.Concat(verbs, [][]string{{"orphans", root}, {"deps", chk}}) // orphans and deps need only the names of state files
	for closed, verbs := range map[string][][]string{filepath.Join(chk, "_metadata"): whoAsks, state: verbs, chk: whoAsks, job: whoAsks} {
		while(t, closed, func() {
			for _, arguments := range verbs {
				if got := as(t, dir, arguments...); got.code != exitUsage || !strings.Contains(got.stderr, "permission denied") {
					t.Errorf("%s with %s closed: want exit code 2, got %d\n%s%s", arguments[0], filepath.Base(closed), got.code, got.stdout, got.stderr)
				}
			}
			if got := as(t, dir, "ls", root); closed != job && !strings.Contains(got.stdout, "chk-2") {
				t.Errorf("ls did not list the other checkpoints: %s", got.stdout)
			}
		})
	}
}

// while() takes all permissions from a file or directory, calls do(), and restores the permissions.
func while(t *testing.T, closed string, do func()) {
	t.Helper()
	before, err := os.Stat(closed)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	do()
	if err := os.Chmod(closed, before.Mode()); err != nil {
		t.Fatal(err)
	}
}

// A file that is not metadata is bad input. A checkpoint whose metadata Flink wrote but can no
// longer read is not restorable. The message says why.
func TestRefusalsSayWhatTheyMean(t *testing.T) {
	const refusals = "../../../storage/testdata/flink-metadata-public/refusals/"
	for name, c := range map[string]struct {
		code int
		want string
	}{
		"cep-no-metadata":          {exitUsage, "the file is not checkpoint metadata"},
		"flink1.1-v0":              {exitFinding, "written by Flink 1.1 or 1.2"},
		"flink1.2-v1":              {exitFinding, "written by Flink 1.1 or 1.2"},
		"flink1.3-v2-legacy-state": {exitFinding, "legacy state (from Flink <= 1.1"},
	} {
		file, err := filepath.Abs(refusals + name)
		if err != nil {
			t.Fatal(err)
		}
		if got := snapback(t, "verify", file); got.code != c.code || !strings.Contains(got.stdout+got.stderr, c.want) {
			t.Errorf("verify %s: want %d and %s, got %d\n%s%s", name, c.code, c.want, got.code, got.stdout, got.stderr)
		}
		if got := snapback(t, "inspect", file); got.code != exitUsage || !strings.Contains(got.stderr, c.want) {
			t.Errorf("inspect %s: got %d\n%s", name, got.code, got.stderr)
		}
	}
}

// No list in a JSON document is null. An empty list is [].
func TestListsAreNeverNull(t *testing.T) {
	chk, job := sample(t)
	empty := t.TempDir()
	for _, arguments := range [][]string{
		{"ls", empty},
		{"ls", job},
		{"orphans", empty},
		{"orphans", job},
		{"expire", "--keep", "9", empty},
		{"deps", chk},
		{"verify", chk},
		{"inspect", chk},
		{"diff", chk, chk},
		{"compat", chk, "--with", chk},
	} {
		got := snapback(t, append(arguments, "--format", "json")...)
		var document map[string]any
		if err := json.Unmarshal([]byte(got.stdout), &document); err != nil || got.code != exitHolds {
			t.Errorf("%s: %d, %v", arguments, got.code, err)
		}
		for key, value := range document {
			if value == nil && key != "properties" {
				t.Errorf("%s: %s is null", arguments, key)
			}
		}
	}
}

// The command ls fails if a root holds checkpoints but none of them is restorable.
func TestARootWithoutAnythingToRestoreIsAFinding(t *testing.T) {
	_, job := sample(t)
	for _, name := range []string{"chk-1", "chk-2", "chk-3"} {
		if err := os.WriteFile(filepath.Join(job, name, "_metadata"), []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := snapback(t, "ls", job); got.code != exitFinding || !strings.Contains(got.stdout, "3 checkpoints, 0 restorable") {
		t.Errorf("got %d, %s", got.code, got.stdout)
	}
	if got := snapback(t, "orphans", "--age", "0s", job); got.code != exitNotProven || !strings.Contains(got.stdout, "not proven: ") {
		t.Errorf("got %d, %s", got.code, got.stdout)
	}
	if got := snapback(t, "ls", t.TempDir()); got.code != exitHolds {
		t.Errorf("an empty root: got %d", got.code)
	}
}

// The test copies a checkpoint and deletes older checkpoints by a plan. Then the copy and the
// newest checkpoint are restorable.
func TestACheckpointIsCopiedAndTheOldOnesExpire(t *testing.T) {
	chk, job := sample(t)
	to, plan := filepath.Join(t.TempDir(), "copied"), filepath.Join(t.TempDir(), "plan.jsonl")
	if got := snapback(t, "copy", chk, to); got.code != exitHolds || !strings.Contains(got.stdout, "copied: file:"+to+" (5 files, ") || !strings.Contains(got.stdout, "/s); the copy was read back and compared") {
		t.Errorf("got %d, %s%s", got.code, got.stdout, got.stderr)
	}
	if got := snapback(t, "verify", "--deep", to); got.code != exitHolds {
		t.Errorf("got %d, %s", got.code, got.stdout)
	}
	if got := snapback(t, "expire", "--keep", "1", "--plan", plan, job); got.code != exitFinding || !strings.Contains(got.stdout, "2 checkpoints to delete") {
		t.Errorf("got %d, %s%s", got.code, got.stdout, got.stderr)
	}
	if got := snapback(t, "expire", "--delete", "--keep", "2", "--plan", plan, job); got.code != exitUsage || !strings.Contains(got.stderr, "was made with --keep 1 --older-than 0s") {
		t.Errorf("got %d, %s", got.code, got.stderr)
	}
	if got := snapback(t, "expire", "--delete", "--keep", "1", "--plan", plan, job); got.code != exitHolds || !strings.Contains(got.stdout, "deleted 2 checkpoints") {
		t.Errorf("got %d, %s%s", got.code, got.stdout, got.stderr)
	}
	if got := snapback(t, "ls", "--latest", job); got.code != exitHolds || got.stdout != "file:"+chk+"\n" {
		t.Errorf("got %d, %s", got.code, got.stdout)
	}
}

// peakOf watches a process until it ends, and returns its peak memory in MB. It does not use the
// figure that the kernel reports for an ended child, because that figure includes memory of the
// parent process.
func peakOf(pid int) int {
	for peak := 0; ; time.Sleep(time.Millisecond) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, after, found := strings.Cut(string(status), "VmHWM:")
		if err != nil || !found {
			return peak
		}
		var kilobytes int
		if _, err := fmt.Sscanf(after, "%d kB", &kilobytes); err == nil {
			peak = max(peak, kilobytes>>10)
		}
	}
}

// The program needs little memory even if a root holds many files. It reports its progress.
func TestARootOfManyFilesTakesLittleMemory(t *testing.T) {
	_, job := sample(t)
	shared := filepath.Join(job, "shared")
	if err := os.MkdirAll(shared, 0o700); err != nil {
		t.Fatal(err)
	}
	const many = 100_000
	for i := range many {
		file, err := os.Create(filepath.Join(shared, fmt.Sprintf("%032x", i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, arguments := range [][]string{{"ls", job}, {"orphans", "-v", "--age", "0s", "--format", "json", job}} {
		command := exec.Command(binary, arguments...)
		command.Dir = t.TempDir()
		var stderr bytes.Buffer
		command.Stderr = &stderr
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		took := peakOf(command.Process.Pid)
		_ = command.Wait() // the test checks the exit code below
		t.Logf("%s: %d MB, %s", arguments[0], took, command.ProcessState.UserTime())
		if took == 0 || took >= 200 {
			t.Errorf("snapback %s took %d MB", arguments[0], took)
		}
		if arguments[0] == "orphans" && (command.ProcessState.ExitCode() != exitFinding || !strings.Contains(stderr.String(), "files looked at: 100000")) {
			t.Errorf("got %s, %.200s", command.ProcessState, stderr.String())
		}
	}
}
