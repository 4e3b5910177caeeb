package workload

import "fmt"

// The numbers of rules.
const (
	recordsPerRule = 20      // a split has one rule for this many records
	controlSplit   = 1 << 20 // the number of the split from which the rules are computed
)

// rules returns the number of rules.
func (w Workload) rules() int64 { return int64(max(1, w.Records/recordsPerRule)) }

// factor returns the number by which the rule with this version multiplies a value. Version 0 means
// that there is no rule yet.
func (w Workload) factor(version int64) int64 {
	if version == 0 {
		return 1
	}
	return 1 + int64(w.hash(controlSplit, version-1)>>40%9)
}

// parseRule reads the fields split, index, key, value, count, version, held and result.
func (w Workload) parseRule(text string) (Line, error) {
	n, err := numbers(text, 8)
	if err != nil {
		return Line{}, err
	}
	line := Line{ID: ID{A: n[0], B: n[1]}, Key: n[2], Value: n[3], Count: n[4], Version: n[5], Held: n[6], Sum: n[7]}
	if rules := w.rules(); line.Version < 0 || line.Version > rules {
		return Line{}, fmt.Errorf("record %d of split %d with rule %d of %d", n[1], n[0], line.Version, rules)
	}
	return line, w.isInput(line)
}

// wrongRules checks the lines of each key: the versions of the rules never decrease, the job holds
// each rule once, and each result follows from the newest rule.
func (w Workload) wrongRules(lines []Line, _ bool) []string {
	var wrong []string
	keys, grouped := byKey(lines)
	for _, key := range keys {
		if why := wrongSteps(grouped[key], false); why != "" {
			wrong = append(wrong, fmt.Sprintf("key %d: %s", key, why))
			continue
		}
		var before Line
		for _, line := range grouped[key] {
			why := ""
			switch {
			case line.Version < before.Version:
				why = fmt.Sprintf("rule %d came after rule %d", line.Version, before.Version)
			case line.Held != line.Version:
				why = fmt.Sprintf("%d rules are held when rule %d is the newest", line.Held, line.Version)
			case line.Sum != line.Value*w.factor(line.Version):
				why = fmt.Sprintf("rule %d makes %d of %d, not %d", line.Version, line.Value*w.factor(line.Version), line.Value, line.Sum)
			}
			if why != "" {
				wrong = append(wrong, fmt.Sprintf("key %d: at count %d %s", key, line.Count, why))
				break
			}
			before = line
		}
	}
	return wrong
}
