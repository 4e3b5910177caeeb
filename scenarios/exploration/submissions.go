package exploration

import (
	"github.com/snapback/snapback/scenarios"
)

// Setting is a key of the engine's own configuration, with a value.
type Setting struct {
	Key, Value string
	Cluster    bool // whether the configuration of the cluster has the key, and not that of the job
}

// Settings lists the settings that can be drawn for Flink. A target may not have all of them.
func Settings() []Setting {
	return []Setting{
		{"execution.state-recovery.from-local", "true", true},
		{"jobmanager.execution.failover-strategy", "full", true},
		{"jobmanager.scheduler", "adaptive", true},
		{"execution.checkpointing.file-merging.enabled", "true", false},
	}
}

// retainedAll is more than the number of checkpoints that a job completes. Then each of them is kept.
const retainedAll = 100

// setting draws a setting of the cluster or of the job.
func (e *engine) setting() {
	if len(e.space.Settings) == 0 {
		return
	}
	keys := []string{"none"}
	for _, s := range e.space.Settings {
		keys = append(keys, s.Key)
	}
	chosen := e.one("setting", keys...)
	for _, s := range e.space.Settings {
		switch {
		case s.Key != chosen:
		case s.Cluster:
			e.scenario.Cluster.Settings = map[string]string{s.Key: s.Value}
		default:
			e.scenario.Job.Settings = map[string]string{s.Key: s.Value}
		}
	}
}

// resumed draws a configuration of its own for a job that resumes, and an older checkpoint from which
// it resumes. The parameter is the job from whose checkpoint it resumes.
func (e *engine) resumed(s scenarios.Submit, from *link) scenarios.Submit {
	if e.has(scenarios.Modes) && e.some("another configuration") {
		job := e.scenario.Job
		job.Interval = e.millis("another interval", 30, 150)
		if !job.AtLeastOnce && job.MaxConcurrent == 0 {
			job.Unaligned, job.AlignmentTimeout = !job.Unaligned, 0
		}
		s.With = &job
	}
	// The first job has the checkpoints 1, 2, 3 … A fault may abort one of them. Such a checkpoint is not
	// claimed, which the changelog backend would need.
	all := e.scenario.Cluster.Retained == retainedAll && e.scenario.Job.Backend != "changelog"
	if all && !e.faulted && from.name == e.links[0].name && from.left > 1 {
		s.From = scenarios.Pointer{Checkpoint: int64(e.Int("checkpoint", 1, from.left))}
	}
	return s
}

// wait lets time pass.
func (e *engine) wait() {
	wait := e.millis("wait", 20, 300)
	e.live(wait + startTime)
	e.add(scenarios.Step{Wait: wait})
}
