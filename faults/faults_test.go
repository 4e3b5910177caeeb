package faults_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snapback/snapback/faults"
)

var update = flag.Bool("update", false, "rewrite golden files and docs/faults.md")

func golden(t *testing.T, name, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != text {
		t.Errorf("%s is not what the code says; run: make golden\n%s", name, text)
	}
}

func TestEveryFaultPrintsAndParsesBack(t *testing.T) {
	for _, fault := range faults.Catalogue() {
		parsed, err := faults.Parse(fault.String())
		if err != nil || parsed != fault {
			t.Errorf("%s: parsed as %+v, %v", fault, parsed, err)
		}
		if strings.Contains(fault.Describe(), "{}") {
			t.Errorf("%s: described as %s", fault, fault.Describe())
		}
	}
}

// Each line of the golden file's sources is parsed; what it is printed as, or why it is
// none, is in the golden file.
func TestGoldenParse(t *testing.T) {
	sources, err := os.ReadFile("testdata/parse.txt")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for line := range strings.Lines(string(sources)) {
		line = strings.TrimSuffix(line, "\n")
		fault, err := faults.Parse(line)
		if err != nil {
			fmt.Fprintf(&text, "%s\n  error: %v\n", line, err)
			continue
		}
		fmt.Fprintf(&text, "%s\n  %s\n  %s\n", line, fault, fault.Describe())
		if again, err := faults.Parse(fault.String()); err != nil || again != fault {
			t.Errorf("%s: printed as %s, which is %+v, %v", line, fault, again, err)
		}
	}
	golden(t, "testdata/parse.golden", text.String())
}

func TestGoldenDocs(t *testing.T) {
	var text strings.Builder
	text.WriteString("# Faults\n\nGenerated from `faults.Catalogue`; `make golden` rewrites this file. How they are written is at the top of package `faults`.\n\n| fault | does |\n|---|---|\n")
	for _, fault := range faults.Catalogue() {
		fmt.Fprintf(&text, "| `%s` | %s |\n", fault, fault.Describe())
	}
	golden(t, filepath.Join("..", "docs", "faults.md"), text.String())
}

func TestAnOperationIsOfAPhase(t *testing.T) {
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
		{faults.Remove, "/c/j/chk-2/_metadata", "", faults.Discard},
		{faults.Remove, "/c/j/chk-2", "", faults.Discard},
		{faults.Write, "/jobs/first/progress/0", "", ""},
	} {
		if got := faults.PhaseOf(c.kind, c.name, c.newName); got != c.want {
			t.Errorf("%s %s: want phase %q, got %q", c.kind, c.name, c.want, got)
		}
	}
}

func TestAnOperationMatches(t *testing.T) {
	name := "/c/j/chk-3/_metadata"
	for text, want := range map[string]bool{
		`(Any)`: true, `(Any "*")`: true, `(Rename "*/_metadata")`: true, `(Rename "*/.x")`: true, `(Rename "*/chk-*/_*")`: true,
		`(Rename "/c/j/chk-3/_metadata")`: true, `(Rename (Phase publish))`: true,
		`(Write "*/_metadata")`: false, `(Rename "*/chk-4/*")`: false, `(Rename "_metadata")`: false, `(Rename (Phase state))`: false, `(Any (Byte 1))`: false,
	} {
		fault, err := faults.Parse("(Kill cluster (Before " + text + "))")
		if err != nil {
			t.Fatal(err)
		}
		if got := fault.Moment.Operation.Matches(faults.Rename, "/c/j/chk-3/.x", name, 0, 0); got != want {
			t.Errorf("%s: want %v, got %v", text, want, got)
		}
	}
	write := faults.Operation{Kind: faults.Write, Byte: 100}
	for from, want := range map[int64]bool{0: false, 89: false, 90: true, 99: true, 100: false} {
		if got := write.Matches(faults.Write, name, "", from, from+10); got != want {
			t.Errorf("a write from byte %d: want %v, got %v", from, want, got)
		}
	}
}

func ExampleParse() {
	fault, _ := faults.Parse(`(Kill taskmanager (Before (Rename "*/_metadata" (Nth 2))))`)
	fmt.Println(fault.Action, fault.Process, fault.Moment.Operation.Nth)
	// Output: Kill taskmanager 2
}
