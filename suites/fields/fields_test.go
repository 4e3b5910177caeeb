package fields_test

import (
	"flag"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/suites/fields"
)

// A new field has no row at first. Then this test fails.
func TestEachFieldHasARow(t *testing.T) {
	names := fields.Names()
	rows := map[string]bool{}
	for _, row := range fields.Rows() {
		rows[row.Field] = true
		if !slices.Contains(names, row.Field) {
			t.Errorf("a row is about %s, but there is no such field", row.Field)
		}
	}
	for _, name := range names {
		if !rows[name] {
			t.Errorf("the field %s has no row", name)
		}
	}
}

func TestTheFieldsOnTheSimulatedReference(t *testing.T) {
	check(t, &fields.Bench{Target: reference.Simulated{}}, runtime.NumCPU())
}

func TestTheFieldsOnTheReferenceAsProcesses(t *testing.T) {
	dir := t.TempDir() // the program with high availability, snapback-full, is expected beside the other
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "github.com/snapback/snapback/cmd/...").CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %s", err, output)
	}
	check(t, &fields.Bench{Target: reference.Processes{Binary: filepath.Join(dir, "snapback")}, Dir: t.TempDir()}, 4)
}

// Some faults happen only to objects.
func TestTheFieldsOnSimulatedObjects(t *testing.T) {
	objects, err := reference.ParseStorage("s3://bucket/checkpoints")
	if err != nil {
		t.Fatal(err)
	}
	check(t, &fields.Bench{Target: reference.Simulated{Storage: objects}}, runtime.NumCPU(), "Throttle.Times", "Refuse", "Leave", "Stale")
}

var pattern = flag.String("rows", "**", "the fields whose rows are checked, as in job.*")

// check checks the rows of the given fields, or all rows. It checks a number of rows at the same
// time.
func check(t *testing.T, bench *fields.Bench, parallel int, only ...string) {
	rows := slices.DeleteFunc(fields.Rows(), func(row fields.Row) bool {
		return !faults.Match(*pattern, row.Field) || len(only) > 0 && !slices.Contains(only, row.Field)
	})
	failed := make([]error, len(rows))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, row := range rows {
		group.Go(func() error {
			began := time.Now()
			refused, err := bench.Check(t.Context(), row)
			failed[i] = err
			switch took := time.Since(began).Round(time.Millisecond); {
			case err != nil:
				t.Logf("%s, %s: %s", row.Field, took, err)
			case refused != "":
				t.Logf("%s: refused: %s", row.Field, refused)
			default:
				t.Logf("%s, %s: %s", row.Field, took, row.Shows)
			}
			return nil
		})
	}
	_ = group.Wait() // no function returns an error
	for i, row := range rows {
		t.Run(row.Field, func(t *testing.T) {
			if failed[i] != nil {
				t.Error(failed[i])
			}
		})
	}
}
