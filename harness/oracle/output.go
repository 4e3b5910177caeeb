package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
)

// namedMax bounds how many records or files a finding names one by one.
const namedMax = 3

// position is the place of a record in the input.
type position struct{ split, index int64 }

func (p position) String() string { return fmt.Sprintf("%d of split %d", p.index, p.split) }

// run is a line of jobs, each resumed from the one before, and what they
// committed.
type run struct {
	last     history.Job
	finished bool
	lines    []workload.Line
	bad      []string // lines that are none
}

// runs returns one for each job that nobody resumed from, or that finished.
func runs(h *history.History) []run {
	jobs := h.Jobs()
	var all []run
	for _, j := range jobs {
		status, _ := h.Status(j.ID)
		resumed := slices.ContainsFunc(jobs, func(other history.Job) bool { return other.From == j.Name && !other.Refused })
		if j.Refused || (resumed && status != storage.Finished) {
			continue
		}
		r := run{last: j, finished: status == storage.Finished}
		for _, member := range h.Lineage(j) {
			for _, e := range h.Events {
				if e.Kind == history.Output && e.Job == member.Name {
					r.read(e.Lines)
				}
			}
		}
		all = append(all, r)
	}
	return all
}

func (r *run) read(lines []string) {
	for _, text := range lines {
		line, err := workload.ParseLine(text)
		if err != nil {
			r.bad = append(r.bad, text)
			continue
		}
		r.lines = append(r.lines, line)
	}
}

// output checks REC-02: each input record is in the committed output exactly once.
// Of a job that did not finish, records may be missing.
func output(h *history.History, judge *evidence) {
	for _, r := range runs(h) {
		if r.finished {
			judge.examine("REC-02")
		}
		lost, doubled, foreign := compare(h.Header.Scenario.Workload, r)
		report := func(what string, records []string, expected string) {
			if len(records) > 0 {
				judge.find(Finding{
					Requirement: "REC-02",
					Problem:     fmt.Sprintf("the output of job %s has %s", r.last.Name, count1(len(records), what)),
					Expected:    expected,
					Found:       name(records),
				})
			}
		}
		report("lost record", lost, "every input record once")
		report("doubled record", doubled, "every input record once")
		report("record that is not in the input", foreign, "nothing but input records")
	}
}

func compare(model workload.Counts, r run) (lost, doubled, foreign []string) {
	times := map[position]int{}
	var order []position // in which they first appear
	for _, line := range r.lines {
		at := position{line.Split, line.Index}
		key, value := model.Input(line.Split, line.Index)
		inside := line.Split >= 0 && line.Split < int64(model.Splits) && line.Index >= 0 && line.Index < int64(model.Records)
		if !inside || key != line.Key || value != line.Value {
			foreign = append(foreign, fmt.Sprintf("record %s with key %d and value %d", at, line.Key, line.Value))
			continue
		}
		if times[at]++; times[at] == 1 {
			order = append(order, at)
		}
	}
	for _, at := range order {
		if times[at] > 1 {
			doubled = append(doubled, fmt.Sprintf("record %s is there %d times", at, times[at]))
		}
	}
	foreign = append(foreign, r.bad...)
	if !r.finished {
		return nil, doubled, foreign
	}
	for split := range int64(model.Splits) {
		for index := range int64(model.Records) {
			if at := (position{split, index}); times[at] == 0 {
				lost = append(lost, fmt.Sprintf("record %s is missing", at))
			}
		}
	}
	return lost, doubled, foreign
}

// state checks REC-03: each count and sum is what the records so far make of it.
func state(h *history.History, judge *evidence) {
	for _, r := range runs(h) {
		if len(r.lines) > 0 {
			judge.examine("REC-03")
		}
		if wrong := wrongState(h.Header.Scenario.Workload, r); len(wrong) > 0 {
			judge.find(Finding{
				Requirement: "REC-03",
				Problem:     fmt.Sprintf("the state of job %s is wrong for %s", r.last.Name, count1(len(wrong), "key")),
				Expected:    "each record applied to its key once",
				Found:       name(wrong),
			})
		}
	}
}

func wrongState(model workload.Counts, r run) []string {
	byKey := make([][]workload.Line, model.Keys)
	for _, line := range r.lines {
		if line.Key >= 0 && line.Key < int64(model.Keys) {
			byKey[line.Key] = append(byKey[line.Key], line)
		}
	}
	var totals []workload.Line
	if r.finished {
		totals = inputTotals(model)
	}
	var wrong []string
	for key, lines := range byKey {
		slices.SortFunc(lines, func(a, b workload.Line) int { return cmp.Compare(a.Count, b.Count) })
		lines = slices.Compact(lines) // a doubled line is REC-02's
		if why := wrongSteps(lines); why != "" {
			wrong = append(wrong, fmt.Sprintf("key %d: %s", key, why))
			continue
		}
		if !r.finished || len(lines) == 0 {
			continue
		}
		last := lines[len(lines)-1]
		if total := totals[key]; last.Count > total.Count || (last.Count == total.Count && last.Sum != total.Sum) {
			wrong = append(wrong, fmt.Sprintf("key %d: ended with count %d and sum %d, its input has %d and %d",
				key, last.Count, last.Sum, total.Count, total.Sum))
		}
	}
	return wrong
}

// wrongSteps says where one key's count or sum does not follow from the one
// before.
func wrongSteps(lines []workload.Line) string {
	for i, line := range lines {
		before := workload.Line{}
		if i > 0 {
			before = lines[i-1]
		}
		switch {
		case line.Count == before.Count:
			return fmt.Sprintf("count %d was reached by two records", line.Count)
		case line.Count == before.Count+1 && line.Sum != before.Sum+line.Value:
			return fmt.Sprintf("at count %d the sum is %d, not %d + %d", line.Count, line.Sum, before.Sum, line.Value)
		}
	}
	return ""
}

func inputTotals(model workload.Counts) []workload.Line {
	totals := make([]workload.Line, model.Keys)
	for split := range int64(model.Splits) {
		for index := range int64(model.Records) {
			key, value := model.Input(split, index)
			totals[key].Count++
			totals[key].Sum += value
		}
	}
	return totals
}

// name lists the first few of a long list.
func name(items []string) string {
	if len(items) <= namedMax {
		return strings.Join(items, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(items[:namedMax], "; "), len(items)-namedMax)
}

func count1(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
