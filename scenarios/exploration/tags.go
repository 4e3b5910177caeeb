package exploration

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
)

// manyKeys is the least number of keys that counts as many.
const manyKeys = 100

// Tags lists what is special about a scenario, such as "backend changelog" or "rescaled down". The
// tags do not repeat, and have no numbers except small ones.
func Tags(s scenarios.Scenario) []string {
	tags := []string{"workload " + s.Workload.Name, "retention " + string(s.Job.Retention)}
	add := func(tag string, holds bool) {
		if holds && !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	add("backend "+s.Job.Backend, s.Job.Backend != "")
	add("many keys", s.Workload.Keys >= manyKeys)
	add("several retained", s.Cluster.Retained > 1)
	for _, settings := range []map[string]string{s.Cluster.Settings, s.Job.Settings} {
		for _, key := range slices.Sorted(maps.Keys(settings)) {
			add("setting "+key, true)
		}
	}
	add("high availability", s.Cluster.JobManagers > 0)
	add("few key groups", s.Job.ParallelismMax > 0)
	tagBarriers(s.Job, add)
	add("at least once", s.Job.AtLeastOnce)
	add("concurrent", s.Job.MaxConcurrent > 1)
	add("minimum pause", s.Job.MinPause > 0)
	jobs := map[string]submitted{}
	for _, step := range s.Steps {
		for _, fault := range []*faults.Fault{step.Fault, step.Arm} {
			if fault != nil {
				add(KindOf(*fault), true)
			}
		}
		add("checkpoint on request", step.Checkpoint != "")
		add("damaged metadata", step.Damage != nil)
		if step.Savepoint != nil {
			add(strings.TrimSpace("savepoint "+string(step.Savepoint.Stop)), true)
		}
		if step.Submit != nil && !step.Submit.Refused.Expected {
			tagSubmit(s, *step.Submit, jobs, add)
		}
	}
	return tags
}

// tagBarriers adds a tag for how barriers pass through a job.
func tagBarriers(job scenarios.Job, add func(tag string, holds bool)) {
	add("unaligned", job.Unaligned && job.AlignmentTimeout == 0)
	add("aligned with a timeout", job.AlignmentTimeout > 0)
}

// submitted is what the tags of a job depend on that resumes from this job.
type submitted struct {
	parallelism int
	rescaled    string // "up" or "down"; empty: the job was not rescaled
}

// tagSubmit adds the tags of a submission, and adds the job to the jobs so far.
func tagSubmit(s scenarios.Scenario, submit scenarios.Submit, jobs map[string]submitted, add func(tag string, holds bool)) {
	last := len(jobs)
	now := submitted{parallelism: cmp.Or(submit.Parallelism, s.Job.Parallelism)}
	if submit.Restore != "" {
		before := jobs[submit.Restore]
		switch {
		case now.parallelism > before.parallelism:
			now.rescaled = "up"
		case now.parallelism < before.parallelism:
			now.rescaled = "down"
		}
		add("resumed", true)
		add("another configuration", submit.With != nil)
		tagBarriers(s.JobOf(submit), add)
		add("older checkpoint", submit.From.Checkpoint > 0)
		add("resumed twice", last > 1)
		add("rescaled "+now.rescaled, now.rescaled != "")
		add(fmt.Sprintf("rescaled %s, then %s", before.rescaled, now.rescaled), before.rescaled != "" && now.rescaled != "")
		add("claim mode "+string(submit.ClaimMode), submit.ClaimMode != "" && submit.ClaimMode != storage.NoClaim)
		add("rolled back", last > 1 && submit.Restore != latest(s, submit.Job))
	}
	jobs[submit.Job] = now
}

// latest returns the job that was submitted last before the given job.
func latest(s scenarios.Scenario, job string) (before string) {
	for _, step := range s.Steps {
		if step.Submit == nil || step.Submit.Refused.Expected {
			continue
		}
		if step.Submit.Job == job {
			return before
		}
		before = step.Submit.Job
	}
	return before
}

// KindOf returns the text of a fault without its numbers. With the numbers, the list of kinds would
// grow with the length of a campaign.
func KindOf(fault faults.Fault) string {
	name, _, _ := strings.Cut(fault.Action.String(), " ")
	kind := strings.TrimSpace(name + " " + string(fault.Whom()))
	switch {
	case fault.Moment.AtOperation():
		return fmt.Sprintf("(%s (%s …))", kind, fault.Moment.When)
	case fault.Moment.When == faults.DuringCheckpoint:
		return fmt.Sprintf("(%s (During checkpoint))", kind)
	}
	return fmt.Sprintf("(%s)", kind)
}

// Pairs counts the pairs of tags that scenarios have together.
type Pairs map[[2]string]int

// Add counts the pairs of a scenario.
func (p Pairs) Add(s scenarios.Scenario) {
	for _, pair := range pairsOf(s) {
		p[pair]++
	}
}

// pairsOf returns the pairs of a scenario's tags, in order.
func pairsOf(s scenarios.Scenario) (pairs [][2]string) {
	tags := Tags(s)
	slices.Sort(tags)
	for i, one := range tags {
		for _, other := range tags[i+1:] {
			pairs = append(pairs, [2]string{one, other})
		}
	}
	return pairs
}

// Pairs returns the pairs of tags that a sample of scenarios has together.
func (s Space) Pairs() Pairs {
	pairs := Pairs{}
	for seed := range uint64(sampled) {
		pairs.Add(s.Draw("explored/sample", Seeded(seed)))
	}
	return pairs
}
