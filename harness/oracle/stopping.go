package oracle

import (
	"fmt"
	"path"
	"strings"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios/workload"
)

// stopping checks REC-13: a job that is drained puts out all that the end of its input brings. It
// also checks REC-14: a job that stops without a drain puts out nothing of that.
func stopping(h *history.History, judge *judging) {
	for _, j := range accepted(h) {
		switch {
		case !h.Stopped(j.Name) || atLeastOnce(h) || h.Header.Scenario.Workload.Connectors != "":
		case h.Drained(j.Name):
			draining(h, j, judge)
		default:
			suspending(h, j, judge)
		}
	}
}

// draining checks REC-13. A workload without lines of state puts out its windows. All records that
// the job and its ancestors have read are in one of these windows. The next job begins to read
// behind these records.
func draining(h *history.History, j history.Job, judge *judging) {
	read := readOf(h, j)
	if len(read.lines)+len(read.states) == 0 {
		return
	}
	find := func(expected, found string) {
		judge.find(Finding{
			Requirement: "REC-13", Problem: fmt.Sprintf("job %s was drained, and did not put out all that its operators held", j.Name),
			Expected: expected, Found: found,
		})
	}
	if h.Header.Scenario.Workload.HasState() {
		judge.examine("REC-13")
		if len(read.states) == 0 {
			find("the state of each key", "no line of state")
		}
		return
	}
	records, known := position(h, j)
	if !known {
		return
	}
	judge.examine("REC-13")
	var held int64
	for _, line := range read.lines {
		held += line.Count
	}
	if held != records {
		find(fmt.Sprintf("windows with all %d records that the job had read", records), fmt.Sprintf("windows with %d records", held))
	}
}

// suspending checks REC-14. A job whose whole input was read may put out its end. In the workload
// splits each subtask reads for itself, so it puts out the end of its own input.
func suspending(h *history.History, j history.Job, judge *judging) {
	read, w := readOf(h, j), h.Header.Scenario.Workload
	if w.Name == workload.Splits {
		return
	}
	model := w.Model()
	if lost, _ := compare(model, run{finished: true, lines: read.lines}); len(lost) == 0 || len(read.lines) == 0 {
		return
	}
	judge.examine("REC-14")
	var wrong []string
	for _, state := range read.states {
		wrong = append(wrong, fmt.Sprintf("the state of key %d", state.Key))
	}
	if w.Name == workload.Windows && drainOf(h, h.Lineage(j), 0) == 0 {
		wrong = append(wrong, w.Partial(read.lines)...)
	}
	if len(wrong) > 0 {
		judge.find(Finding{
			Requirement: "REC-14", Problem: fmt.Sprintf("job %s was stopped without a drain, and put out what only the end of its input brings", j.Name),
			Expected: "only output that its records lead to", Found: name(wrong),
		})
	}
}

// readOf returns the lines that a job and its ancestors committed, and the lines of state of the job
// itself.
func readOf(h *history.History, j history.Job) (read run) {
	w := h.Header.Scenario.Workload
	model := w.Model()
	lineage := h.Lineage(j)
	for i, member := range lineage {
		for _, e := range h.Events {
			if e.Kind == history.Output && e.Job == member.Name && !putOutAgain(h, member, lineage[i+1:], e.Path) {
				read.drain = drainOf(h, lineage, i)
				states := read.read(w, model, e.Lines)
				if member.Name == j.Name {
					read.states = append(read.states, states...)
				}
			}
		}
	}
	return read
}

// position returns how many records a job and its ancestors had read in all when the job was
// stopped. The job that was resumed from the savepoint shows it: the names of its progress files say
// where it began to read.
func position(h *history.History, stopped history.Job) (records int64, known bool) {
	for _, heir := range h.Jobs() {
		if heir.From != stopped.Name || heir.Refused || !strings.Contains(path.Base(heir.Path), "savepoint") {
			continue
		}
		begins := map[int64]int64{}
		for _, e := range h.Events {
			var split, index int64
			if e.Kind != history.Progress || e.Job != heir.Name {
				continue
			}
			if n, _ := fmt.Sscanf(path.Base(e.Path), "split-%d-from-%d-", &split, &index); n == 2 {
				if before, seen := begins[split]; !seen || index < before {
					begins[split] = index
				}
			}
		}
		for _, index := range begins {
			records += index // the order does not change the sum
		}
		return records, len(begins) == h.Header.Scenario.Workload.Splits
	}
	return 0, false
}
