package lease_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

func ExampleTake() {
	held, _ := lease.Take("echo taken back")
	fmt.Println("held")
	fmt.Println(held.End())
	// Output:
	// held
	// <nil>
}
