package programs_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/snapback/snapback/suites/internal/programs"
)

// parentVariable is set if this test binary runs in the role of the suite that is killed. Its value
// is the directory of that suite.
const parentVariable = "SNAPBACK_TEST_SUITE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentVariable); dir != "" {
		beKilled(dir)
	}
	os.Exit(m.Run())
}

// beKilled starts a program, prints its process id and waits.
func beKilled(dir string) {
	command := exec.Command("sleep", "1000")
	if _, err := programs.Start(dir, "child", command); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(command.Process.Pid)
	select {}
}

func TestAProgramDiesWithTheSuite(t *testing.T) {
	suite := exec.Command(os.Args[0])
	suite.Env = append(os.Environ(), parentVariable+"="+t.TempDir())
	output, err := suite.StdoutPipe()
	must(t, err)
	must(t, suite.Start())
	line, err := bufio.NewReader(output).ReadString('\n')
	must(t, err)
	child, err := strconv.Atoi(strings.TrimSpace(line))
	must(t, err)
	must(t, suite.Process.Kill())
	_ = suite.Wait() // the error says that the process was killed
	for limit := time.Now().Add(10 * time.Second); runs(child); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			_ = syscall.Kill(child, syscall.SIGKILL)
			t.Fatalf("process %d outlived the suite", child)
		}
	}
}

// runs says whether a process runs. A process that nobody has reaped yet does not run.
func runs(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !strings.Contains(string(status), "State:\tZ")
}

func TestTheEndOfAProgramIsAnErrorWithItsOutput(t *testing.T) {
	p, err := programs.Start(t.TempDir(), "failing", exec.Command("sh", "-c", "echo no luck; exit 7"))
	must(t, err)
	for limit := time.Now().Add(10 * time.Second); p.Ended() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the program did not end")
		}
	}
	for _, want := range []string{"failing ended (exit status 7)", "no luck"} {
		if !strings.Contains(p.Ended().Error(), want) {
			t.Errorf("want %q in the error, got: %v", want, p.Ended())
		}
	}
	must(t, p.Kill())
	must(t, p.Signal(syscall.SIGTERM))
}

func TestRunReturnsTheOutput(t *testing.T) {
	output, err := programs.Run(t.Context(), t.TempDir(), "talking", exec.Command("sh", "-c", "echo out; echo err >&2"))
	if must(t, err); output != "out\nerr\n" {
		t.Errorf("want both streams, got %q", output)
	}
}

func TestRunKillsAProgramWhoseTimeIsUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := programs.Run(ctx, t.TempDir(), "sleeping", exec.Command("sleep", "1000"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("want the deadline, got %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
