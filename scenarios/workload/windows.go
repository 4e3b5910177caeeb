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

// wrongWindows checks each window against all its records. A job writes a window only after the
// last record of the window.
func wrongWindows(windows map[ID]Line, lines []Line) []string {
	var wrong []string
	for _, line := range lines {
		if want := windows[line.ID]; line != want {
			wrong = append(wrong, fmt.Sprintf("key %d: window %d has count %d and sum %d, its input %d and %d", line.Key, line.ID.B, line.Count, line.Sum, want.Count, want.Sum))
		}
	}
	return wrong
}
