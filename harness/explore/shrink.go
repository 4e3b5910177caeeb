package explore

import (
	"reflect"
	"slices"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/scenarios"
)

// seedsMax is the greatest number of seeds that Shrink tries at the end. It tries small seeds,
// because they give the simplest schedules.
const seedsMax = 8

// Shrink looks for a smaller scenario that also fails. It tries fewer steps and faults, a smaller
// cluster and input, a plainer configuration, an earlier operation, a simpler state after a power
// loss, and a smaller seed. The result of fails() says whether a scenario fails. The parameter asks
// is the greatest number of calls of fails().
func Shrink(s scenarios.Scenario, seed uint64, asks int, fails func(scenarios.Scenario, uint64) bool) (scenarios.Scenario, uint64) {
	ask := func(smaller scenarios.Scenario, seed uint64) bool {
		if asks == 0 || smaller.Validate() != nil {
			return false
		}
		asks--
		return fails(smaller, seed)
	}
	for smaller := true; smaller && asks > 0; {
		smaller = false
		for _, candidate := range candidates(s) {
			if ask(candidate, seed) {
				s, smaller = candidate, true
				break // continue with candidates that are even smaller
			}
		}
	}
	for other := range min(seed, seedsMax) {
		if ask(s, other) {
			return s, other
		}
	}
	return s, seed
}

// candidates returns scenarios that differ from s by one change that makes s smaller. The
// candidates with the greatest changes come first.
func candidates(s scenarios.Scenario) []scenarios.Scenario {
	var all []scenarios.Scenario
	try := func(change func(*scenarios.Scenario)) {
		smaller := s
		smaller.Steps = slices.Clone(s.Steps)
		change(&smaller)
		smaller.Features = smaller.Needed()
		all = append(all, smaller)
	}
	for i := range s.Steps {
		try(func(s *scenarios.Scenario) { s.Steps = slices.Delete(s.Steps, i, i+1) })
	}
	plain := scenarios.Job{Parallelism: s.Job.Parallelism, Interval: s.Job.Interval, Timeout: s.Job.Timeout, Retention: s.Job.Retention, Restarts: s.Job.Restarts}
	if !reflect.DeepEqual(s.Job, plain) {
		try(func(s *scenarios.Scenario) { s.Job = plain })
		try(func(s *scenarios.Scenario) { s.Job.Unaligned, s.Job.AlignmentTimeout = false, 0 })
		try(func(s *scenarios.Scenario) { s.Job.Backend = "" })
	}
	number := func(field func(*scenarios.Scenario) *int, least int) {
		for _, value := range smallerNumbers(int64(*field(&s)), int64(least)) {
			try(func(s *scenarios.Scenario) { *field(s) = int(value) })
		}
	}
	number(func(s *scenarios.Scenario) *int { return &s.Cluster.JobManagers }, 0)
	number(func(s *scenarios.Scenario) *int { return &s.Job.Parallelism }, 1)
	number(func(s *scenarios.Scenario) *int { return &s.Cluster.TaskManagers }, 1)
	number(func(s *scenarios.Scenario) *int { return &s.Cluster.Retained }, 1)
	number(func(s *scenarios.Scenario) *int { return &s.Workload.Records }, 1)
	number(func(s *scenarios.Scenario) *int { return &s.Workload.Splits }, 1)
	number(func(s *scenarios.Scenario) *int { return &s.Workload.Keys }, 1)
	length := func(field func(*scenarios.Scenario) *time.Duration, least time.Duration) {
		for _, value := range smallerNumbers(int64(*field(&s)), int64(least)) {
			try(func(s *scenarios.Scenario) { *field(s) = time.Duration(value).Round(time.Millisecond) })
		}
	}
	length(func(s *scenarios.Scenario) *time.Duration { return &s.Workload.Snapshot }, 0)
	length(func(s *scenarios.Scenario) *time.Duration { return &s.Job.Interval }, 10*time.Millisecond)
	for i := range s.Steps {
		for _, fault := range smallerFaults(s.Steps[i].Fault) {
			try(func(s *scenarios.Scenario) { s.Steps[i].Fault = &fault })
		}
		for _, fault := range smallerFaults(s.Steps[i].Arm) {
			try(func(s *scenarios.Scenario) { s.Steps[i].Arm = &fault })
		}
	}
	return all
}

// smallerFaults returns variants of a fault that fire earlier, or that leave a simpler state after
// a power loss.
func smallerFaults(fault *faults.Fault) (all []faults.Fault) {
	if fault == nil {
		return nil
	}
	for _, nth := range smallerNumbers(int64(fault.Moment.Operation.Nth), 1) {
		smaller := *fault
		smaller.Moment.Operation.Nth = int(nth)
		all = append(all, smaller)
	}
	if loss, ok := fault.Action.(faults.PowerLoss); ok {
		for _, state := range smallerNumbers(int64(loss.State), 0) {
			smaller := *fault
			smaller.Action = faults.PowerLoss{Level: loss.Level, State: uint64(state)}
			all = append(all, smaller)
		}
	}
	return all
}

// smallerNumbers returns up to three smaller numbers to try: the least number that is allowed, the
// number halfway to it, and the number one below.
func smallerNumbers(from, least int64) []int64 {
	all := []int64{least, least + (from-least)/2, from - 1}
	return slices.Compact(slices.DeleteFunc(all, func(n int64) bool { return n >= from || n < least }))
}
