package commandline

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A user of Flink runs the reference with a config.yaml for the cluster and keys for the job. The
// user stops the job with a savepoint, and resumes from the savepoint.
func TestReferenceWithFlinksConfiguration(t *testing.T) {
	dir := t.TempDir()
	config := "execution:\n  checkpointing:\n    dir: file://" + dir + "/checkpoints\n    savepoint-dir: file://" + dir + "/savepoints\n    num-retained: 2\n"
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func(arguments ...string) *lineReader {
		command := exec.Command(binary, append([]string{"reference"}, arguments...)...)
		stdout, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		command.Stderr = command.Stdout
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
		return newLineReader(stdout)
	}
	log := start("jobmanager", "--config", dir)
	address := regexp.MustCompile(`"path":"([^"]+)"`).FindStringSubmatch(log.until(t, `"listening"`))[1]
	start("taskmanager", "--jobmanager", address, "--slots", "2")
	const id = "0123456789abcdef0123456789abcdef"
	job := start("run", "--jobmanager", address, "--job-id", id, "--dir", dir+"/out", "--records", "100000",
		"-D", "execution.checkpointing.interval=30 ms", "-D", "state.checkpoints.num-retained=9", "counts")
	job.until(t, "ignored state.checkpoints.num-retained, which works only in the configuration of the cluster")
	for range 4 {
		log.until(t, `"checkpoint completed"`)
	}
	kept, err := filepath.Glob(dir + "/checkpoints/" + id + "/chk-*/_metadata")
	if err != nil || len(kept) < 2 || len(kept) > 3 {
		t.Errorf("want 2 checkpoints, got %q, %v", kept, err)
	}
	stopped := snapback(t, "reference", "stop", "--jobmanager", address, id)
	savepoint := strings.TrimSpace(stopped.stdout)
	if stopped.code != exitHolds || !strings.HasPrefix(savepoint, dir+"/savepoints/savepoint-012345-") {
		t.Fatalf("got %d, %s%s", stopped.code, stopped.stdout, stopped.stderr)
	}
	job.until(t, "is FINISHED")
	if got := snapback(t, "verify", "--deep", savepoint); got.code != exitHolds {
		t.Errorf("got %d, %s", got.code, got.stdout)
	}
	if got := snapback(t, "inspect", savepoint); !strings.Contains(got.stdout, "Suspend Savepoint, NATIVE") {
		t.Errorf("got %s", got.stdout)
	}
	resumed := start("run", "-s", savepoint, "--claim-mode", "CLAIM", "--jobmanager", address, "--dir", dir+"/out2", "--records", "100000", "--interval", "30ms", "counts")
	line := log.until(t, `"restored"`)
	if !strings.Contains(line, savepoint) {
		t.Errorf("got %s", line)
	}
	log.until(t, `"discarded"`) // the job had claimed the savepoint, and discarded it when a checkpoint subsumed it
	if _, err := os.Stat(filepath.Join(savepoint, "_metadata")); !os.IsNotExist(err) {
		t.Errorf("the claimed savepoint is still there: %v", err)
	}
	second := regexp.MustCompile(`job (\w+) is submitted`).FindStringSubmatch(resumed.until(t, "is submitted"))[1]
	if got := snapback(t, "reference", "suspend", "--jobmanager", address, second); got.code != exitHolds {
		t.Errorf("got %d, %s%s", got.code, got.stdout, got.stderr)
	}
	resumed.until(t, "is SUSPENDED")
	if got := snapback(t, "reference", "suspend", "--jobmanager", address, second); got.code != exitUsage || !strings.Contains(got.stderr, "is SUSPENDED") {
		t.Errorf("suspended twice: %d, %s", got.code, got.stderr)
	}
	if got := snapback(t, "ls", "--latest", dir+"/checkpoints/"+second); got.code != exitHolds { // by default the job retains its checkpoints
		t.Errorf("got %d, %s%s", got.code, got.stdout, got.stderr)
	}
}
