package architecture_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snapback/snapback/suites/architecture"
)

// stringEdges returns the edges that the files of a package contain as strings. It ignores test
// files, because tests may build any package.
func stringEdges(t *testing.T, p listedPackage) []architecture.Edge {
	t.Helper()
	var edges []architecture.Edge
	for _, file := range append(p.GoFiles, p.IgnoredGoFiles...) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		code, err := os.ReadFile(filepath.Join(p.Dir, file))
		if err != nil {
			t.Fatal(err)
		}
		found, err := architecture.StringEdges(p.ImportPath, string(code))
		if err != nil {
			t.Fatal(err)
		}
		edges = append(edges, found...)
	}
	return edges
}

func TestPathsOfPackagesInStringsAreEdges(t *testing.T) {
	const code = `package p

import _ "github.com/snapback/snapback/storage"

// "./faults" in a comment
const (
	hunter  = "./suites/power/hunter"
	program = ` + "`github.com/snapback/snapback/cmd/snapback`" + `
	all     = "./reference/..."
	module  = "github.com/snapback/snapback"
	other   = "github.com/snapback/snapback-tools/x"
	file    = "./storage/x.txt"
	folder  = "./snapback-runs"
	text    = "go run ./suites/power/mutants"
)
`
	from := architecture.Module + "/storage/audit"
	edges, err := architecture.StringEdges(from, code)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, edge := range edges {
		got += strings.TrimPrefix(edge.From, architecture.Module) + " " + strings.TrimPrefix(edge.To, architecture.Module) + "\n"
	}
	const want = "/storage/audit /suites/power/hunter\n/storage/audit /cmd/snapback\n/storage/audit /reference\n"
	if got != want {
		t.Errorf("want\n%s\ngot\n%s", want, got)
	}
	if refused := architecture.Violations(edges); len(refused) != len(edges) {
		t.Errorf("want each edge refused, got %q", refused)
	}
	if _, err := architecture.StringEdges(from, "package"); err == nil {
		t.Error("want an error for a file that is no Go")
	}
}

func ExampleStringEdges() {
	edges, err := architecture.StringEdges(architecture.Module+"/storage", `package storage; const hunter = "./suites/power/hunter"`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(architecture.Violations(edges)[0])
	// Output: github.com/snapback/snapback/storage imports github.com/snapback/snapback/suites/power/hunter: storage may import nothing of ours
}
