package target

import (
	"fmt"
	"maps"
	"slices"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/tap"
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
	StepCheckpoint   = "checkpoint"
)

// Viewer is a target that says which operations on storage its clusters see. All targets whose
// clusters are [Tapped] should be viewers.
type Viewer interface {
	View() tap.View
}

// Unhonoured lists what a scenario sets but the target does not honour: fields, and faults that can
// never fire. Each element is a reason to skip the scenario: it names the field or the fault, and
// the target.
func Unhonoured(t Target, s scenarios.Scenario) []string {
	reasons := impossible(t, s)
	if s.UpgradesToNext() && t.Describe().Next == "" {
		reasons = append(reasons, fmt.Sprintf("upgrade: next: want an old and a new version, as in --flink-version 1.20.5:2.3.0, got only %s", t.Describe()))
	}
	for _, field := range Fields(s) {
		if !t.Honours(field) {
			reasons = append(reasons, fmt.Sprintf("%s: %s does not honour it", field, t.Describe()))
		}
	}
	return reasons
}

// impossible lists the faults of a scenario that can never fire on a target.
func impossible(t Target, s scenarios.Scenario) (reasons []string) {
	viewer, ok := t.(Viewer)
	if !ok {
		return nil
	}
	for _, step := range s.Steps {
		for _, fault := range []*faults.Fault{step.Fault, step.Arm} {
			if fault == nil {
				continue
			}
			if why := viewer.View().Excludes(*fault); why != "" {
				reasons = append(reasons, fmt.Sprintf("%s: it can never fire on %s: %s", fault, t.Describe(), why))
			}
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
		add(StepCheckpoint, step.Checkpoint != "", step.Checkpoint)
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
