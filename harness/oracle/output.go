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
	foreign  []string         // lines that the workload cannot produce from its input
	states   []workload.State // the lines of state; for each key, those of the last job that put out some
	drained  []drained
	drain    int64 // of the job whose lines are read now: the number of the drain that follows them, or 0
}

// drained is what a run had put out when one of its jobs was drained.
type drained struct {
	job     string
	outputs []workload.ID
	states  []workload.State
}

// runs returns a run for each job that finished, and for each job whose output no other job
// continues. A job that stopped with a savepoint counts as finished only if it had read its whole
// input. A refused job has no run.
func runs(h *history.History) []run {
	model := h.Header.Scenario.Workload.Model()
	var all []run
	for _, j := range h.Jobs() {
		status, _ := h.Status(j.ID)
		finished := status == storage.Finished && (!h.Stopped(j.Name) || h.ReadWhole(j.Name))
		if j.Refused || (!finished && continued(h, j)) {
			continue
		}
		r := run{last: j, finished: finished}
		lineage := h.Lineage(j)
		for i, member := range lineage {
			var states []workload.State
			r.drain = drainOf(h, lineage, i)
			for _, e := range h.Events {
				if e.Kind == history.Output && e.Job == member.Name && !putOutAgain(h, member, lineage[i+1:], e.Path) {
					states = append(states, r.read(h.Header.Scenario.Workload, model, e.Lines)...)
				}
			}
			r.replace(states)
			if len(states) > 0 && h.Drained(member.Name) {
				r.drained = append(r.drained, drained{member.Name, ids(r.lines), slices.Clone(r.states)})
			}
		}
		all = append(all, r)
	}
	return all
}

// read adds lines of output to the run, and returns the lines of state among them.
func (r *run) read(w workload.Workload, model workload.Model, lines []string) (states []workload.State) {
	for _, text := range lines {
		var line workload.Line
		var state workload.State
		var err error
		if strings.HasPrefix(text, workload.StatePrefix) {
			if state, err = w.ParseState(text); err == nil {
				states = append(states, state)
			}
		} else if line, err = model.Parse(text); err == nil {
			if w.Name == workload.Windows {
				line.ID.C = r.drain
			}
			r.lines = append(r.lines, line)
		}
		if err != nil {
			r.foreign = append(r.foreign, err.Error())
		}
	}
	return states
}

// drainOf returns the number of the drain that ends what a job of a lineage began, or 0 if the job
// and its heirs were not drained. The first drain has the number 1.
func drainOf(h *history.History, lineage []history.Job, at int) int64 {
	var drains int64
	for i, j := range lineage {
		if h.Drained(j.Name) {
			if drains++; i >= at {
				return drains
			}
		}
	}
	return 0
}

// replace adds the lines of state of one job. They replace the lines that earlier jobs put out for
// the same keys.
func (r *run) replace(states []workload.State) {
	again := map[int64]bool{}
	for _, state := range states {
		again[state.Key] = true
	}
	r.states = slices.DeleteFunc(r.states, func(earlier workload.State) bool { return again[earlier.Key] })
	r.states = append(r.states, states...)
}

func ids(lines []workload.Line) []workload.ID {
	var all []workload.ID
	for _, line := range distinct(lines) {
		all = append(all, line.ID)
	}
	return all
}

// output checks REC-02: the job commits each line of output exactly once. For a job in
// at-least-once mode, output checks REC-08 instead. The output of a job that did not finish may be
// incomplete.
func output(h *history.History, judge *judging) {
	requirement, expected := "REC-02", "every output exactly once"
	if atLeastOnce(h) {
		requirement, expected = "REC-08", "every output at least once"
	}
	for _, r := range judge.runs {
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
		if !atLeastOnce(h) {
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
	put := map[workload.ID]bool{} // the ids, without the numbers of drains
	for _, id := range order {
		if put[id] = true; model.Drains {
			put[workload.ID{A: id.A, B: id.B}] = true
		}
		if times[id] > 1 {
			doubled = append(doubled, fmt.Sprintf("%s appears %d times", model.Name(id), times[id]))
		}
	}
	if !r.finished {
		return nil, doubled
	}
	for _, id := range model.Outputs {
		if !put[id] {
			lost = append(lost, model.Name(id)+" is missing")
		}
	}
	return lost, doubled
}

// state checks REC-03. The lines of output show the state of the job's operators. This state must
// be the result of applying each record exactly once. For a job in at-least-once mode, there is
// nothing to check.
func state(h *history.History, judge *judging) {
	if atLeastOnce(h) {
		return
	}
	w := h.Header.Scenario.Workload
	model := w.Model()
	for _, r := range judge.runs {
		switch {
		case r.finished && w.HasState() && len(r.states) == 0:
			judge.leaveOpen("REC-03", fmt.Sprintf("job %s finished without putting out its state", r.last.Name))
		case len(r.lines) > 0:
			judge.examine("REC-03")
		}
		lost, _ := compare(model, r)
		report := func(job string, wrong []string) {
			if len(wrong) > 0 {
				judge.find(Finding{
					Requirement: "REC-03",
					Problem:     fmt.Sprintf("the state of job %s is wrong in %s", job, quantity(len(wrong), "place")),
					Expected:    "each record applied to the state exactly once",
					Found:       name(wrong),
				})
			}
		}
		report(r.last.Name, model.Wrong(distinct(r.lines), r.finished && len(lost) == 0))
		for _, d := range r.drained {
			if d.job == r.last.Name && r.finished {
				continue // it read its whole input, so its output may be lost, but its state is known
			}
			report(d.job, w.WrongState(d.outputs, d.states, false))
		}
		if r.finished && len(r.states) > 0 {
			report(r.last.Name, w.WrongState(model.Outputs, r.states, true))
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
