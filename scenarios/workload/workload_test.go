package workload_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/scenarios/workload"
)

func a(name string) workload.Workload {
	return workload.Workload{Name: name, Seed: 42, Splits: 2, Records: 40, Keys: 4}
}

func TestLinesThatAreNoneAreRefused(t *testing.T) {
	for name, lines := range map[string][]string{
		workload.Counts:    {"", "1 2 3 4 5", "1 2 3 4 5 6 7", "1 2 3 4 5 x", "9 0 0 0 1 0", "0 0 1 1 1 1"},
		workload.Transfers: {"0 0 0 5 1 5", "0 40 0 0 1 0"},
		workload.Windows:   {"4 0 1 1", "0 1 1 1", "0 0 1"},
		workload.Rules:     {"0 0 0 1 1 9 9 1"},
		workload.Splits:    {"0 0 2 1"},
	} {
		for _, text := range lines {
			if line, err := a(name).Model().Parse(text); err == nil {
				t.Errorf("%s: %q was read as %v", name, text, line)
			}
		}
	}
}

func TestParametersOutOfBoundsAreRefused(t *testing.T) {
	if err := a(workload.Counts).Validate(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*workload.Workload){
		func(c *workload.Workload) { c.Name = "x" },
		func(c *workload.Workload) { c.Splits = 0 },
		func(c *workload.Workload) { c.Records = -1 },
		func(c *workload.Workload) { c.Keys = 1 << 30 },
		func(c *workload.Workload) { c.Pause = -1 },
		func(c *workload.Workload) { c.Snapshot = -1 },
		func(c *workload.Workload) { c.Payload = -1 },
		func(c *workload.Workload) { c.Connectors = "rabbits" },
		func(c *workload.Workload) { c.Connectors, c.Name = workload.Kafka, workload.Windows },
		func(c *workload.Workload) { c.Connectors, c.TransactionTimeout = workload.FileSink, time.Second },
		func(c *workload.Workload) { c.Connectors, c.TransactionTimeout = workload.Kafka, -time.Second },
		func(c *workload.Workload) { c.Connectors, c.TransactionTimeout = workload.Kafka, time.Microsecond },
	} {
		bad := a(workload.Counts)
		change(&bad)
		if bad.Validate() == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

// Each model finds the mistake in a small output of its workload.
func TestEveryModelFindsWrongState(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []workload.Line
		all   bool
		want  string
	}{
		{workload.Counts, []workload.Line{{Key: 1, Value: 3, Count: 1, Sum: 3}, {ID: workload.ID{B: 1}, Key: 1, Value: 4, Count: 2, Sum: 4}}, false, "key 1: at count 2 the sum is 4, not 3 + 4"},
		{workload.Counts, []workload.Line{{Key: 1, Count: 1}, {ID: workload.ID{B: 1}, Key: 1, Count: 1}}, false, "key 1: count 1 was reached by two records"},
		{workload.Counts, []workload.Line{{Key: 1, Value: 3, Count: 2, Sum: 3}}, true, "key 1: ended with count 2 and sum 3, its input has 1 and 3"},
		{workload.Transfers, []workload.Line{{Key: 0, Value: -5, Count: 1, Sum: -5}, {ID: workload.ID{C: 1}, Key: 1, Value: 5, Count: 1, Sum: 6}}, false, "account 1: at count 1 the sum is 6, not 0 + 5"},
		{workload.Transfers, []workload.Line{{Key: 0, Value: -5, Count: 1, Sum: -5}, {ID: workload.ID{C: 1}, Key: 1, Value: 6, Count: 1, Sum: 6}}, true, "the accounts together: their balances changed by 1"},
		{workload.Windows, []workload.Line{{Count: 99}}, false, "key 0: window 0 has count 99"},
		{workload.Rules, []workload.Line{{Count: 1, Version: 1, Held: 2}}, false, "key 0: at count 1 2 rules are held when rule 1 is the newest"},
		{workload.Rules, []workload.Line{{Count: 1, Version: 2, Held: 2}, {ID: workload.ID{B: 1}, Count: 2, Version: 1, Held: 1}}, false, "key 0: at count 2 rule 1 came after rule 2"},
		{workload.Rules, []workload.Line{{Count: 1, Value: 5, Sum: 6}}, false, "key 0: at count 1 rule 0 makes 5 of 5, not 6"},
		{workload.Growing, []workload.Line{{Count: 1, Value: 5, Sum: 6}}, false, "key 0: at count 1 its value 1 was read as 6, it is 5"},
		{workload.Splits, []workload.Line{{ID: workload.ID{A: 1, B: 3}, Count: 9}}, false, "split 1: record 3 is number 9"},
		{workload.Backpressure, []workload.Line{{Count: 1, Value: 1, Sum: 2}}, false, "key 0: at count 1 the sum is 2, not 0 + 1"},
	} {
		wrong := a(c.name).Model().Wrong(c.lines, c.all)
		if len(wrong) != 1 || !strings.HasPrefix(wrong[0], c.want) {
			t.Errorf("%s: want %q, got %q", c.name, c.want, wrong)
		}
	}
}

// Each model of the state finds the mistake in a few lines of state.
func TestEveryModelFindsWrongStateAtTheEnd(t *testing.T) {
	two := []workload.ID{{A: 0, B: 0}, {A: 0, B: 1}} // keys 0 and 1 with values 1 and 377, if there are 4 keys
	for _, c := range []struct {
		name    string
		outputs []workload.ID
		lines   []string
		all     bool
		want    string // empty: nothing is wrong
	}{
		{workload.Counts, two, []string{"state 0 1 1", "state 1 1 377"}, true, ""},
		{workload.Counts, two, []string{"state 0 1 1", "state 1 1 377", "state 1 1 377"}, true, ""},
		{workload.Counts, two, []string{"state 0 1 1", "state 1 1 376"}, true, "key 1: at the end its state is count 1 and sum 376; its records make count 1 and sum 377"},
		{workload.Counts, two, []string{"state 0 1 1"}, true, "key 1: at the end no state was put out; its records make count 1 and sum 377"},
		{workload.Counts, two, []string{"state 0 1 1", "state 1 1 377", "state 3 1 0"}, true, "key 3: at the end its state is count 1 and sum 0; its records make count 0 and sum 0"},
		{workload.Backpressure, two, []string{"state 0 2 1", "state 1 1 377"}, false, "key 0: at the end its state is count 2 and sum 1"},
		{workload.Growing, two, []string{"state 0 1 -1", "state 1 1 377"}, true, "key 0: at the end its state is count 1 and sum -1"},
		{workload.Transfers, []workload.ID{{C: 0}}, []string{"state 0 1 -2"}, true, ""},
		{workload.Transfers, []workload.ID{{C: 0}}, []string{"state 0 1 2"}, true, "account 0: at the end its state is count 1 and sum 2; its records make count 1 and sum -2"},
		{workload.Rules, two[:1], []string{"state 0 1 0 0"}, false, ""},
		{workload.Rules, two[:1], []string{"state 0 1 0 0"}, true, "key 0: at the end its state is count 1, held 0 and sum 0; its records make count 1, held 2 and sum "},
		{workload.Rules, two[:1], []string{"state 0 1 1 99"}, false, "key 0: at the end its state is count 1, held 1 and sum 99"},
		{workload.Splits, two, []string{"state 0 1", "state 0 2", "state 0 0"}, true, ""},
		{workload.Splits, two, []string{"state 0 1", "state 0 3"}, true, "split 0: at the end its state is count 3; its records make count 2"},
	} {
		w := a(c.name)
		var states []workload.State
		for _, text := range c.lines {
			state, err := w.ParseState(text)
			if err != nil {
				t.Fatal(err)
			}
			states = append(states, state)
		}
		wrong := w.WrongState(c.outputs, states, c.all)
		if (c.want == "") != (len(wrong) == 0) || len(wrong) > 1 || (len(wrong) == 1 && !strings.HasPrefix(wrong[0], c.want)) {
			t.Errorf("%s, %q: want %q, got %q", c.name, c.lines, c.want, wrong)
		}
	}
}

func TestLinesThatAreNoStateAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		workload.Counts: "state 1 2", workload.Transfers: "state 1 2 3 4", workload.Windows: "state 1 2 3",
		workload.Rules: "state 1 2 3", workload.Splits: "state 1 x",
	} {
		if state, err := a(name).ParseState(text); err == nil {
			t.Errorf("%s: %q was read as %v", name, text, state)
		}
	}
}

func ExampleWorkload_Input() {
	counts := workload.Workload{Name: workload.Counts, Seed: 42, Splits: 2, Records: 1000, Keys: 32}
	fmt.Println(counts.Input(0, 0))
	fmt.Println(counts.Input(0, 1))
	fmt.Println(counts.Input(1, 999))
	// Output:
	// 20 1
	// 13 377
	// 5 53
}
