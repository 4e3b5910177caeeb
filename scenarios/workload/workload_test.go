package workload_test

import (
	"fmt"
	"strings"
	"testing"

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
