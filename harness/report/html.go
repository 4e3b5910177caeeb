package report

import (
	_ "embed" // embeds report.html
	"html/template"
	"io"
	"os"
	"path/filepath"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
)

//go:embed report.html
var page string

type htmlResult struct {
	run.Result
	Timeline *timeline
}

type htmlRun struct {
	Run
	Verdict oracle.Verdict
	Compare *Comparison
	Results []htmlResult
}

// HTML writes one self-contained page. It draws the history of each result, if the history exists.
func HTML(w io.Writer, run Run) error {
	shown := htmlRun{Run: run, Verdict: run.Verdict(), Compare: Compare(run)}
	for _, r := range run.Results {
		result := htmlResult{Result: r}
		if h, err := readHistory(r.Dir); err == nil {
			result.Timeline = draw(h)
		}
		shown.Results = append(shown.Results, result)
	}
	parsed, err := template.New(HTMLName).Funcs(template.FuncMap{"replay": Replay, "places": places, "known": known}).Parse(page)
	if err != nil {
		return err
	}
	return parsed.Execute(w, shown)
}

func readHistory(dir string) (*history.History, error) {
	file, err := os.Open(filepath.Join(dir, run.HistoryName))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // nothing was written to it
	return history.Read(file)
}
