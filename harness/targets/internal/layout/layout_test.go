package layout_test

import (
	"fmt"
	"testing"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness/targets/internal/layout"
)

var _ tap.Layout = layout.Flink{}

func TestAnOperationBelongsToAPhase(t *testing.T) {
	for _, c := range []struct {
		kind          faults.Kind
		name, newName string
		want          faults.Phase
	}{
		{faults.Mkdir, "/c/j/chk-3", "", faults.Begin},
		{faults.Write, "/c/j/chk-3/a", "", faults.State},
		{faults.Create, "/c/j/shared/a", "", faults.State},
		{faults.Write, "/c/j/chk-3/._metadata.inprogress.x", "", faults.Metadata},
		{faults.Rename, "/c/j/chk-3/._metadata.inprogress.x", "/c/j/chk-3/_metadata", faults.Publish},
		{faults.Put, "s3://b/j/chk-3/_metadata", "", faults.Publish},
		{faults.SyncDir, "/c/0123456789abcdef0123456789abcdef", "", faults.Publish},
		{faults.Remove, "/c/j/chk-2/_metadata", "", faults.Discard},
		{faults.Remove, "/c/j/chk-2", "", faults.Discard},
		{faults.Write, "/jobs/first/progress/0", "", ""},
	} {
		if got := (layout.Flink{}).Phase(c.kind, c.name, c.newName); got != c.want {
			t.Errorf("%s %s: want phase %q, got %q", c.kind, c.name, c.want, got)
		}
	}
}

func TestANameIsOfACheckpoint(t *testing.T) {
	for name, want := range map[string]string{
		"/c/j/chk-3":               "/c/j 3 true",
		"/c/j/chk-3/a":             "/c/j 3 true",
		"s3://b/j/chk-3/_metadata": "s3://b/j 3 true",
		"/c/j/shared/a":            " 0 false",
		"/c/j/chk-x":               " 0 false",
	} {
		job, number, ok := layout.Flink{}.Checkpoint(name)
		if got := fmt.Sprint(job, " ", number, " ", ok); got != want {
			t.Errorf("%s: want %q, got %q", name, want, got)
		}
	}
}

func ExampleFlink() {
	taps := tap.New(layout.Flink{})
	operation := tap.Operation{Kind: faults.Put, Name: "s3://bucket/job/chk-3/_metadata"}
	taps.Before(&operation)
	fmt.Println(operation.Phase, operation.Step)
	// Output: publish 1
}
