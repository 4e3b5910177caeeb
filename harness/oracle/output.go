package oracle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
)

// namedMax is the greatest number of records or files that a finding names.
const namedMax = 3

// run is a job with its ancestors, and the lines of output that these jobs committed together.
type run struct {
	last     history.Job
	finished bool
	lines    []workload.Line
	foreign  []string // lines that the workload cannot produce from its input
}

// runs returns a run for each job that finished, and for each job from which no other job resumed.
// A job that stopped with a savepoint does not count as finished here, and a refused job has no
// run.
func runs(h *history.History) []run {
	model := h.Header.Scenario.Workload.Model()
	jobs := h.Jobs()
	var all []run
	for _, j := range jobs {
		status, _ := h.Status(j.ID)
		resumed := slices.ContainsFunc(jobs, func(other history.Job) bool { return other.From == j.Name && !other.Refused })
		if j.Refused || (resumed && (status != storage.Finished || h.Stopped(j.Name))) {
			continue
		}
		r := run{last: j, finished: status == storage.Finished && !h.Stopped(j.Name)}
		for _, member := range h.Lineage(j) {
			for _, e := range h.Events {
				if e.Kind == history.Output && e.Job == member.Name {
					r.read(model, e.Lines)
				}
			}
		}
		all = append(all, r)
	}
	return all
}

func (r *run) read(model workload.Model, lines []string) {
	for _, text := range lines {
		line, err := model.Parse(text)
		if err != nil {
			r.foreign = append(r.foreign, err.Error())
			continue
		}
		r.lines = append(r.lines, line)
	}
}

// output checks REC-02: the job commits each line of output exactly once. For a job in
// at-least-once mode, output checks REC-08 instead. The output of a job that did not finish may be
// incomplete.
func output(h *history.History, judge *judging) {
	requirement, expected := "REC-02", "every output exactly once"
	if h.Header.Scenario.Job.AtLeastOnce {
		requirement, expected = "REC-08", "every output at least once"
	}
	for _, r := range runs(h) {
		if r.finished {
			judge.examine(requirement)
		}
		lost, doubled := compare(h.Header.Scenario.Workload.Model(), r)
		report := func(what string, records []string, expected string) {
			if len(records) > 0 {
				judge.find(Finding{
					Requirement: requirement,
					Problem:     fmt.Sprintf("the output of job %s has %s", r.last.Name, quantity(len(records), what)),
					Expected:    expected,
					Found:       name(records),
				})
			}
		}
		report("lost record", lost, expected)
		if !h.Header.Scenario.Job.AtLeastOnce {
			report("doubled record", doubled, expected)
		}
		report("unexpected record", r.foreign, "only output that the input leads to")
	}
}

func compare(model workload.Model, r run) (lost, doubled []string) {
	times := map[workload.ID]int{}
	var order []workload.ID // the ids in the order in which they first appear
	for _, line := range r.lines {
		if times[line.ID]++; times[line.ID] == 1 {
			order = append(order, line.ID)
		}
	}
	for _, id := range order {
		if times[id] > 1 {
			doubled = append(doubled, fmt.Sprintf("%s appears %d times", model.Name(id), times[id]))
		}
	}
	if !r.finished {
		return nil, doubled
	}
	for _, id := range model.Outputs {
		if times[id] == 0 {
			lost = append(lost, model.Name(id)+" is missing")
		}
	}
	return lost, doubled
}

// state checks REC-03. The lines of output show the state of the job's operators. This state must
// be the result of applying each record exactly once. For a job in at-least-once mode, there is
// nothing to check.
func state(h *history.History, judge *judging) {
	if h.Header.Scenario.Job.AtLeastOnce {
		return
	}
	model := h.Header.Scenario.Workload.Model()
	for _, r := range runs(h) {
		if len(r.lines) > 0 {
			judge.examine("REC-03")
		}
		lost, _ := compare(model, r)
		if wrong := model.Wrong(distinct(r.lines), r.finished && len(lost) == 0); len(wrong) > 0 {
			judge.find(Finding{
				Requirement: "REC-03",
				Problem:     fmt.Sprintf("the state of job %s is wrong in %s", r.last.Name, quantity(len(wrong), "place")),
				Expected:    "each record applied to the state exactly once",
				Found:       name(wrong),
			})
		}
	}
}

// distinct returns each line once. REC-02 judges the lines that occur more than once.
func distinct(lines []workload.Line) []workload.Line {
	seen := map[workload.Line]bool{}
	return slices.DeleteFunc(slices.Clone(lines), func(line workload.Line) bool {
		again := seen[line]
		seen[line] = true
		return again
	})
}

// name lists the first few items of a list, and says how many more items exist.
func name(items []string) string {
	if len(items) <= namedMax {
		return strings.Join(items, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(items[:namedMax], "; "), len(items)-namedMax)
}

// quantity returns a number with its noun, in singular or plural.
func quantity(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
