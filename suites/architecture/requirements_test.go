package architecture_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/suites/architecture"
)

var update = flag.Bool("update", false, "rewrite docs/requirements.md")

// areas names the areas of requirements, by the first letters of the requirements' ids.
var areas = map[string]string{
	"REC": "Recovery and exactly once",
	"CLN": "Cleanup and retention",
	"LAY": "Layout and paths",
	"SHR": "Files of checkpoints",
	"MOD": "Claim modes",
	"TRG": "Triggering",
	"JMS": "JobManager storage",
	"FSS": "File system storage",
	"MET": "Metadata",
	"RSC": "Rescaling",
	"DUR": "Durability under power loss",
	"LIV": "Liveness",
}

const requirementsIntroduction = `# Requirements

Each requirement is a sentence that must hold of an engine. Its id is permanent.

For each requirement this page links to:

- the scenarios that check it, from the catalogue;
- the oracles that judge it: functions that read the history of a run, or the table that such a
  function reads;
- the mutants that it must find: real bugs, planted in the reference engine
  ([power.md](power.md)).

The level is a word of RFC 2119. The source says where the requirement comes from. A requirement
with a feature counts only for a target that claims this feature ([scenarios.md](scenarios.md)).

This page is generated from ` + "`scenarios/requirements.yaml`" + `, the catalogue, the oracles and the
mutants. ` + "`make golden`" + ` rewrites it.
`

const promisesTable = `
A requirement with a promise counts only for a target that makes this promise. For other targets its
verdict is skip. Flink makes none of these promises.

| promise | what the target promises | who promises it |
|---|---|---|
| no-orphans | no file stays to which no kept checkpoint refers | the reference |
| in-order | records in flight keep their order when they are restored with another parallelism | the reference |
| subtasks | each subtask tells from which checkpoint it was restored | the simulated reference |
| reasons | each aborted checkpoint has Flink's name of the reason | the reference |
| leaders | with high availability, the target tells which JobManager leads | the reference |
`

func TestGeneratedRequirements(t *testing.T) {
	page := requirementsPage(t)
	name := filepath.Join(root, "docs", "requirements.md")
	if *update {
		if err := os.WriteFile(name, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != page {
		t.Errorf("%s differs from what requirements.yaml, the catalogue, the oracles and the mutants say; run: make golden", name)
	}
}

func requirementsPage(t *testing.T) string {
	t.Helper()
	known, err := scenarios.Requirements()
	if err != nil {
		t.Fatal(err)
	}
	checks, judges, finds := checking(t), judging(t), finding(t)
	links := map[string]string{}
	var page strings.Builder
	page.WriteString(requirementsIntroduction + promisesTable)
	area := ""
	for _, r := range known {
		if begin, _, _ := strings.Cut(r.ID, "-"); begin != area {
			area = begin
			if areas[area] == "" {
				t.Errorf("%s: there is no area %s", r.ID, area)
			}
			fmt.Fprintf(&page, "\n## %s\n", areas[area])
		}
		fmt.Fprintf(&page, "\n### %s\n\n%s\n\n", r.ID, architecture.Wrap(r.Text, ""))
		fmt.Fprintf(&page, "- Level: %s\n- Source: %s\n", r.Level, r.Source)
		if r.Feature != "" {
			fmt.Fprintf(&page, "- Feature: `%s`\n", r.Feature)
		}
		if r.Promise != "" {
			fmt.Fprintf(&page, "- Promise: `%s`\n", r.Promise)
		}
		writeLinks(t, &page, "Scenarios", checks[r.ID], links)
		writeLinks(t, &page, "Oracles", judges[r.ID], links)
		writeLinks(t, &page, "Mutants", finds[r.ID], links)
		if len(checks[r.ID]) == 0 || len(judges[r.ID]) == 0 {
			t.Errorf("%s: want a scenario that checks it and an oracle that judges it", r.ID)
		}
	}
	page.WriteByte('\n')
	for _, name := range slices.Sorted(maps.Keys(links)) {
		fmt.Fprintf(&page, "[%s]: ../%s\n", name, links[name])
	}
	return page.String()
}

// writeLinks writes a line of names to the page. It adds the target of each name to the links of
// the page.
func writeLinks(t *testing.T, page *strings.Builder, title string, leads, links map[string]string) {
	t.Helper()
	if len(leads) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(leads))
	for _, name := range names {
		if known := links[name]; known != "" && known != leads[name] {
			t.Errorf("%s names both %s and %s: a link can lead to one only", name, known, leads[name])
		}
	}
	page.WriteString(architecture.Wrap("- "+title+": ["+strings.Join(names, "], [")+"]", "  ") + "\n")
	maps.Copy(links, leads)
}

// checking returns, for each requirement, the names of the scenarios that check this requirement,
// with their files.
func checking(t *testing.T) map[string]map[string]string {
	t.Helper()
	catalogue, err := scenarios.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]map[string]string{}
	for _, s := range catalogue {
		base, _, _ := strings.Cut(s.Name, "/retention=") // variants share a file
		for _, id := range s.Requirements {
			add(found, id, s.Name, "scenarios/catalogue/"+base+".yaml")
		}
	}
	return found
}

// judging returns, for each requirement, the functions and tables of package oracle that name this
// requirement, with their files.
func judging(t *testing.T) map[string]map[string]string {
	t.Helper()
	const folder = "harness/oracle"
	found := map[string]map[string]string{}
	files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range file.Decls {
			ast.Inspect(declared, func(node ast.Node) bool {
				if literal, is := node.(*ast.BasicLit); is && requirementID(strings.Trim(literal.Value, `"`)) {
					add(found, strings.Trim(literal.Value, `"`), nameOf(declared), folder+"/"+filepath.Base(name))
				}
				_, compares := node.(*ast.BinaryExpr) // a comparison with an id judges nothing
				return !compares
			})
		}
	}
	return found
}

// finding returns, for each requirement, the mutants whose header names this requirement, with
// their files.
func finding(t *testing.T) map[string]map[string]string {
	t.Helper()
	const folder = "reference/mutants"
	files, err := filepath.Glob(filepath.Join(root, folder, "*.diff"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]map[string]string{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		header, _, _ := strings.Cut(string(text), "\n--- ")
		for line := range strings.Lines(header) {
			ids, is := strings.CutPrefix(line, "requirements:")
			if !is {
				continue
			}
			for _, id := range strings.Fields(ids) {
				add(found, id, strings.TrimSuffix(filepath.Base(name), ".diff"), folder+"/"+filepath.Base(name))
			}
		}
	}
	return found
}

// nameOf returns the name of a declared function, or the name of the first declared table.
func nameOf(declared ast.Decl) string {
	switch declared := declared.(type) {
	case *ast.FuncDecl:
		return declared.Name.Name
	case *ast.GenDecl:
		if table, is := declared.Specs[0].(*ast.ValueSpec); is {
			return table.Names[0].Name
		}
	}
	return ""
}

func add(found map[string]map[string]string, id, name, file string) {
	if found[id] == nil {
		found[id] = map[string]string{}
	}
	found[id][name] = file
}

func requirementID(text string) bool {
	area, number, found := strings.Cut(text, "-")
	return found && areas[area] != "" && len(number) == 2
}
