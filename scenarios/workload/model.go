package workload

import (
	"cmp"
	"fmt"
	"slices"
)

// ID identifies a line of output. A line of an input record has the split in A and the index in B.
// In workload transfers C says which side of the transfer the line shows. A line of a window has
// the key in A and the time at which the window begins in B. If the job was drained, the oracle sets
// C to the number of the drain, since a job puts out what it has of an open window when it is
// drained.
type ID struct{ A, B, C int64 }

// Line is a line of committed output.
type Line struct {
	ID         ID
	Key        int64
	Value      int64
	Count, Sum int64 // the number and the sum of the key's records up to this record
	Version    int64 // the version of the rule that the job applied
	Held       int64 // the number of rules that the job holds
}

// Model says which output a job with a workload must have.
type Model struct {
	// Outputs holds the ids of all output lines of the whole input, in order.
	Outputs []ID
	// Parse reads a line. It returns an error for a line that no correct job can write.
	Parse func(text string) (Line, error)
	// Wrong returns the mistakes in the job's state that the lines show. The parameter `lines`
	// contains no line twice. The flag `all` says whether the lines are the whole output, or only a
	// part of it.
	Wrong func(lines []Line, all bool) []string
	// Drains says whether a job that is drained puts out parts of lines, and the next job the rest.
	Drains bool
	// Name returns the name of a line in a message.
	Name func(ID) string
}

// Model returns the model of the workload.
func (w Workload) Model() Model {
	m := Model{Outputs: w.records(), Name: recordName}
	switch w.Name {
	case Transfers:
		m.Outputs, m.Parse, m.Wrong, m.Name = w.legs(), w.parseTransfer, w.wrongAccounts, legName
	case Windows:
		windows := w.windows()
		m.Outputs, m.Name, m.Drains = windowIDs(windows), windowName, true
		m.Parse = func(text string) (Line, error) { return parseWindow(windows, text) }
		m.Wrong = func(lines []Line, all bool) []string { return wrongWindows(windows, lines, all) }
	case Rules:
		m.Parse, m.Wrong = w.parseRule, w.wrongRules
	case Growing:
		m.Parse, m.Wrong = w.parseCount, w.wrongArchive
	case Splits:
		m.Parse, m.Wrong = w.parseSplit, wrongSplits
	default:
		m.Parse, m.Wrong = w.parseCount, w.wrongCounts
	}
	return m
}

// records returns the ids of the output lines if the job writes one line for each input record.
func (w Workload) records() []ID {
	ids := make([]ID, 0, w.Total())
	for split := range int64(w.Splits) {
		for index := range w.length(split) {
			ids = append(ids, ID{A: split, B: index})
		}
	}
	return ids
}

func recordName(id ID) string { return fmt.Sprintf("record %d of split %d", id.B, id.A) }

func (w Workload) inside(split, index int64) bool {
	return split >= 0 && split < int64(w.Splits) && index >= 0 && index < w.length(split)
}

// parseCount reads the fields split, index, key, value, count and sum.
func (w Workload) parseCount(text string) (Line, error) {
	n, err := numbers(text, 6)
	if err != nil {
		return Line{}, err
	}
	line := Line{ID: ID{A: n[0], B: n[1]}, Key: n[2], Value: n[3], Count: n[4], Sum: n[5]}
	return line, w.isInput(line)
}

// isInput returns an error if there is no input record for the line, or if the record has another
// key or another value.
func (w Workload) isInput(line Line) error {
	key, value := int64(0), int64(0)
	if w.inside(line.ID.A, line.ID.B) {
		key, value = w.Input(line.ID.A, line.ID.B)
	}
	if !w.inside(line.ID.A, line.ID.B) || key != line.Key || value != line.Value {
		return fmt.Errorf("record %d of split %d with key %d and value %d", line.ID.B, line.ID.A, line.Key, line.Value)
	}
	return nil
}

// byKey groups lines by key and sorts each group by count.
func byKey(lines []Line) (keys []int64, grouped map[int64][]Line) {
	grouped = map[int64][]Line{}
	for _, line := range lines {
		grouped[line.Key] = append(grouped[line.Key], line)
	}
	for key, group := range grouped { // the order of the groups does not matter
		keys = append(keys, key)
		slices.SortFunc(group, func(a, b Line) int {
			return cmp.Or(cmp.Compare(a.Count, b.Count), cmp.Compare(a.ID.A, b.ID.A), cmp.Compare(a.ID.B, b.ID.B), cmp.Compare(a.ID.C, b.ID.C))
		})
	}
	slices.Sort(keys)
	return keys, grouped
}

// wrongCounts checks each count and each sum of a key against the line before it. If `all` is true,
// the lines are the whole output, and it also checks the last count and sum of each key.
func (w Workload) wrongCounts(lines []Line, all bool) []string {
	var wrong []string
	keys, grouped := byKey(lines)
	for _, key := range keys {
		if why := wrongSteps(grouped[key], true); why != "" {
			wrong = append(wrong, fmt.Sprintf("key %d: %s", key, why))
			continue
		}
		if all {
			if why := w.wrongTotal(key, grouped[key]); why != "" {
				wrong = append(wrong, why)
			}
		}
	}
	return wrong
}

func (w Workload) wrongTotal(key int64, lines []Line) string {
	last := lines[len(lines)-1]
	var sum int64
	for _, line := range lines {
		sum += line.Value
	}
	if count := int64(len(lines)); last.Count > count || (last.Count == count && last.Sum != sum) {
		return fmt.Sprintf("key %d: ended with count %d and sum %d, its input has %d and %d", key, last.Count, last.Sum, count, sum)
	}
	return ""
}

// wrongSteps compares each line with the line before, and describes the first mistake. Two lines
// must not have the same count. If the flag `sums` is true, and the count grew by one, the sum must
// have grown by the value of the line. All lines have the same key, and are sorted by count.
func wrongSteps(lines []Line, sums bool) string {
	var before Line
	for _, line := range lines {
		switch {
		case line.Count == before.Count:
			return fmt.Sprintf("count %d was reached by two records", line.Count)
		case sums && line.Count == before.Count+1 && line.Sum != before.Sum+line.Value:
			return fmt.Sprintf("at count %d the sum is %d, not %d + %d", line.Count, line.Sum, before.Sum, line.Value)
		}
		before = line
	}
	return ""
}

// wrongArchive checks workload growing, where each record reads an earlier value of its key again.
func (w Workload) wrongArchive(lines []Line, _ bool) []string {
	var wrong []string
	keys, grouped := byKey(lines)
	for _, key := range keys {
		if why := wrongSteps(grouped[key], false); why != "" {
			wrong = append(wrong, fmt.Sprintf("key %d: %s", key, why))
			continue
		}
		values := map[int64]int64{}
		for _, line := range grouped[key] {
			values[line.Count] = line.Value
			probed := 1 + int64(w.hash(line.ID.A, line.ID.B)>>32)%line.Count
			if value, known := values[probed]; known && value != line.Sum {
				wrong = append(wrong, fmt.Sprintf("key %d: at count %d its value %d was read as %d, it is %d", key, line.Count, probed, line.Sum, value))
				break
			}
		}
	}
	return wrong
}
