package reference_test

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

// An enumeration of crash points returns a scenario for each state that it visits. If this scenario
// runs alone, it gives the same result.
func TestACrashCanBeRunAgain(t *testing.T) {
	s := catalogue(t, "durability/power-loss-after-publish")[0]
	for _, again := range []int{0, 500} {
		visited := 0
		crashes := explore.CrashPoints{
			Target: reference.Simulated{}, Seed: 5, Model: run.PowerLossModel(filesystem.POSIX), StatesMax: 4, AgainIn: again,
			Timeout: time.Minute, Parallel: 1,
		}
		_, err := crashes.Run(context.Background(), s, func(result run.Result, same scenarios.Scenario) {
			if visited++; visited%101 != 0 {
				return
			}
			if result.Verdict != oracle.Pass {
				t.Errorf("%s: %+v", result.Verdict, result.Findings)
			}
			runner := run.Runner{Target: reference.Simulated{}, Seed: 5, Timeout: time.Minute, Tries: 1}
			alone := runner.Run(context.Background(), []scenarios.Scenario{same}, func(run.Result) {})[0]
			if alone.Verdict != result.Verdict || !reflect.DeepEqual(alone.Numbers, result.Numbers) || fmt.Sprint(alone.Requirements) != fmt.Sprint(result.Requirements) {
				t.Errorf("%v\nin the enumeration %+v\nalone %+v", same.Steps, result, alone)
			}
		})
		if err != nil || visited < 500 {
			t.Errorf("visited %d, %v", visited, err)
		}
	}
}

// TestCase runs a saved case, as the command replay does. The variable SNAPBACK_CASE names the
// file.
func TestCase(t *testing.T) {
	name := os.Getenv("SNAPBACK_CASE")
	if name == "" {
		t.Skip("SNAPBACK_CASE names no case")
	}
	saved, err := explore.ReadCase(name)
	if err != nil {
		t.Fatal(err)
	}
	place, err := reference.ParseStorage(saved.Storage)
	if err != nil {
		t.Fatal(err)
	}
	runner := run.Runner{Target: reference.Simulated{Storage: place}, Seed: saved.Seed, Timeout: time.Minute, Tries: 1}
	result := runner.Run(context.Background(), []scenarios.Scenario{saved.Scenario}, func(run.Result) {})[0]
	if result.Verdict != oracle.Pass {
		t.Errorf("%s %s %+v", result.Verdict, result.Reason, result.Findings)
	}
}
