package power_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/suites/power"
)

const (
	header = "id: X-1\nsymptom: it is gone\nmechanism: a line\nrequirements: REC-02 SHR-01\n"
	good   = header + "--- a/b/c.go\n+++ b/b/c.go\n@@ -1,1 +1,1 @@\n-x\n+id: y\n"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAMutantIsRead(t *testing.T) {
	all, err := power.Read(write(t, "X-1.diff", good))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(all[0].ID, all[0].Requirements, len(all[0].Hunks)); got != "X-1[REC-02 SHR-01] 1" {
		t.Errorf("got %s", got)
	}
	if _, err := power.Select(all, []string{"X-2"}); err == nil || !strings.Contains(err.Error(), `there is no mutant "X-2"`) {
		t.Errorf("got %v", err)
	}
}

func TestABadMutantIsRefusedByName(t *testing.T) {
	for want, text := range map[string]string{
		"want its file's name":                                  strings.Replace(good, "id: X-1", "id: X-2", 1),
		"want a symptom and a mechanism":                        strings.Replace(good, "symptom: it is gone\n", "", 1),
		"there is no requirement \"shared\"":                    strings.Replace(good, "SHR-01", "shared", 1),
		"or a reason why it is":                                 strings.Replace(good, "requirements: REC-02 SHR-01\n", "", 1),
		"there is no diff in it":                                header,
		"there is no change in its diff":                        strings.SplitAfter(good, "b/c.go\n+++ b/b/c.go\n")[0],
		`want a line that begins with @@`:                       strings.Replace(good, "@@ -1,1 +1,1 @@\n", "", 1),
		`want a line that begins with a space, - or +, got "x"`: good + "x\n",
		`then a diff, got "something: else"`:                    "something: else\n" + good,
	} {
		_, err := power.Read(write(t, "X-1.diff", text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "X-1.diff") {
			t.Errorf("want …%s…, got %v", want, err)
		}
	}
	if _, err := power.Read(t.TempDir()); err == nil {
		t.Error("want an error for a directory without mutants")
	}
}

// When the quantiles sort the hunts by their runs, a hunt without a finding comes after all hunts
// with a finding.
func TestQuantilesOfWhatWasNotFound(t *testing.T) {
	var m power.Matrix
	hunt := func(id string, found bool, runs int) {
		m.Rows = append(m.Rows, power.Row{Mutant: power.Mutant{ID: id}, Hunts: []power.Hunt{{Found: found, Runs: runs, CPU: time.Duration(runs)}}})
	}
	hunt(power.Canary, true, 1)
	hunt("a", true, 900)
	hunt("b", false, 10)
	hunt("c", true, 3)
	s := m.Summaries()[0]
	if got := fmt.Sprint(s.Found, s.Of, s.Runs.Median, s.Runs.MedianMore, s.Runs.P95, s.Runs.P95More, s.Runs.Max); got != "2 3 900 false 10 true 900" {
		t.Errorf("got %s", got)
	}
}

func ExampleRead() {
	all, err := power.Read(filepath.Join("..", "..", "reference", "mutants"))
	if err != nil {
		fmt.Println(err)
		return
	}
	chosen, err := power.Select(all, []string{"FLINK-21351"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(chosen[0].Symptom)
	// Output: incremental checkpoints are lost after a savepoint was taken
}
