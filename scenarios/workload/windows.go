package workload

import (
	"cmp"
	"fmt"
	"slices"
)

// Event time of workload windows, in milliseconds.
const (
	eventStep  = 10  // the time between two records of a split
	eventDelay = 50  // a record is late by less than this
	windowSize = 100 // the length of a tumbling window
)

// eventTime is the event time of an input record.
func (w Workload) eventTime(split, index int64) int64 {
	return max(0, index*eventStep-int64(w.hash(split, index)>>10%eventDelay))
}

// windows computes the count and the sum of every window.
func (w Workload) windows() map[ID]Line {
	all := map[ID]Line{}
	for _, id := range w.records() {
		key, value := w.Input(id.A, id.B)
		time := w.eventTime(id.A, id.B)
		at := ID{A: key, B: time - time%windowSize}
		line := all[at]
		line.ID, line.Key = at, key
		line.Count++
		line.Sum += value
		all[at] = line
	}
	return all
}

func windowIDs(windows map[ID]Line) []ID {
	ids := make([]ID, 0, len(windows))
	for id := range windows { // the order does not matter, because ids is sorted below
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b ID) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) })
	return ids
}

func windowName(id ID) string { return fmt.Sprintf("window %d of key %d", id.B, id.A) }

// parseWindow reads the fields key, begin, count and sum.
func parseWindow(windows map[ID]Line, text string) (Line, error) {
	n, err := numbers(text, 4)
	if err != nil {
		return Line{}, err
	}
	line := Line{ID: ID{A: n[0], B: n[1]}, Key: n[0], Count: n[2], Sum: n[3]}
	if _, known := windows[line.ID]; !known {
		return Line{}, fmt.Errorf("window %d of key %d", n[1], n[0])
	}
	return line, nil
}

// wrongWindows checks each window against its records. A job writes a window only after the last
// record of the window, or when it is drained. What a job puts out of a window when it is drained,
// and what the next job puts out of it, must together be the window's count and sum. The field C of
// the id of a line is not 0 if the line's job, or a later one, was drained.
func wrongWindows(windows map[ID]Line, lines []Line, all bool) []string {
	var wrong []string
	total, final, order := map[ID]Line{}, map[ID]bool{}, []ID{}
	for _, line := range lines {
		id := ID{A: line.ID.A, B: line.ID.B}
		sum, seen := total[id]
		if !seen {
			order = append(order, id)
		}
		total[id] = Line{ID: id, Key: line.Key, Count: sum.Count + line.Count, Sum: sum.Sum + line.Sum}
		final[id] = final[id] || line.ID.C == 0
	}
	for _, id := range order {
		got, want := total[id], windows[id]
		partial := !all && !final[id] && got.Count < want.Count && got.Sum <= want.Sum
		if got != want && !partial {
			wrong = append(wrong, fmt.Sprintf("key %d: window %d has count %d and sum %d, its input %d and %d", got.Key, id.B, got.Count, got.Sum, want.Count, want.Sum))
		}
	}
	return wrong
}

// Partial describes the lines of windows that do not hold all records of their window.
func (w Workload) Partial(lines []Line) (partial []string) {
	windows := w.windows()
	for _, line := range lines {
		want := windows[ID{A: line.ID.A, B: line.ID.B}]
		if line.Count < want.Count {
			partial = append(partial, fmt.Sprintf("%s was put out with %d of its %d records", windowName(line.ID), line.Count, want.Count))
		}
	}
	return partial
}
