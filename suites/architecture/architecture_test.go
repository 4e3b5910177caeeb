package architecture_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/suites/architecture"
)

type listedPackage struct {
	ImportPath, Dir, Doc               string
	Imports, TestImports, XTestImports []string
	GoFiles, IgnoredGoFiles            []string
}

func packages(t *testing.T) []listedPackage {
	t.Helper()
	command := exec.Command("go", "list", "-json", architecture.Module+"/...")
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listedPackage
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p listedPackage
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestTheModuleKeepsToTheArrows(t *testing.T) {
	var edges []architecture.Edge
	for _, p := range packages(t) {
		for i, imports := range [][]string{p.Imports, p.TestImports, p.XTestImports} {
			for _, to := range imports {
				edges = append(edges, architecture.Edge{From: p.ImportPath, To: to, Test: i > 0})
			}
		}
		edges = append(edges, stringEdges(t, p)...)
	}
	if len(edges) < 100 {
		t.Fatalf("only %d imports were found", len(edges))
	}
	if hunter := (architecture.Edge{From: architecture.Module + "/suites/power", To: architecture.Module + "/suites/power/hunter"}); !slices.Contains(edges, hunter) {
		t.Errorf("a path in a string was not found: %v", hunter)
	}
	for _, violation := range architecture.Violations(edges) {
		t.Error(violation)
	}
}

func TestBadEdgesAreRefusedByName(t *testing.T) {
	for _, bad := range []struct{ from, to, why string }{
		{"/storage", "/faults", "storage may import nothing of ours"},
		{"/storage/metadata", "/harness/history", "storage may import nothing of ours"},
		{"/reference/task", "/faults", "the reference reads as a specification"},
		{"/reference", "/harness", "the reference reads as a specification"},
		{"/reference", "/scenarios", "reference may import storage"},
		{"/harness", "/reference", "the reference is only one more target"},
		{"/harness/targets/flink", "/reference/job", "the reference is only one more target"},
		{"/faults/tap", "/storage", "faults know no layout of checkpoints"},
		{"/faults", "/storage/metadata", "faults know no layout of checkpoints"},
		{"/scenarios", "/harness", "scenarios may import storage, faults"},
		{"/cmd/snapback", "/suites/conformance", "cmd may import storage, faults, reference, scenarios, harness"},
		{"/harness", "github.com/onsi/gomega", "only suites may import it"},
		{"/reference", "github.com/onsi/ginkgo/v2", "only suites may import it"},
		{"/harness", "pgregory.net/rapid", "only suites may import it"},
		{"/faults", "github.com/testcontainers/testcontainers-go/network", "only suites may import it"},
		{"/util", "fmt", "there is no folder util in the architecture"},
		{"", "fmt", "the root of the module holds no package"},
	} {
		edge := architecture.Edge{From: architecture.Module + bad.from, To: bad.to}
		if strings.HasPrefix(bad.to, "/") {
			edge.To = architecture.Module + bad.to
		}
		violations := architecture.Violations([]architecture.Edge{edge})
		want := fmt.Sprintf("%s imports %s: %s", edge.From, edge.To, bad.why)
		if len(violations) != 1 || !strings.HasPrefix(violations[0], want) {
			t.Errorf("want %s, got %q", want, violations)
		}
	}
	for _, good := range []architecture.Edge{
		{From: architecture.Module + "/harness/targets/reference", To: architecture.Module + "/reference"},
		{From: architecture.Module + "/suites/flink", To: "github.com/onsi/gomega"},
		{From: architecture.Module + "/storage", To: "fmt"},
		{From: architecture.Module + "/faults", To: architecture.Module + "/storage/filesystem"},
	} {
		if violations := architecture.Violations([]architecture.Edge{good}); len(violations) > 0 {
			t.Error(violations)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && len(p.Doc) < 40 {
			t.Errorf("%s: want a doc comment that says what it is, got %q", p.ImportPath, p.Doc)
		}
	}
}

// Engine code uses only its environment. It starts no goroutine, reads no clock and draws no random
// number by itself. The live runtime is an exception.
func TestEngineCodeIsDeterministic(t *testing.T) {
	seen := 0
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, architecture.Module+"/")
		if !strings.HasPrefix(name, "reference") || strings.HasPrefix(name, "reference/live") {
			continue
		}
		for _, file := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			seen++
			for _, found := range outside(t, string(text)) {
				t.Errorf("%s/%s: %s", name, file, found)
			}
		}
	}
	if seen < 10 {
		t.Fatalf("only %d files of the engine were found", seen)
	}
	const bad = `package p
import ("math/rand/v2"; "sync"; "time")
func f() { go f(); time.Now(); rand.IntN(3); rand.New(nil); var _ sync.Mutex }`
	if found := fmt.Sprint(outside(t, bad)); found != `[imports "sync" starts a goroutine time.Now rand.IntN]` {
		t.Errorf("the check does not find planted mistakes: %s", found)
	}
}

// outside lists the places in a Go file where engine code does not go through its environment.
func outside(t *testing.T, text string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	clock := []string{"Now", "Sleep", "After", "AfterFunc", "Since", "Until", "NewTimer", "NewTicker", "Tick"}
	dice := []string{"New", "NewPCG", "Rand"} // random numbers that depend only on a seed
	var found []string
	for _, imported := range file.Imports {
		if slices.Contains([]string{`"net"`, `"os"`, `"sync"`, `"crypto/rand"`, `"math/rand"`}, imported.Path.Value) {
			found = append(found, "imports "+imported.Path.Value)
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			found = append(found, "starts a goroutine")
		case *ast.SelectorExpr:
			of, ok := node.X.(*ast.Ident)
			if ok && of.Name == "time" && slices.Contains(clock, node.Sel.Name) ||
				ok && of.Name == "rand" && of.Obj == nil && !slices.Contains(dice, node.Sel.Name) {
				found = append(found, of.Name+"."+node.Sel.Name)
			}
		}
		return true
	})
	return found
}

func ExampleViolations() {
	bad := architecture.Edge{From: architecture.Module + "/harness", To: architecture.Module + "/reference"}
	fmt.Println(architecture.Violations([]architecture.Edge{bad})[0])
	// Output: github.com/snapback/snapback/harness imports github.com/snapback/snapback/reference: the reference is only one more target; harness/targets/reference alone knows it
}
