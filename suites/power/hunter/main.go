// Command hunter runs the suites on the reference that it was built with. Package power builds this
// command once for each mutant. The hunter reads an order from its standard input, hunts until the
// first finding, and writes the result to its standard output.
//
// Start with hunt. The file strategies.go says which scenarios the hunter runs, and in which order.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/suites/power"
)

// timeout is the longest time of one run, by the wall clock. Without it, a mistake could make a run
// endless.
const timeout = 10 * time.Second

func main() {
	debug.SetGCPercent(explore.GarbagePercent)
	var order power.Order
	if err := json.NewDecoder(os.Stdin).Decode(&order); err != nil {
		fail(err)
	}
	hunted, err := hunt(order)
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(hunted); err != nil {
		fail(err)
	}
}

func fail(err error) {
	_, _ = fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// hunt runs the strategy that the order names. It ends at the first finding about a requirement
// that the order names, or after the greatest number of runs that the order allows. If the order
// names no requirement, each finding counts. If all findings were about other requirements, the
// first of these counts.
func hunt(order power.Order) (hunted power.Hunted, err error) {
	strategy, known := strategies[order.Strategy]
	if !known {
		return hunted, fmt.Errorf("there is no strategy %q", order.Strategy)
	}
	var unnamed *caught
	for seen := range strategy(order.Seed) {
		hunted.Runs++
		if finding, found := wanted(seen.result, order.Wanted); found {
			return caught{seen, finding, hunted.Runs, cpu()}.hunted(order), nil
		}
		if unnamed == nil && len(seen.result.Findings) > 0 {
			unnamed = &caught{seen, seen.result.Findings[0], hunted.Runs, cpu()}
		}
		if hunted.Runs >= order.RunsMax {
			break
		}
	}
	if unnamed != nil {
		hunted = unnamed.hunted(order)
		hunted.Unnamed = true
		return hunted, nil
	}
	hunted.CPU = cpu()
	return hunted, nil
}

// caught is a finding, and what it took to come to it.
type caught struct {
	seen    sighting
	finding oracle.Finding
	runs    int
	cpu     time.Duration
}

func (c caught) hunted(order power.Order) power.Hunted {
	return power.Hunted{
		Found: true, Runs: c.runs, CPU: c.cpu, Stage: c.seen.stage,
		Finding: power.Finding{Requirement: c.finding.Requirement, Problem: c.finding.Problem},
		Cases:   minimize(c.seen, c.finding, order.Minimize),
	}
}

// wanted returns the first finding about one of the given requirements. If no requirements are
// given, it returns the first finding about any requirement.
func wanted(result run.Result, requirements []string) (oracle.Finding, bool) {
	at := slices.IndexFunc(result.Findings, func(f oracle.Finding) bool {
		return len(requirements) == 0 || slices.Contains(requirements, f.Requirement)
	})
	if at < 0 {
		return oracle.Finding{}, false
	}
	return result.Findings[at], true
}

// minimize returns the case of a run, followed by smaller and smaller cases. Each of these cases
// shows the finding: see [oracle.Finding.Like]. The parameter asks is the greatest number of smaller
// scenarios to try.
func minimize(found sighting, finding oracle.Finding, asks int) []explore.Case {
	caseOf := func(s scenarios.Scenario, seed uint64, result run.Result) explore.Case {
		return explore.Case{Schema: explore.CaseSchema, Seed: seed, Storage: result.Target.Storage, Verdict: result.Verdict, Findings: result.Findings, Scenario: s}
	}
	cases := []explore.Case{caseOf(found.scenario, found.seed, found.result)}
	campaign := explore.Campaign{Target: found.target, Timeout: timeout}
	explore.Shrink(found.scenario, found.seed, asks, func(s scenarios.Scenario, seed uint64) bool {
		result := campaign.RunOne(context.Background(), seed, s)
		same := slices.ContainsFunc(result.Findings, finding.Like)
		if same {
			cases = append(cases, caseOf(s, seed, result))
		}
		return same
	})
	return cases
}

// cpu returns the processor time that this process has used.
func cpu() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		fail(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
