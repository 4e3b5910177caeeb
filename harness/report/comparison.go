package report

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/snapback/snapback/harness/oracle"
)

// Comparison holds the verdicts of several versions of a target side by side.
type Comparison struct {
	Versions []string        `json:"versions"`
	Rows     []ComparisonRow `json:"rows"`
}

// ComparisonRow holds the verdicts on one scenario, in the order of the versions. The verdict is
// empty if a version did not run the scenario.
type ComparisonRow struct {
	Scenario string           `json:"scenario"`
	Verdicts []oracle.Verdict `json:"verdicts"`
}

// Compare returns the verdicts of a run side by side. It returns nil if only one version ran.
func Compare(r Run) *Comparison {
	c := &Comparison{}
	for _, result := range r.Results {
		if !slices.Contains(c.Versions, result.Target.Versions()) {
			c.Versions = append(c.Versions, result.Target.Versions())
		}
	}
	if len(c.Versions) < 2 {
		return nil
	}
	for _, result := range r.Results {
		at := slices.IndexFunc(c.Rows, func(row ComparisonRow) bool { return row.Scenario == result.Scenario })
		if at < 0 {
			at = len(c.Rows)
			c.Rows = append(c.Rows, ComparisonRow{result.Scenario, make([]oracle.Verdict, len(c.Versions))})
		}
		c.Rows[at].Verdicts[slices.Index(c.Versions, result.Target.Versions())] = result.Verdict
	}
	return c
}

// Write writes the verdicts as a table for people.
func (c *Comparison) Write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name string, cells []string) {
		_, _ = fmt.Fprint(table, name) // the call of Flush returns the error
		for _, cell := range cells {
			_, _ = fmt.Fprint(table, "\t", cell)
		}
		_, _ = fmt.Fprintln(table)
	}
	line("scenario", c.Versions)
	for _, row := range c.Rows {
		var cells []string
		for _, verdict := range row.Verdicts {
			if verdict == "" {
				verdict = "-"
			}
			cells = append(cells, string(verdict))
		}
		line(row.Scenario, cells)
	}
	return table.Flush()
}
