package workload_test

import (
	"fmt"
	"testing"

	"github.com/snapback/snapback/scenarios/workload"
)

func TestLinesThatAreNotSixNumbersAreRefused(t *testing.T) {
	for _, text := range []string{"", "1 2 3 4 5", "1 2 3 4 5 6 7", "1 2 3 4 5 x"} {
		if line, err := workload.ParseLine(text); err == nil {
			t.Errorf("%q was read as %v", text, line)
		}
	}
}

func TestParametersOutOfBoundsAreRefused(t *testing.T) {
	good := workload.Counts{Splits: 1, Records: 1, Keys: 1}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*workload.Counts){
		func(c *workload.Counts) { c.Splits = 0 },
		func(c *workload.Counts) { c.Records = -1 },
		func(c *workload.Counts) { c.Keys = 1 << 30 },
		func(c *workload.Counts) { c.Pause = -1 },
		func(c *workload.Counts) { c.Snapshot = -1 },
	} {
		bad := good
		change(&bad)
		if bad.Validate() == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

func ExampleCounts_Input() {
	counts := workload.Counts{Seed: 42, Splits: 2, Records: 1000, Keys: 32}
	fmt.Println(counts.Input(0, 0))
	fmt.Println(counts.Input(0, 1))
	fmt.Println(counts.Input(1, 999))
	// Output:
	// 20 1
	// 13 377
	// 5 53
}
