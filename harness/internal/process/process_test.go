package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/internal/process"
)

// The tests also run this test binary as another process, in the role of the harness that is
// killed.
func TestMain(m *testing.M) {
	if os.Getenv("SNAPBACK_TEST_PARENT") == "" {
		os.Exit(m.Run())
	}
	command := exec.Command("sh", "-c", "sleep 1000 & echo $!; wait")
	p, err := process.NewStarter().Start(os.Getenv("SNAPBACK_TEST_PARENT"), "child", command)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	lines := []string{}
	for tail := process.NewTail(p.Log); len(lines) == 0; { // waits until the grandchild runs
		lines, _ = tail.Lines()
	}
	fmt.Println(command.Process.Pid, lines[0])
	select {}
}

func TestWhatWasStartedDiesWithAKilledHarness(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "SNAPBACK_TEST_PARENT="+t.TempDir())
	output, err := parent.StdoutPipe()
	must(t, err)
	must(t, parent.Start())
	line, err := bufio.NewReader(output).ReadString('\n')
	must(t, err)
	var child, grandchild int
	_, err = fmt.Sscan(line, &child, &grandchild)
	must(t, err)
	if !alive(child) || !alive(grandchild) {
		t.Fatalf("the processes %d and %d were not started", child, grandchild)
	}
	must(t, parent.Process.Kill())
	_ = parent.Wait() // the error says that the process was killed
	for deadline := time.Now().Add(10 * time.Second); alive(child) || alive(grandchild); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(-child, syscall.SIGKILL)
			t.Fatalf("process %d or %d outlived the harness", child, grandchild)
		}
	}
}

// alive says whether a process runs. A zombie does not run.
func alive(pid int) bool { return !slices.Contains([]string{"", "Z"}, stateOf(pid)) }

func TestAProcessThatEndedSaysHow(t *testing.T) {
	starter := process.NewStarter()
	p, err := starter.Start(t.TempDir(), "failing", exec.Command("sh", "-c", "echo no luck; exit 7"))
	must(t, err)
	for p.Ended() == nil {
		time.Sleep(time.Millisecond) // until the condition above
	}
	if text := p.Ended().Error(); !strings.Contains(text, "failing ended (exit status 7)") || !strings.Contains(text, "no luck") {
		t.Errorf("got %s", text)
	}
	must(t, p.Kill()) // killing a process that has ended is no error
	must(t, starter.Close())
}

func TestCloseKillsWhatStillRuns(t *testing.T) {
	starter := process.NewStarter()
	command := exec.Command("sh", "-c", "sleep 1000 & echo $!; wait")
	p, err := starter.Start(t.TempDir(), "child", command)
	must(t, err)
	lines := []string{}
	for tail := process.NewTail(p.Log); len(lines) == 0; { // waits until the grandchild runs
		lines, err = tail.Lines()
		must(t, err)
	}
	grandchild, err := strconv.Atoi(lines[0])
	must(t, err)
	must(t, starter.Close())
	for deadline := time.Now().Add(10 * time.Second); alive(command.Process.Pid) || alive(grandchild); {
		if time.Now().After(deadline) {
			t.Fatal("the process or its child still runs")
		}
	}
}

func TestTailReturnsWholeLinesOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	tail := process.NewTail(name)
	for _, step := range []struct {
		appended string
		want     []string
	}{{"", nil}, {"a\nb", []string{"a"}}, {"", nil}, {"c\n\n", []string{"bc", ""}}} {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		must(t, err)
		_, err = file.WriteString(step.appended)
		must(t, err)
		must(t, file.Close())
		lines, err := tail.Lines()
		must(t, err)
		if !slices.Equal(lines, step.want) {
			t.Errorf("after %q: want %q, got %q", step.appended, step.want, lines)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRunReturnsOutputAndExitCode(t *testing.T) {
	starter, dir := process.NewStarter(), t.TempDir()
	defer func() { must(t, starter.Close()) }()
	output, err := starter.Run(context.Background(), dir, "a", exec.Command("sh", "-c", "echo out; echo err >&2; exit 7"))
	var exit *exec.ExitError
	if output != "out\nerr\n" || !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("got %q, %v", output, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := starter.Run(ctx, dir, "b", exec.Command("sleep", "1000")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestWorkersAreFilledUpAndKilledByName(t *testing.T) {
	starter, dir := process.NewStarter(), t.TempDir()
	defer func() { must(t, starter.Close()) }()
	cluster := process.NewCluster()
	workers := &cluster.TaskManagers
	start := func(name string) (process.Worker, error) {
		return starter.Start(dir, name, exec.Command("sleep", "1000"))
	}
	must(t, workers.Fill(2, start))
	must(t, cluster.Kill("taskmanager-1"))
	if err := cluster.Kill("taskmanager-1"); err == nil {
		t.Error("a process was killed twice")
	}
	released, err := cluster.Release("taskmanager-2")
	must(t, err)
	if names := workers.Names(); len(names) != 0 || released.Name() != "taskmanager-2" || released.Ended() != nil {
		t.Errorf("want taskmanager-2 to run and no name, got %s, %v and %q", released.Name(), released.Ended(), names)
	}
	must(t, released.Kill())
	if err := workers.Ended(); err != nil { // a released process may end
		t.Error(err)
	}
	must(t, workers.Fill(2, start))
	if names := workers.Names(); !slices.Equal(names, []string{"taskmanager-3", "taskmanager-4"}) {
		t.Errorf("got %q", names)
	}
	next := cluster.Successor()
	must(t, next.TaskManagers.Fill(1, start))
	if names := next.TaskManagers.Names(); !slices.Equal(names, []string{"taskmanager-5"}) {
		t.Errorf("a later cluster has %q", names)
	}
	if err := workers.Ended(); err != nil { // no process ended by itself
		t.Error(err)
	}
}

func ExampleStarter() {
	dir, _ := os.MkdirTemp("", "snapback-*")
	defer func() { _ = os.RemoveAll(dir) }()
	starter := process.NewStarter()
	p, _ := starter.Start(dir, "child", exec.Command("sleep", "1000"))
	_ = p.Kill()
	fmt.Println(strings.SplitN(p.Ended().Error(), ";", 2)[0])
	_ = starter.Close()
	// Output: child ended (signal: killed)
}

func TestASlowProcessStandsStillForAPartOfItsTime(t *testing.T) {
	starter := process.NewStarter()
	defer func() { must(t, starter.Close()) }()
	command := exec.Command("sh", "-c", "while :; do :; done")
	p, err := starter.Start(t.TempDir(), "slow", command)
	must(t, err)
	stopped := func() bool { return stateOf(command.Process.Pid) == "T" }
	sees := func(state bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); stopped() != state; {
			if time.Now().After(deadline) {
				t.Fatalf("want stopped to become %v, but it never did", state)
			}
		}
	}
	must(t, p.Slow(30))
	for range 3 {
		sees(true)
		sees(false)
	}
	must(t, p.Resume())
	sees(false)
	for range 10 {
		if time.Sleep(7 * time.Millisecond); stopped() {
			t.Fatal("the resumed process is stopped")
		}
	}
	must(t, p.Slow(30))
	must(t, p.Kill())
	must(t, p.Resume()) // resuming a dead process is no error
}

// stateOf returns the state of a process as one letter, such as R, S or T. It returns nothing if no
// such process exists.
func stateOf(pid int) string {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(status), ") ")
	return after[:1]
}
