package workload

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// StatePrefix begins each line in which an operator puts out the state of a key, after its input
// has ended.
const StatePrefix = "state "

// State is the state of one key at the end of the input.
type State struct {
	Key        int64 // in workload splits, the split
	Count, Sum int64 // the number and the sum of the key's records; in workload rules, Sum is the sum of version times factor of the rules
	Held       int64 // in workload rules, the number of rules that the subtask holds
}

// HasState says whether the operators of the workload put out their state at the end. The workload
// windows needs no such lines: at the end it puts out every window, and has no other state.
func (w Workload) HasState() bool { return w.Name != Windows }

// ParseState reads a line of state. It returns an error for a line that no correct job can write.
func (w Workload) ParseState(text string) (State, error) {
	fields := 3
	switch w.Name {
	case Windows:
		return State{}, fmt.Errorf("workload %s puts out no state, got %q", Windows, text)
	case Rules:
		fields = 4
	case Splits:
		fields = 2
	}
	n, err := numbers(strings.TrimPrefix(text, StatePrefix), fields)
	if err != nil {
		return State{}, err
	}
	state := State{Key: n[0], Count: n[1]}
	if fields > 2 {
		state.Sum = n[fields-1]
	}
	if fields > 3 {
		state.Held = n[2]
	}
	return state, nil
}

// WrongState compares the lines of state with the state that the outputs lead to, and returns the
// mistakes. The outputs are those of the input up to its end. The flag `all` says whether this was
// the end of the whole input. If it is false, the job was drained before.
func (w Workload) WrongState(outputs []ID, states []State, all bool) []string {
	want, got := w.stateAfter(outputs), map[int64][]State{}
	for _, state := range states {
		got[state.Key] = append(got[state.Key], state)
	}
	keys := slices.AppendSeq(slices.Collect(maps.Keys(want)), maps.Keys(got))
	slices.Sort(keys)
	var wrong []string
	for _, key := range slices.Compact(keys) {
		if why := w.wrongKey(want[key], got[key], all); why != "" {
			wrong = append(wrong, fmt.Sprintf("%s %d: %s", w.keyNoun(), key, why))
		}
	}
	return wrong
}

// stateAfter computes the number and the sum of the records of each key.
func (w Workload) stateAfter(outputs []ID) map[int64]State {
	after := map[int64]State{}
	for _, id := range outputs {
		key, value := w.Input(id.A, id.B)
		switch w.Name {
		case Transfers:
			key, value = w.movement(id)
		case Splits:
			key, value = id.A, 0
		case Rules:
			value = 0
		}
		state := after[key]
		after[key] = State{Key: key, Count: state.Count + 1, Sum: state.Sum + value}
	}
	return after
}

// wrongKey compares all lines of a key with the model. In workload splits only the line with the
// highest count matters, since the operator goes on from the highest mark.
func (w Workload) wrongKey(want State, got []State, all bool) string {
	if len(got) == 0 {
		return fmt.Sprintf("at the end no state was put out; its records make %s", w.describe(want))
	}
	if w.Name == Splits {
		got = []State{slices.MaxFunc(got, func(a, b State) int { return cmp.Compare(a.Count, b.Count) })}
	}
	for _, state := range got {
		if w.Name == Rules {
			want.Held, want.Sum = w.rulesHeld(state.Held, all)
		}
		state.Key = want.Key
		if state != want {
			return fmt.Sprintf("at the end its state is %s; its records make %s", w.describe(state), w.describe(want))
		}
	}
	return ""
}

// rulesHeld returns the number of rules that a subtask must hold, and their sum. A job that was
// drained may hold only the first rules.
func (w Workload) rulesHeld(held int64, all bool) (number, sum int64) {
	number = w.rules()
	if !all && held >= 0 {
		number = min(number, held)
	}
	for version := int64(1); version <= number; version++ {
		sum += version * w.factor(version)
	}
	return number, sum
}

func (w Workload) describe(s State) string {
	switch w.Name {
	case Rules:
		return fmt.Sprintf("count %d, held %d and sum %d", s.Count, s.Held, s.Sum)
	case Splits:
		return fmt.Sprintf("count %d", s.Count)
	}
	return fmt.Sprintf("count %d and sum %d", s.Count, s.Sum)
}

func (w Workload) keyNoun() string {
	switch w.Name {
	case Transfers:
		return "account"
	case Splits:
		return "split"
	}
	return "key"
}
