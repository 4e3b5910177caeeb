package power

import (
	"bytes"
	_ "embed" // for power.html
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/snapback/snapback/suites/architecture"
)

// Draw writes a kill matrix as a table for a console.
func Draw(w io.Writer, m Matrix) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprint(table, "mutant\tfound by\tin\truns\tCPU\tevents\t") // the call of Flush returns the error
	for _, s := range m.Summaries()[1:] {
		_, _ = fmt.Fprintf(table, "%s, runs\t", s.Strategy)
	}
	_, _ = fmt.Fprintln(table)
	for _, row := range m.Rows {
		own := row.Hunts[0]
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%.2fs\t%d\t", row.ID, outcome(row), row.Stage, runs(own), own.CPU.Seconds(), row.Events)
		for _, other := range row.Hunts[1:] {
			_, _ = fmt.Fprintf(table, "%s\t", runs(other))
		}
		_, _ = fmt.Fprintln(table)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, s := range m.Summaries() {
		_, _ = fmt.Fprintln(w, summary(s)) // if this fails, the last print also fails
	}
	_, err := fmt.Fprintln(w, done(m))
	return err
}

// outcome returns the requirement that found a mutant, or a word for another result.
func outcome(row Row) string {
	switch {
	case row.Trouble != "":
		return "NO RESULT"
	case row.Equivalent != "" && row.Killed():
		return row.Finding.Requirement + ", NOT EQUIVALENT"
	case row.Equivalent != "":
		return "equivalent"
	case !row.Killed():
		return "SURVIVED"
	}
	return row.Finding.Requirement
}

func runs(h Hunt) string { return atLeast(h.Runs, !h.Found) }

func atLeast(n int, more bool) string {
	if more {
		return fmt.Sprintf(">%d", n)
	}
	return fmt.Sprint(n)
}

func summary(s Summary) string {
	return fmt.Sprintf("%s: %d of %d found; runs to the finding: median %s, 95th percentile %s; CPU seconds: median %.2f, 95th percentile %.2f, most %.2f",
		s.Strategy, s.Found, s.Of, atLeast(s.Runs.Median, s.Runs.MedianMore), atLeast(s.Runs.P95, s.Runs.P95More),
		s.CPU.Median.Seconds(), s.CPU.P95.Seconds(), s.CPU.Max.Seconds())
}

func done(m Matrix) string {
	text := fmt.Sprintf("DONE %d mutants, ", len(m.Rows))
	if wrong := m.Wrong(); len(wrong) > 0 {
		text += fmt.Sprintf("%d of them not as they must: %s; ", len(wrong), strings.Join(wrong, ", "))
	} else {
		text += "all as they must; "
	}
	return text + fmt.Sprintf("%d clean runs without a finding; smallest cases have %d events in the median (seed %d)", m.Clean, m.EventsMedian(), m.Seed)
}

// Markdown writes a kill matrix as a page of the manual. The first part of each row is the same on
// every machine: see [MarkdownRow].
func Markdown(w io.Writer, m Matrix) error {
	var b bytes.Buffer
	b.WriteString("# Power\n\n" +
		"This page shows what the suites find. Each mutant is the reference with one mistake that somebody\n" +
		"once made, or could make.\n" +
		"`go run ./suites/power/mutants --compare --unaided --markdown docs/power.md` generates this page.\n" +
		"CI fails if the page is out of date. It does not compare the seconds.\n\n" +
		"- *In* is the scenario, or the part of the suites, that shows the mistake first.\n" +
		"- *Runs* is the number of runs until then.\n" +
		"- *Events* is the number of steps of the smallest case. To run that case:\n" +
		"  `go run ./suites/power/mutants --replay snapback-runs/mutants/ID.json ID`.\n" +
		"- *CPU* is seconds of processor time. It includes the start of the program, but not its build.\n" +
		"- *Unaided* is the honest power: the suites without the catalogue, whose scenarios were written for\n" +
		"  mistakes that were known. What is left are explored scenarios and power losses.\n" +
		"- Two other strategies hunt the same mistakes. *Kills* kills processes at uniformly random moments.\n" +
		"  *Rapid* runs explored scenarios that the library rapid draws.\n\n")
	b.WriteString("| strategy | found | runs, median | runs, 95th percentile | CPU, median | CPU, 95th percentile | CPU, most |\n" +
		"|---|---|---|---|---|---|---|\n")
	for _, s := range m.Summaries() {
		fmt.Fprintf(&b, "| %s | %d of %d | %s | %s | %.2f | %.2f | %.2f |\n", s.Strategy, s.Found, s.Of,
			atLeast(s.Runs.Median, s.Runs.MedianMore), atLeast(s.Runs.P95, s.Runs.P95More),
			s.CPU.Median.Seconds(), s.CPU.P95.Seconds(), s.CPU.Max.Seconds())
	}
	fmt.Fprintf(&b, "\n%d runs of the reference without a mutant: no finding.\nThe smallest cases have %d events in the median.\n\n## Mutants\n\n", m.Clean, m.EventsMedian())
	b.WriteString("| mutant | what its users see | found by | in | runs | events | CPU |")
	others := m.Rows[0].Hunts[1:]
	for _, h := range others {
		fmt.Fprintf(&b, " %s, runs |", h.Strategy)
	}
	b.WriteString("\n" + strings.Repeat("|---", 7+len(others)) + "|\n")
	for _, row := range m.Rows {
		fmt.Fprintf(&b, "%s %.2f |", MarkdownRow(row), row.Hunts[0].CPU.Seconds())
		for _, h := range row.Hunts[1:] {
			fmt.Fprintf(&b, " %s |", runs(h))
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n## Equivalent mutants\n\nThese mutants change nothing that anybody could see.\n")
	for _, row := range m.Rows {
		if row.Equivalent != "" {
			fmt.Fprintf(&b, "\n### %s\n\n%s\n%s\n", row.ID,
				architecture.Wrap("- The mistake: "+row.Mechanism+".", "  "),
				architecture.Wrap("- Why nothing finds it: "+row.Equivalent+".", "  "))
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// MarkdownRow returns the part of a row on the manual's page that is the same on every machine.
func MarkdownRow(row Row) string {
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s | %d |", row.ID, row.Symptom, outcome(row), row.Stage, runs(row.Hunts[0]), row.Events)
}

//go:embed power.html
var powerPage string

var powerTemplate = template.Must(template.New("power.html").Funcs(template.FuncMap{
	"outcome": outcome, "runs": runs, "summary": summary, "done": done,
}).Parse(powerPage))

// HTML writes a kill matrix as one self-contained page. The page has two plots. The first plot
// shows, for each strategy, how many mutants it found within a given number of runs. The second
// plot shows how many mutants it found within a given processor time.
func HTML(w io.Writer, m Matrix) error {
	return powerTemplate.Execute(w, struct {
		Matrix
		Plots []plot
	}{m, []plot{
		plotOf(m, "runs", func(h Hunt) float64 { return float64(h.Runs) }),
		plotOf(m, "CPU seconds", func(h Hunt) float64 { return h.CPU.Seconds() }),
	}})
}

// These are the sizes of a plot, in pixels.
const (
	plotWidth, plotHeight = 1000, 300
	plotMargin            = 40
)

// plot is a diagram with a curve for each strategy. The horizontal axis is the number of runs or
// the processor time of a hunt, and is logarithmic. The vertical axis is the number of mutants that
// were found until then.
type plot struct {
	Of            string
	Width, Height int
	Ticks         []plotTick
	Curves        []plotCurve
}

type plotTick struct {
	X     float64
	Label string
}

type plotCurve struct {
	Strategy Strategy
	Points   string // in the form of SVG
	EndY     float64
	Found    int
}

func plotOf(m Matrix, of string, figure func(Hunt) float64) plot {
	p := plot{Of: of, Width: plotWidth, Height: plotHeight}
	least, most := math.Inf(1), 0.0
	for _, row := range m.Rows {
		for _, h := range row.Hunts {
			least, most = min(least, max(figure(h), 0.001)), max(most, figure(h))
		}
	}
	x := func(value float64) float64 {
		share := math.Log(max(value, least)/least) / max(math.Log(most/least), 1e-9)
		return plotMargin + share*(plotWidth-4*plotMargin)
	}
	for power := math.Floor(math.Log10(least)); power <= math.Log10(most); power++ {
		if value := math.Pow(10, power); value >= least {
			p.Ticks = append(p.Ticks, plotTick{x(value), fmt.Sprintf("%g", value)})
		}
	}
	for i, s := range m.Summaries() {
		var values []float64
		for _, row := range m.Rows {
			if h := row.Hunts[i]; h.Found && row.ID != Canary && row.Equivalent == "" {
				values = append(values, figure(h))
			}
		}
		slices.Sort(values)
		y := func(n int) float64 {
			return plotHeight - plotMargin - float64(n)/float64(max(1, s.Of))*(plotHeight-2*plotMargin)
		}
		points := []string{fmt.Sprintf("%d,%.1f", plotMargin, y(0))}
		for n, value := range values {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(value), y(n)), fmt.Sprintf("%.1f,%.1f", x(value), y(n+1)))
		}
		points = append(points, fmt.Sprintf("%.1f,%.1f", x(most), y(len(values))))
		p.Curves = append(p.Curves, plotCurve{s.Strategy, strings.Join(points, " "), y(len(values)), len(values)})
	}
	return p
}
