package workload

import "fmt"

// parseSplit reads the fields split, index, value and count.
func (w Workload) parseSplit(text string) (Line, error) {
	n, err := numbers(text, 4)
	if err != nil {
		return Line{}, err
	}
	line := Line{ID: ID{A: n[0], B: n[1]}, Value: n[2], Count: n[3]}
	if w.inside(n[0], n[1]) {
		line.Key, _ = w.Input(n[0], n[1])
	}
	return line, w.isInput(line)
}

// wrongSplits checks that the position in each split grew by one with each record.
func wrongSplits(lines []Line, _ bool) []string {
	var wrong []string
	for _, line := range lines {
		if line.Count != line.ID.B+1 {
			wrong = append(wrong, fmt.Sprintf("split %d: record %d is number %d", line.ID.A, line.ID.B, line.Count))
		}
	}
	return wrong
}
