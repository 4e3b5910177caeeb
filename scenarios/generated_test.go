package scenarios_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/scenarios"
)

var update = flag.Bool("update", false, "rewrite docs/requirements.md")

func TestGeneratedDocs(t *testing.T) {
	known, err := scenarios.Requirements()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	text.WriteString("# Requirements\n\nGenerated from `scenarios/requirements.yaml` and the catalogue; `make golden` rewrites this file.\n\n" +
		"| id | level | requirement | source | checked by |\n|---|---|---|---|---|\n")
	for _, r := range known {
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s |\n", r.ID, r.Level, r.Text, r.Source, strings.Join(checking(t, r.ID), "<br>"))
	}
	name := filepath.Join("..", "docs", "requirements.md")
	if *update {
		if err := os.WriteFile(name, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != text.String() {
		t.Errorf("%s is not what requirements.yaml and the catalogue say; run: make golden", name)
	}
}

func checking(t *testing.T, requirement string) []string {
	t.Helper()
	var names []string
	for _, s := range catalogue(t) {
		if slices.Contains(s.Requirements, requirement) {
			names = append(names, "`"+s.Name+"`")
		}
	}
	return names
}
