package properties_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/snapback/snapback/suites/power"
)

// eventsMax is the greatest number of steps of a failing case. A person must be able to read the
// case.
const eventsMax = 20

// The command `snapback explore` finds a planted mistake, and prints a case that a person can read.
// The tests of package power show that all mutants of the museum are found.
func TestAPlantedFaultIsFoundAndReadable(t *testing.T) {
	source, err := power.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	museum, err := power.Read(power.Museum(source))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"commit-early", "splits-to-all"} {
		t.Run(id, func(t *testing.T) {
			chosen, err := power.Select(museum, []string{id})
			if err != nil {
				t.Fatal(err)
			}
			program, err := power.Workshop{Source: source, Dir: t.TempDir()}.Build(context.Background(), power.Snapback, "snapback", &chosen[0])
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(program, "explore", "--seed", "1", "--runs", "20000", "--quiet", "--cases", t.TempDir()).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Fatalf("the planted mistake was not found: %v\n%s", err, out)
			}
			_, steps, _ := strings.Cut(string(out), "\nsteps:\n")
			n := 0
			for _, line := range strings.Split(steps, "\n") {
				if strings.HasPrefix(line, "- ") { // the lines after the steps are indented
					n++
				}
			}
			if n == 0 || n >= eventsMax {
				t.Errorf("want fewer than %d events, got %d:\n%s", eventsMax, n, out)
			}
		})
	}
}
