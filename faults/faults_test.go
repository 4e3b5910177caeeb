package faults_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// The test parses each line of parse.txt. For each line, the golden file holds the text of the
// parsed fault and its description, or the error.
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
	text.WriteString("# Faults\n\nThe package comment of `faults` says how a fault is written.\n[scenarios.md](scenarios.md#moments-of-a-fault) lists the moments at which it can fire.\n\nThis page is generated from `faults.Catalogue`. `make golden` rewrites it.\n\n| fault | does |\n|---|---|\n")
	for _, fault := range faults.Catalogue() {
		fmt.Fprintf(&text, "| `%s` | %s |\n", fault, fault.Describe())
	}
	text.WriteString("\n## Conditions\n\nA moment can ask for a condition that the history of the run must meet, by itself or at an\noperation. " +
		"`(And a b)`, `(Or a b)` and `(Not a)` make conditions out of conditions.\n\n| fault | does |\n|---|---|\n")
	for _, example := range []string{
		`(Kill cluster (Given (Triggered 4)))`,
		`(Kill taskmanager (Given (And (Completed 2) (Not (Restored 1)))))`,
		`(Kill jobmanager (Before (Rename "*/_metadata" (Given (Or (Completed 2) (Restored 1))))))`,
	} {
		fault, err := faults.Parse(example)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "| `%s` | %s |\n", fault, fault.Describe())
	}
	golden(t, filepath.Join("..", "docs", "faults.md"), text.String())
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
		if got := fault.Moment.Operation.Matches(faults.Rename, faults.Publish, "/c/j/chk-3/.x", name, 0, 0); got != want {
			t.Errorf("%s: want %v, got %v", text, want, got)
		}
	}
	for kind, want := range map[faults.Kind]bool{faults.Write: true, faults.Put: true, faults.Create: false, faults.Sync: false, faults.Rename: false} {
		if got := faults.Store.Includes(kind); got != want {
			t.Errorf("Store and %s: want %v, got %v", kind, want, got)
		}
	}
	write := faults.Operation{Kind: faults.Write, Byte: 100}
	for from, want := range map[int64]bool{0: false, 89: false, 90: true, 99: true, 100: false} {
		if got := write.Matches(faults.Write, faults.State, name, "", from, from+10); got != want {
			t.Errorf("a write from byte %d: want %v, got %v", from, want, got)
		}
	}
}

func TestAConditionHolds(t *testing.T) {
	seen := map[faults.Event]int{faults.Completed: 2, faults.Restored: 1}
	for text, want := range map[string]bool{
		`(Completed 2)`: true, `(Completed 3)`: false, `(Fired 1)`: false,
		`(Not (Completed 2))`: false, `(Not (Fired 1))`: true,
		`(And (Completed 2) (Restored 1))`: true, `(And (Completed 2) (Fired 1))`: false, `(And (Fired 1) (Completed 2))`: false,
		`(Or (Fired 1) (Restored 1))`: true, `(Or (Restored 1) (Fired 1))`: true, `(Or (Fired 1) (Triggered 1))`: false,
		`(And (Completed 2) (Not (Or (Fired 1) (Restored 2))))`: true,
	} {
		fault, err := faults.Parse("(Kill cluster (Given " + text + "))")
		if err != nil {
			t.Fatal(err)
		}
		if got := fault.Moment.Condition.Holds(func(e faults.Event) int { return seen[e] }); got != want {
			t.Errorf("%s: want %v, got %v", text, want, got)
		}
	}
}

// A fault is a plain value: it can be a key of a map, and in JSON it is a text.
func TestAFaultIsAValue(t *testing.T) {
	one, err := faults.Parse(`(Lag storage 50ms (Given (And (Completed 2) (Not (Restored 1)))))`)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]faults.Fault{"fault": one})
	if err != nil {
		t.Fatal(err)
	}
	var read map[string]faults.Fault
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if again := read["fault"]; !map[faults.Fault]bool{one: true}[again] {
		t.Errorf("want %s, got %s from %s", one, again, text)
	}
	other := one
	other.Action = faults.Lag{Of: faults.Storage, Delay: 51 * time.Millisecond}
	if other == one {
		t.Errorf("%s and %s are equal", one, other)
	}
}

// String works for a fault without an action. MarshalText refuses such a fault, and Parse does not
// read it.
func TestNothingIsNoFault(t *testing.T) {
	var nothing faults.Fault
	if got := nothing.String(); got != "()" {
		t.Errorf("want (), got %s", got)
	}
	if nothing.Describe() == "" || nothing.Whom() != "" || nothing.Needs() != "" || nothing.OfOperation() || nothing.OfConnection() {
		t.Errorf("nothing is something: %s", nothing.Describe())
	}
	if text, err := nothing.MarshalText(); err == nil {
		t.Errorf("written as %s", text)
	}
	if _, err := faults.Parse(nothing.String()); err == nil {
		t.Error("parsed")
	}
	for _, moment := range []faults.Moment{{When: faults.Given}, {When: faults.Given, Condition: faults.Not{}}, {When: faults.On}} {
		if half := (faults.Fault{Action: faults.Fail{}, Moment: moment}).String(); half == "" {
			t.Error("a half-filled fault prints nothing")
		}
	}
}

func ExampleParse() {
	fault, _ := faults.Parse(`(Kill taskmanager (Before (Rename "*/_metadata" (Nth 2))))`)
	fmt.Println(fault.Action, fault.Whom(), fault.Moment.Operation.Nth)
	// Output: Kill taskmanager taskmanager 2
}
