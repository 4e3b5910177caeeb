package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
)

// Console writes results for people.
type Console struct {
	Out   io.Writer
	Color bool
}

const indent = "      "

// Result writes one result.
func (c Console) Result(r run.Result) {
	var text strings.Builder
	fmt.Fprintf(&text, "%s  %s (%.1fs)\n", c.verdict(r.Verdict), r.Scenario, r.Took.Seconds())
	for _, recovery := range r.Numbers.Recoveries {
		fmt.Fprintf(&text, "%s%s\n", indent, recovery)
	}
	if n := r.Numbers; n.Records > 0 || n.Lost+n.Doubled > 0 {
		fmt.Fprintf(&text, "%s%d records: %d replayed, %d lost, %d doubled\n", indent, n.Records, n.Replayed, n.Lost, n.Doubled)
	}
	if r.Reason != "" {
		fmt.Fprintf(&text, "%s%s\n", indent, strings.ReplaceAll(r.Reason, "\n", "\n"+indent))
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&text, "%s%s: %s\n%s  expected: %s\n%s  found:    %s\n", indent, f.Requirement, f.Problem, indent, f.Expected, indent, f.Found)
	}
	if r.Verdict != oracle.Pass && r.Verdict != oracle.Skip {
		fmt.Fprintf(&text, "%sreplay:   %s\n%shistory:  %s/%s\n", indent, Replay(r), indent, r.Dir, run.HistoryName)
	}
	_, _ = io.WriteString(c.Out, text.String()) // if this fails, nobody can be told
}

func (c Console) verdict(v oracle.Verdict) string {
	text := fmt.Sprintf("%-4s", v)
	if v == oracle.Fail || v == oracle.Error {
		text = strings.ToUpper(text)
	}
	if !c.Color {
		return text
	}
	colors := map[oracle.Verdict]string{oracle.Pass: "32", oracle.Fail: "31", oracle.Error: "31"}
	color, ok := colors[v]
	if !ok {
		color = "33"
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}
