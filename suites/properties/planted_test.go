package properties_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// eventsMax is how many steps a failing case may have, for a person to read it.
const eventsMax = 20

// planted are faults of the engine, each a line that is another.
var planted = []struct {
	what, file, old, new string
}{
	{
		"output is committed before the checkpoint is complete", "reference/workloads/sink.go",
		"if !s.CommitWith {", "if true {",
	},
	{
		"barriers are not aligned", "reference/task/gate.go",
		"return in.arrived && !g.atLeastOnce && g.aligning != nil && !g.aligning.overtaken", "return false",
	},
	{
		"records in flight are not restored", "reference/task/snapshot.go",
		"s.replay = append(s.replay, replayed{part.Edge, record})", "_ = record",
	},
	{
		"a file goes with the first checkpoint that refers to it", "storage/completed.go",
		"if len(users) == 0 {", "if true {",
	},
	{
		"splits are given to all when the parallelism changes", "reference/coordinator/assign.go",
		"if turns[named.Name]%a.parallelism == a.index {", "if true {",
	},
}

// A property that does not hold is found, and printed as a case that a person can read.
func TestPlantedFaultsAreFoundAndReadable(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range planted {
		t.Run(p.what, func(t *testing.T) {
			program := buildWith(t, root, p.file, p.old, p.new)
			out, err := exec.Command(program, "explore", "--seed", "1", "--runs", "20000", "--quiet", "--cases", t.TempDir()).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Fatalf("it was not found: %v\n%s", err, out)
			}
			_, steps, _ := strings.Cut(string(out), "\nsteps:\n")
			n := 0
			for _, line := range strings.Split(steps, "\n") {
				if strings.HasPrefix(line, "- ") { // what comes after the steps is indented
					n++
				}
			}
			if n == 0 || n >= eventsMax {
				t.Errorf("want fewer than %d events, got %d:\n%s", eventsMax, n, out)
			}
		})
	}
}

// buildWith builds the program with one line of it changed, and nothing on disk.
func buildWith(t *testing.T, root, file, old, changed string) string {
	t.Helper()
	name := filepath.Join(root, filepath.FromSlash(file))
	source, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(source), old) != 1 {
		t.Fatalf("%s has not exactly one %q: the planted fault is out of date", file, old)
	}
	dir := t.TempDir()
	replacement := filepath.Join(dir, "replacement.go")
	if err := os.WriteFile(replacement, []byte(strings.Replace(string(source), old, changed, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {name: replacement}})
	if err != nil {
		t.Fatal(err)
	}
	description := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(description, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "snapback")
	build := exec.Command("go", "build", "-overlay", description, "-o", program, "./cmd/snapback")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("%w\n%s", err, out))
	}
	return program
}
