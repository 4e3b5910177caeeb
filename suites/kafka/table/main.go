// Command table prints a Markdown table of what happened in runs with connectors: for each scenario
// the faults, how often they fired, what was lost or doubled, and the verdict. Its arguments are the
// report directories of the command snapback run:
//
//	snapback run --target flink --report reports/a "kafka/**"
//	go run ./suites/kafka/table reports/a reports/b
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/flink"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: table REPORT-DIRECTORY…")
		os.Exit(2)
	}
	rows, broken := map[string]*row{}, 0
	for _, dir := range os.Args[1:] {
		if err := read(dir, rows, &broken); err != nil {
			fmt.Fprintln(os.Stderr, "table:", err)
			os.Exit(1)
		}
	}
	show(rows)
	fmt.Printf("%d further runs ended with an error, and say nothing.\n", broken)
}

// row is what happened in all runs of one scenario on one version of Flink.
type row struct {
	connectors, version, scenario string
	faults                        []string // what the faults did, without repetition
	runs, kills, lost, doubled    int
	heldUp                        int // the longest time in milliseconds for which readers saw nothing new
	verdicts                      []string
}

// read adds the results of a report directory to the rows. A run that ended with an error says nothing
// about Flink or Kafka: read only counts it.
func read(dir string, rows map[string]*row, broken *int) (err error) {
	file, err := os.Open(filepath.Join(dir, "results.jsonl"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var result run.Result
		if err := json.Unmarshal(lines.Bytes(), &result); err != nil {
			return fmt.Errorf("%s: %w", file.Name(), err)
		}
		if result.Dir == "" {
			continue // the scenario was skipped
		}
		if result.Verdict == oracle.Error {
			*broken++
			continue
		}
		key := result.Scenario + " " + result.Target.Version
		if rows[key] == nil {
			rows[key] = &row{scenario: result.Scenario, version: result.Target.Version}
		}
		if err := rows[key].add(dir, result); err != nil {
			return err
		}
	}
	return lines.Err()
}

// add adds one result, and what the history of its last try says.
func (r *row) add(report string, result run.Result) (err error) {
	dir := filepath.Join(report, filepath.FromSlash(result.Scenario), fmt.Sprintf("try-%d", result.Tries))
	file, err := os.Open(filepath.Join(dir, run.HistoryName))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	recorded, err := history.Read(file)
	if err != nil {
		return err
	}
	r.connectors = recorded.Header.Scenario.Workload.Connectors
	r.runs++
	r.lost, r.doubled = r.lost+result.Numbers.Lost, r.doubled+result.Numbers.Doubled
	r.verdicts = once(r.verdicts, describe(result))
	for _, event := range recorded.Events {
		if event.Kind != history.Fault {
			continue
		}
		fault, err := faults.Parse(event.Fault)
		if err != nil {
			return err
		}
		r.kills++
		r.faults = once(r.faults, strings.TrimPrefix(fault.Action.String(), "Kill ")+" "+moment(recorded, event, fault.Moment))
	}
	data, err := os.ReadFile(filepath.Join(dir, flink.HeldUpName))
	if errors.Is(err, os.ErrNotExist) {
		return nil // the output is not in Kafka
	}
	if err != nil {
		return err
	}
	waited, err := strconv.Atoi(strings.TrimSpace(string(data)))
	r.heldUp = max(r.heldUp, waited)
	return err
}

// describe returns the verdict and, if it is no pass, the requirements that do not hold.
func describe(result run.Result) string {
	text := string(result.Verdict)
	for _, one := range result.Requirements {
		if one.Verdict == oracle.Fail {
			text += " " + one.ID
		}
	}
	return text
}

// moment says when a fault fired, seen from the sink. The times at which Kafka ended transactions show
// whether the fault came before or after the commit of the newest checkpoint.
func moment(h *history.History, fired history.Event, m faults.Moment) string {
	if m.When == faults.DuringCheckpoint {
		return "mid-checkpoint"
	}
	switch _, committed, pending := h.Commits(fired); {
	case committed > 0 && pending > 0:
		return "amid the commit"
	case committed > 0:
		return "after the commit"
	case pending > 0:
		return "before the commit"
	}
	return "with nothing to commit"
}

func once(all []string, one string) []string {
	if slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}

func show(rows map[string]*row) {
	var all []*row
	for _, r := range rows {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *row) int {
		return strings.Compare(a.connectors+" "+a.version+" "+a.scenario, b.connectors+" "+b.version+" "+b.scenario)
	})
	fmt.Println("| connectors | Flink | scenario | kills of | runs | kills | lost | doubled | verdict |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	kills, heldUp := 0, 0
	for _, r := range all {
		fmt.Printf("| %s | %s | %s | %s | %d | %d | %d | %d | %s |\n", r.connectors, r.version, strings.TrimPrefix(r.scenario, "kafka/"),
			strings.Join(r.faults, ", "), r.runs, r.kills, r.lost, r.doubled, strings.Join(r.verdicts, ", "))
		kills, heldUp = kills+r.kills, max(heldUp, r.heldUp)
	}
	fmt.Printf("\n%d kills. After a run, readers waited at most %d ms for transactions to end.\n", kills, heldUp)
}
