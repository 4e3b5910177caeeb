package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/snapback/snapback/harness/expected"
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
	fmt.Fprintf(&text, "%s  %s (%.1fs%s)\n", c.verdict(r.Verdict), r.Scenario, r.Took.Seconds(), tries(r.Tries))
	for _, recovery := range r.Numbers.Recoveries {
		fmt.Fprintf(&text, "%s%s\n", indent, recovery)
	}
	if n := r.Numbers; n.Records > 0 || n.Lost+n.Doubled > 0 {
		fmt.Fprintf(&text, "%s%s: %d replayed, %d lost, %d doubled\n", indent, Count(n.Records, "record"), n.Replayed, n.Lost, n.Doubled)
	}
	if line := inFlight(r.Numbers.InFlight); line != "" {
		fmt.Fprintf(&text, "%s%s\n", indent, line)
	}
	if r.Reason != "" {
		fmt.Fprintf(&text, "%s%s\n", indent, strings.ReplaceAll(r.Reason, "\n", "\n"+indent))
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&text, "%s%s: %s\n%s  expected: %s\n%s  found:    %s\n", indent, f.Requirement, f.Problem, indent, f.Expected, indent, f.Found)
	}
	for _, f := range known(r) {
		fmt.Fprintf(&text, "%sknown:    %s fails: %s %s\n", indent, strings.Join(f.Requirements, ", "), f.Reason, f.Link)
	}
	if r.Verdict != oracle.Pass && r.Verdict != oracle.Skip {
		fmt.Fprintf(&text, "%sreplay:   %s\n", indent, Replay(r))
		for _, place := range places(r) {
			fmt.Fprintf(&text, "%s%-9s %s\n", indent, place.Name+":", place.At)
		}
	}
	_, _ = io.WriteString(c.Out, text.String()) // if this fails, nobody can be told
}

// known lists the expected failures that concern a result that is no pass.
func known(r run.Result) expected.List {
	if r.Verdict == oracle.Pass {
		return nil
	}
	return r.Expected
}

// tries says how many tries a result needed, if it needed several.
func tries(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(", %d tries", n)
}

// place is where a person finds more about a result.
type place struct{ Name, At string }

// places lists where a person finds more about a result that is no pass.
func places(r run.Result) []place {
	var found []place
	if r.Dir != "" {
		found = append(found, place{"history", r.Dir + "/" + run.HistoryName})
	}
	if r.Log != "" {
		found = append(found, place{"log", r.Log})
	}
	if next := Next(r); next != "" {
		found = append(found, place{"look", next})
	}
	return found
}

// inFlight sums up how much data in flight the checkpoints hold.
func inFlight(checkpoints []oracle.InFlight) string {
	var with, most int64
	for _, c := range checkpoints {
		if c.Bytes > 0 {
			with++
		}
		most = max(most, c.Bytes)
	}
	if len(checkpoints) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %s with records in flight, at most %s", with, Count(len(checkpoints), "checkpoint"), Count(most, "byte"))
}

func (c Console) verdict(v oracle.Verdict) string {
	text := fmt.Sprintf("%-4s", v)
	if v == oracle.Fail || v == oracle.Error || v == oracle.UnexpectedPass {
		text = strings.ToUpper(text)
	}
	if !c.Color {
		return text
	}
	colors := map[oracle.Verdict]string{oracle.Pass: "32", oracle.Fail: "31", oracle.Error: "31", oracle.UnexpectedPass: "31"}
	color, ok := colors[v]
	if !ok {
		color = "33"
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}
