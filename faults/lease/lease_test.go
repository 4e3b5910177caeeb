package lease_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/snapback/snapback/faults/lease"
)

func TestWhatIsLeasedIsTakenBackAtItsEndAndNotBefore(t *testing.T) {
	leased := filepath.Join(t.TempDir(), "leased and with a space")
	if err := os.Mkdir(leased, 0o755); err != nil {
		t.Fatal(err)
	}
	held, err := lease.Take(`rmdir "$1"`, leased)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(leased); err != nil {
		t.Fatal(err)
	}
	if err := held.End(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(leased); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestWhatCannotBeTakenBackIsSaid(t *testing.T) {
	held, err := lease.Take("echo no luck >&2; exit 1")
	if err != nil {
		t.Fatal(err)
	}
	if err := held.End(); err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("got %v", err)
	}
}

// A group that no longer exists must not be killed: another process may have its number.
func TestGroupsAreKilledUnlessTheyWereDropped(t *testing.T) {
	groups, err := lease.TakeGroups()
	if err != nil {
		t.Fatal(err)
	}
	start := func() *exec.Cmd {
		command := exec.Command("sleep", "1000")
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		return command
	}
	held, dropped, alsoHeld := start(), start(), start()
	for _, command := range []*exec.Cmd{held, dropped, alsoHeld} {
		if err := groups.Hold(command.Process.Pid); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(groups.Drop(dropped.Process.Pid), groups.End()); err != nil {
		t.Fatal(err)
	}
	for _, command := range []*exec.Cmd{held, alsoHeld} {
		if err := command.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Errorf("want the process killed, got %v", err)
		}
	}
	if err := dropped.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("want the dropped process to run, got %v", err)
	}
	_ = dropped.Process.Kill()
	_ = dropped.Wait() // an error is expected, because the process was killed
}

func ExampleTake() {
	held, _ := lease.Take("echo taken back")
	fmt.Println("held")
	fmt.Println(held.End())
	// Output:
	// held
	// <nil>
}
