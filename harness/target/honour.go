package target

import (
	"fmt"
	"maps"
	"slices"

	"github.com/snapback/snapback/scenarios"
)

// Field is a field that a scenario sets, and that not every target can honour.
type Field struct {
	Name  string // such as job.backend; for a setting, the name of the map: job.settings or cluster.settings
	Key   string // the key of a setting; empty for all other fields
	Value string
}

func (f Field) String() string {
	name := f.Name
	if f.Key != "" {
		name += "." + f.Key
	}
	return name + ": " + f.Value
}

// The names of the fields that not every target can honour.
const (
	ClusterSettings  = "cluster.settings"
	JobSettings      = "job.settings"
	JobBackend       = "job.backend"
	JobParallelism   = "job.maxParallelism"
	JobMinPause      = "job.minPause"
	JobConcurrent    = "job.maxConcurrent"
	JobTolerable     = "job.tolerable"
	JobAtLeastOnce   = "job.atLeastOnce"
	JobUnaligned     = "job.unaligned"
	JobAlignment     = "job.alignmentTimeout"
	WorkloadSlow     = "workload.slow"
	WorkloadPayload  = "workload.payload"
	AllowNonRestored = "submit.allowNonRestored"
)

// Unhonoured lists the fields that a scenario sets but the target does not honour. Each element is
// a reason to skip the scenario: it names the field and the target.
func Unhonoured(t Target, s scenarios.Scenario) []string {
	var reasons []string
	for _, field := range Fields(s) {
		if !t.Honours(field) {
			reasons = append(reasons, fmt.Sprintf("%s: %s does not honour it", field, t.Describe()))
		}
	}
	return reasons
}

// Fields lists the fields that a scenario sets, and that not every target can honour.
func Fields(s scenarios.Scenario) []Field {
	var all []Field
	add := func(name string, set bool, value any) {
		if field := (Field{Name: name, Value: fmt.Sprint(value)}); set && !slices.Contains(all, field) {
			all = append(all, field)
		}
	}
	settings := func(name string, of map[string]string) {
		for _, key := range slices.Sorted(maps.Keys(of)) {
			if field := (Field{name, key, of[key]}); !slices.Contains(all, field) {
				all = append(all, field)
			}
		}
	}
	settings(ClusterSettings, s.Cluster.Settings)
	add(WorkloadSlow, s.Workload.Slow > 0, s.Workload.Slow)
	add(WorkloadPayload, s.Workload.Payload > 0, s.Workload.Payload)
	for _, step := range s.Steps {
		if step.Submit == nil {
			continue
		}
		add(AllowNonRestored, step.Submit.AllowNonRestored, true)
		j := s.JobOf(*step.Submit)
		settings(JobSettings, j.Settings)
		add(JobBackend, j.Backend != "", j.Backend)
		add(JobParallelism, j.ParallelismMax > 0, j.ParallelismMax)
		add(JobMinPause, j.MinPause > 0, j.MinPause)
		add(JobConcurrent, j.MaxConcurrent > 1, j.MaxConcurrent)
		add(JobTolerable, j.Tolerable > 0, j.Tolerable)
		add(JobAtLeastOnce, j.AtLeastOnce, true)
		add(JobUnaligned, j.Unaligned, true)
		add(JobAlignment, j.AlignmentTimeout > 0, j.AlignmentTimeout)
	}
	return all
}
