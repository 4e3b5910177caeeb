package oracle

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios/workload"
)

// place is a key of the output and, for the order of the input, a split.
type place struct{ key, split int64 }

// inputOrder checks REC-10: the records of one split that have one key are processed in the order of
// the split. The count of a line says when its record was processed. A key for which two records
// have one count is left to REC-03.
func inputOrder(h *history.History, judge *judging) {
	if atLeastOnce(h) || h.Header.Scenario.Workload.Name == workload.Windows {
		return
	}
	for _, r := range judge.runs {
		if rescaledInFlight(h, r.last) && !h.Promises(history.InOrder) {
			continue
		}
		lines := distinct(r.lines)
		if len(lines) > 0 {
			judge.examine("REC-10")
		}
		if wrong := outOfInputOrder(lines); len(wrong) > 0 {
			judge.find(Finding{
				Requirement: "REC-10",
				Problem:     fmt.Sprintf("job %s processed records of one key in another order than that of their split", r.last.Name),
				Expected:    "the order of the split", Found: name(wrong),
			})
		}
	}
}

// outOfInputOrder describes the records that were processed after a later record of the same split
// and key.
func outOfInputOrder(lines []workload.Line) (wrong []string) {
	lines = slices.Clone(lines)
	slices.SortStableFunc(lines, func(a, b workload.Line) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Count, b.Count))
	})
	unclear := ambiguous(lines)
	latest := map[place]int64{}
	for _, line := range lines {
		at := place{line.Key, line.ID.A}
		before, seen := latest[at]
		if seen && line.ID.B < before && !unclear[line.Key] {
			wrong = append(wrong, fmt.Sprintf("key %d: record %d of split %d was processed after record %d", line.Key, line.ID.B, line.ID.A, before))
		}
		latest[at] = max(before, line.ID.B)
	}
	return wrong
}

// ambiguous returns the keys for which two lines have one count. REC-03 judges these keys, and their
// counts say nothing about the order.
func ambiguous(lines []workload.Line) map[int64]bool {
	type number struct{ key, count int64 }
	seen, keys := map[number]bool{}, map[int64]bool{}
	for _, line := range lines {
		at := number{line.Key, line.Count}
		keys[line.Key] = keys[line.Key] || seen[at]
		seen[at] = true
	}
	return keys
}

// rescaledInFlight says whether a job or one of its ancestors may have been restored from records in
// flight with another parallelism.
func rescaledInFlight(h *history.History, last history.Job) bool {
	lineage := h.Lineage(last)
	for i, j := range lineage[1:] {
		before := h.Header.Scenario.JobOf(submitOf(h, lineage[i].Name))
		if before.Unaligned && before.Parallelism != h.Header.Scenario.JobOf(submitOf(h, j.Name)).Parallelism {
			return true
		}
	}
	return false
}

// outputOrder checks REC-11: within a committed file, and from one checkpoint's files to the next
// checkpoint's, the lines of a key are in the order in which they were made.
func outputOrder(h *history.History, judge *judging) {
	w := h.Header.Scenario.Workload
	if atLeastOnce(h) || w.Connectors != "" {
		return
	}
	parse := w.Model().Parse
	for _, j := range accepted(h) {
		var lines []workload.Line
		files := map[workload.Line]string{} // the file in which each line is
		for _, file := range committed(h, j) {
			for _, text := range file.Lines {
				line, err := parse(text)
				if _, again := files[line]; err != nil || again {
					continue // a line of state, or a line that REC-02 judges
				}
				files[line] = file.Path
				lines = append(lines, line)
			}
		}
		if len(lines) > 0 {
			judge.examine("REC-11")
		}
		if wrong := outOfOrder(w, lines, files); len(wrong) > 0 {
			judge.find(Finding{
				Requirement: "REC-11",
				Problem:     fmt.Sprintf("the output of job %s is not in the order in which it was made", j.Name),
				Expected:    "the lines of a key in the order of their numbers", Found: name(wrong),
			})
		}
	}
}

// outOfOrder describes the lines that come after a line that was made later. A line of a window has
// the time of its window as its number, and any other line its count. In workload splits the key is
// the split.
func outOfOrder(w workload.Workload, lines []workload.Line, files map[workload.Line]string) (wrong []string) {
	latest, unclear := map[int64]int64{}, ambiguous(lines)
	for _, line := range lines {
		key, made := line.Key, line.Count
		switch w.Name {
		case workload.Windows:
			made = line.ID.B
		case workload.Splits:
			key = line.ID.A
		}
		before, seen := latest[key]
		if seen && made < before && (w.Name == workload.Windows || w.Name == workload.Splits || !unclear[key]) {
			wrong = append(wrong, fmt.Sprintf("number %d of key %d in %s comes after number %d", made, key, files[line], before))
		}
		latest[key] = max(before, made)
	}
	return wrong
}

// file is a file that a job committed, and the first checkpoint that holds it.
type file struct {
	history.Event
	checkpoint int64
}

// committed returns the files that a job committed, in the order of the checkpoints that hold them.
func committed(h *history.History, j history.Job) (files []file) {
	for _, e := range h.Events {
		if e.Kind != history.Output || e.Job != j.Name {
			continue
		}
		if checkpoint, known := committedWith(e.Path); known {
			files = append(files, file{e, checkpoint})
		}
	}
	slices.SortStableFunc(files, func(a, b file) int { return cmp.Compare(a.checkpoint, b.checkpoint) })
	return files
}

// early checks REC-15: a file of output is committed only if a checkpoint that holds the file is
// complete.
func early(h *history.History, judge *judging) {
	if atLeastOnce(h) || h.Header.Scenario.Workload.Connectors != "" {
		return
	}
	for _, j := range accepted(h) {
		newest := newestHeld(h, j)
		for _, file := range committed(h, j) {
			judge.examine("REC-15")
			if file.checkpoint <= newest {
				continue
			}
			judge.find(Finding{
				Requirement: "REC-15",
				Problem:     fmt.Sprintf("job %s committed output without a complete checkpoint that holds it", j.Name),
				Expected:    fmt.Sprintf("no output after checkpoint %d, the newest that was complete", newest),
				Found:       fmt.Sprintf("%s, with %s", file.Path, quantity(len(file.Lines), "line")),
			})
		}
	}
}

// newestHeld returns the newest checkpoint or savepoint with which a job may have committed output.
// If nobody saw how a checkpoint ended, it may be complete. It then holds also the files of earlier
// checkpoints that were aborted.
func newestHeld(h *history.History, j history.Job) int64 {
	held := newest(h, j)
	for _, e := range h.Events {
		if e.Kind == history.Restored && e.ID == j.ID {
			held = max(held, e.Checkpoint) // it was complete, even if nobody saw that
		}
		if e.Kind == history.Triggered && e.ID == j.ID && inDoubt(h, j.ID, e.Checkpoint, h.End()) {
			held = max(held, e.Checkpoint)
		}
	}
	return held
}
