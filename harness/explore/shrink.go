package explore

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
)

// seedsMax is the greatest number of seeds that Shrink tries at the end. It tries small seeds,
// because they give the simplest schedules.
const seedsMax = 8

// Shrink looks for a smaller scenario that also fails. It tries fewer jobs, steps and faults, a
// smaller cluster and input, a plainer configuration, an earlier operation, a simpler state after a
// power loss, and a smaller seed. The result of fails() says whether a scenario fails. The parameter
// asks is the greatest number of calls of fails(). Shrink never asks about the same scenario twice.
func Shrink(s scenarios.Scenario, seed uint64, asks int, fails func(scenarios.Scenario, uint64) bool) (scenarios.Scenario, uint64) {
	asked := map[string]bool{fmt.Sprint(text(s), seed): true}
	ask := func(smaller scenarios.Scenario, seed uint64) bool {
		key := fmt.Sprint(text(smaller), seed)
		if asks == 0 || asked[key] || smaller.Validate() != nil {
			return false
		}
		asks--
		asked[key] = true
		return fails(smaller, seed)
	}
	for smaller := true; smaller; {
		smaller = false
		for at := 0; at < len(candidates(s)); at++ {
			for at < len(candidates(s)) && ask(candidates(s)[at], seed) {
				s, smaller = candidates(s)[at], true // its candidate at the same place is the next one to try
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

// text returns the JSON of a value. Only equal values have the same text.
func text(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // a bug in this program: the value is plain data
	}
	return string(data)
}

// trying collects variants of a scenario that differ from it by one change.
type trying struct {
	from scenarios.Scenario
	all  []scenarios.Scenario
}

func (t *trying) try(change func(*scenarios.Scenario)) {
	smaller := t.from
	smaller.Steps = slices.Clone(t.from.Steps)
	change(&smaller)
	smaller.Features = smaller.Needed()
	t.all = append(t.all, smaller)
}

func (t *trying) number(field func(*scenarios.Scenario) *int, least int) {
	for _, value := range smallerNumbers(int64(*field(&t.from)), int64(least)) {
		t.try(func(s *scenarios.Scenario) { *field(s) = int(value) })
	}
}

func (t *trying) length(field func(*scenarios.Scenario) *time.Duration, least time.Duration) {
	for _, value := range smallerNumbers(int64(*field(&t.from)), int64(least)) {
		t.try(func(s *scenarios.Scenario) { *field(s) = time.Duration(value).Round(time.Millisecond) })
	}
}

// candidates returns scenarios that differ from s by one change that makes s smaller. The
// candidates with the greatest changes come first.
func candidates(s scenarios.Scenario) []scenarios.Scenario {
	t := &trying{from: s}
	for _, step := range s.Steps {
		if step.Submit != nil {
			t.try(func(s *scenarios.Scenario) { s.Steps = withoutJob(s.Steps, *step.Submit) })
		}
	}
	for i := range s.Steps {
		t.try(func(s *scenarios.Scenario) { s.Steps = slices.Delete(s.Steps, i, i+1) })
	}
	if slices.ContainsFunc(s.Steps, ofDamage) { // none of these steps can go alone
		t.try(func(s *scenarios.Scenario) { s.Steps = slices.DeleteFunc(s.Steps, ofDamage) })
	}
	plain := scenarios.Job{Parallelism: s.Job.Parallelism, Interval: s.Job.Interval, Timeout: s.Job.Timeout, Retention: s.Job.Retention, Restarts: s.Job.Restarts}
	if !reflect.DeepEqual(s.Job, plain) {
		t.try(func(s *scenarios.Scenario) { s.Job = plain })
		t.try(func(s *scenarios.Scenario) { s.Job.Unaligned, s.Job.AlignmentTimeout = false, 0 })
		t.try(func(s *scenarios.Scenario) { s.Job.Backend = "" })
		t.try(func(s *scenarios.Scenario) {
			s.Job.MinPause, s.Job.MaxConcurrent, s.Job.Tolerable, s.Job.AtLeastOnce = 0, 0, 0, false
		})
	}
	if s.Workload.Name != workload.Counts {
		t.try(func(s *scenarios.Scenario) {
			s.Workload.Name, s.Workload.Slow, s.Workload.Payload = workload.Counts, 0, 0
		})
	}
	t.number(func(s *scenarios.Scenario) *int { return &s.Job.Restarts }, 1) // early, because a job that fails for good fails sooner
	t.number(func(s *scenarios.Scenario) *int { return &s.Cluster.JobManagers }, 0)
	t.number(func(s *scenarios.Scenario) *int { return &s.Job.Parallelism }, 1)
	t.number(func(s *scenarios.Scenario) *int { return &s.Cluster.TaskManagers }, 1)
	t.number(func(s *scenarios.Scenario) *int { return &s.Cluster.Retained }, 1)
	t.number(func(s *scenarios.Scenario) *int { return &s.Workload.Records }, 1)
	t.number(func(s *scenarios.Scenario) *int { return &s.Workload.Splits }, 1)
	t.number(func(s *scenarios.Scenario) *int { return &s.Workload.Keys }, 1)
	t.length(func(s *scenarios.Scenario) *time.Duration { return &s.Workload.Snapshot }, 0)
	t.length(func(s *scenarios.Scenario) *time.Duration { return &s.Job.Interval }, 10*time.Millisecond)
	for i, step := range s.Steps {
		t.steps(i, step)
	}
	return t.all
}

// ofDamage says whether a step damages files, repairs them, or expects a refusal because of damage.
func ofDamage(step scenarios.Step) bool {
	return step.Damage != nil || (step.Submit != nil && step.Submit.Refused.Expected)
}

// steps adds the variants in which one step is plainer.
func (t *trying) steps(i int, step scenarios.Step) {
	for _, fault := range smallerFaults(step.Fault) {
		t.try(func(s *scenarios.Scenario) { s.Steps[i].Fault = &fault })
	}
	for _, fault := range smallerFaults(step.Arm) {
		t.try(func(s *scenarios.Scenario) { s.Steps[i].Arm = &fault })
	}
	if submit := step.Submit; submit != nil {
		same, unclaimed := *submit, *submit
		same.Parallelism, unclaimed.ClaimMode = 0, ""
		t.try(func(s *scenarios.Scenario) { s.Steps[i].Submit = &same })
		t.try(func(s *scenarios.Scenario) { s.Steps[i].Submit = &unclaimed })
	}
	if await := step.Await; await != nil && await.Completed > 1 {
		first := *await
		first.Completed = 1
		t.try(func(s *scenarios.Scenario) { s.Steps[i].Await = &first })
	}
}

// withoutJob leaves out the steps about a job. A job that resumed from this job resumes from the
// job before it, or starts without a checkpoint.
func withoutJob(steps []scenarios.Step, left scenarios.Submit) (rest []scenarios.Step) {
	for _, step := range steps {
		if step.Submit != nil && step.Submit.Restore == left.Job {
			next := *step.Submit
			if next.Restore, next.From = left.Restore, left.From; next.Restore == "" {
				next.ClaimMode = ""
			}
			step.Submit = &next
		}
		if !step.About(left.Job) {
			rest = append(rest, step)
		}
	}
	return rest
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

// nearMax is the greatest distance to the least number at which the number one below is tried, too.
// For greater numbers this would need too many tries.
const nearMax = 64

// smallerNumbers returns up to three smaller numbers to try: the least number that is allowed, the
// number halfway to it, and the number one below.
func smallerNumbers(from, least int64) []int64 {
	all := []int64{least, least + (from-least)/2}
	if from-least <= nearMax {
		all = append(all, from-1)
	}
	return slices.Compact(slices.DeleteFunc(all, func(n int64) bool { return n >= from || n < least }))
}
