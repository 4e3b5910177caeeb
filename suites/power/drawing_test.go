package power_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/suites/power"
)

// matrix returns a matrix with three mutants: one was found, one survived, and one is equivalent.
func matrix() power.Matrix {
	row := func(id, symptom string, found bool, runs int) power.Row {
		hunt := power.Hunt{Strategy: power.Suites, Found: found, Runs: runs, CPU: time.Duration(runs) * time.Millisecond}
		other := power.Hunt{Strategy: power.Kills, Runs: 200}
		return power.Row{Mutant: power.Mutant{ID: id, Symptom: symptom, Mechanism: "a < b"}, Hunts: []power.Hunt{hunt, other}}
	}
	found, survived, equivalent := row("caught", "records are lost", true, 7), row("survived", "files stay", false, 1000), row("same", "none", false, 1000)
	found.Finding.Requirement, found.Stage, found.Events = "REC-02", "cleanup/finish", 5
	equivalent.Equivalent = "the value is never read"
	return power.Matrix{Schema: power.MatrixSchema, Seed: 1, Clean: 300, Rows: []power.Row{found, survived, equivalent}}
}

func TestAMatrixIsDrawn(t *testing.T) {
	const (
		suites = "suites: 1 of 2 found; runs to the finding: median >1000, 95th percentile >1000; CPU seconds: median 1.00, 95th percentile 1.00, most 1.00"
		kills  = "kills: 0 of 2 found; "
	)
	for name, c := range map[string]struct {
		draw func(io.Writer, power.Matrix) error
		want []string
	}{
		"console": {power.Draw, []string{
			"mutant    found by    in              runs   CPU    events  kills, runs",
			"caught    REC-02      cleanup/finish  7      0.01s  5       >200",
			"survived  SURVIVED                    >1000  1.00s  0       >200",
			"same      equivalent                  >1000  1.00s  0       >200",
			suites, kills,
			"DONE 3 mutants, 1 of them not as they must: survived; 300 clean runs without a finding; smallest cases have 5 events in the median (seed 1)\n",
		}},
		"markdown": {power.Markdown, []string{
			"# Power\n\n",
			"\n| suites | 1 of 2 | >1000 | >1000 | 1.00 | 1.00 | 1.00 |\n| kills | 0 of 2 |",
			"\n| mutant | what its users see | found by | in | runs | events | CPU | kills, runs |\n|---|---|---|---|---|---|---|---|\n",
			"\n| `caught` | records are lost | REC-02 | cleanup/finish | 7 | 5 | 0.01 | >200 |\n",
			"\n| `survived` | files stay | SURVIVED |  | >1000 | 0 | 1.00 | >200 |\n",
			"\n### same\n\n- The mistake: a < b.\n- Why nothing finds it: the value is never read.\n",
		}},
		"page": {power.HTML, []string{
			"<title>Snapback: DONE 3 mutants", "<li>" + suites[:6], "Mutants found, by runs", "Mutants found, by CPU seconds",
			"<td>a &lt; b</td><td>SURVIVED</td>", "suites: 1</text>", `<polyline class="kills"`,
		}},
	} {
		var b strings.Builder
		if err := c.draw(&b, matrix()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: want …%s… in\n%s", name, want, b.String())
			}
		}
	}
}

func TestAnUnexpectedResultIsNamed(t *testing.T) {
	m := matrix()
	if got := strings.Join(m.Wrong(), " "); got != "survived" {
		t.Errorf("want survived, got %q", got)
	}
	m.Rows[2].Hunts[0].Found, m.Rows[2].Finding.Requirement = true, "SHR-01"
	if got := strings.Join(m.Wrong(), " "); got != "survived same" {
		t.Errorf("want the equivalent mutant that was found, too, got %q", got)
	}
	m.Rows = append(m.Rows, m.Rows[0], m.Rows[1])
	m.Rows[3].Unnamed, m.Rows[4].Trouble = true, "it does not compile"
	for i, want := range []string{
		"caught found by REC-02 (cleanup/finish) after 7 runs, 0.01s; 5 events",
		"survived SURVIVED 1000 runs, 1.0s",
		"same IS NOT EQUIVALENT: found by SHR-01 () after 1000 runs",
		"caught found by REC-02 (cleanup/finish) after 7 runs, 0.01s; 5 events; its header does not name REC-02",
		"survived: NO RESULT: it does not compile",
	} {
		if got := m.Rows[i].String(); got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}
