package conformance_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/flink/containers"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
)

var update = flag.Bool("update", false, "rewrite docs/features.md")

// column is a column of the table of features: one runtime of a target.
type column struct {
	name   string
	target target.Target
}

var columns = []column{
	{"reference: simulated", reference.Simulated{}},
	{"processes", reference.Processes{}},
	{"Flink: processes", flink.Target{}},
	{"minicluster", flink.Minicluster{}},
	{"containers", flink.Target{}.At(containers.Place{})},
	{"running", flink.Running{}},
}

// The test compares the page of features with the targets. With -update it writes the page:
//
//	go test ./suites/conformance -run TestThePageOfFeatures -update
func TestThePageOfFeaturesIsWhatTheTargetsCan(t *testing.T) {
	page := filepath.Join("..", "..", "docs", "features.md")
	want := featuresPage(t)
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/features.md differs from the targets; rewrite it with -update, and check the difference")
	}
}

func featuresPage(t *testing.T) string {
	all, err := scenarios.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	page.WriteString("# Features\n\nA test writes this page from the targets. [scenarios.md](scenarios.md) explains the steps.\n" +
		"The table is for Linux: on other systems connections cannot be disturbed. The reference has\n" +
		"`remote` as processes, too, if its checkpoints are on HDFS or on S3.\n\n")
	row := func(cells []string) { fmt.Fprintf(&page, "| %s |\n", strings.Join(cells, " | ")) }
	head, line := []string{"feature", "for"}, []string{"---", "---"}
	for _, c := range columns {
		head, line = append(head, c.name), append(line, "---")
	}
	row(head)
	row(line)
	for _, feature := range scenarios.Features() {
		row(rowOf(feature))
	}
	counts := []string{"", "scenarios of the catalogue"}
	for _, c := range columns {
		counts = append(counts, fmt.Sprint(len(all)-len(skipped(all, c.target))))
	}
	row(counts)
	page.WriteString("\n## Scenarios that no runtime of Flink runs\n\n| scenario | what Flink as processes lacks | what the minicluster lacks |\n|---|---|---|\n")
	onProcesses, inOneJVM := skipped(all, flink.Target{}), skipped(all, flink.Minicluster{})
	for _, s := range all {
		if onProcesses[s.Name] != "" && inOneJVM[s.Name] != "" {
			row([]string{s.Name, onProcesses[s.Name], inOneJVM[s.Name]})
		}
	}
	return page.String()
}

// rowOf returns the cells of a feature's row.
func rowOf(feature scenarios.Feature) []string {
	cells := []string{"`" + string(feature) + "`", feature.Describe()}
	for _, c := range columns {
		has := ""
		if slices.Contains(target.Features(c.target), feature) {
			has = "yes"
		}
		cells = append(cells, has)
	}
	return cells
}

// skipped says for each scenario that a target does not run what the target lacks. Settings are no
// reason: whether a Flink has a key can only be seen in an installed Flink.
func skipped(all []scenarios.Scenario, under target.Target) map[string]string {
	reasons := map[string]string{}
	for _, s := range all {
		var lacks []string
		for _, feature := range target.Unclaimed(under, s) {
			lacks = append(lacks, "`"+string(feature)+"`")
		}
		for _, field := range target.Fields(s) {
			if !under.Honours(field) && (field.Key == "" || under.Describe().Name == reference.Name) {
				lacks = append(lacks, "`"+field.Name+"`")
			}
		}
		if len(lacks) > 0 {
			slices.Sort(lacks)
			reasons[s.Name] = strings.Join(slices.Compact(lacks), ", ")
		}
	}
	return reasons
}

func TestEachFeatureIsDescribed(t *testing.T) {
	for _, feature := range scenarios.Features() {
		if feature.Describe() == "" {
			t.Errorf("the feature %s says nothing about itself", feature)
		}
	}
}
