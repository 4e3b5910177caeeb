// Package scenarios holds the scenarios, which are data, and the requirements that they check.
//
// A scenario names a workload, a cluster, a job and the steps to take. This package runs nothing:
// the harness runs scenarios on targets.
//
// Start with [Catalogue], or [Parse] for a file of your own.
package scenarios

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
)

//go:embed catalogue
var catalogue embed.FS

// Scenario is an experiment on a cluster.
type Scenario struct {
	Name         string            `json:"name" yaml:"name"`
	File         string            `json:"file,omitempty" yaml:"-"` // the file from which the scenario was read; empty for the catalogue
	Title        string            `json:"title" yaml:"title"`
	Requirements []string          `json:"requirements" yaml:"requirements"` // the ids of the requirements that the scenario checks
	Features     []Feature         `json:"features" yaml:"features"`         // the features that a target must have
	Variants     []Variant         `json:"-" yaml:"variants,omitempty"`
	Workload     workload.Workload `json:"workload" yaml:"workload"`
	Cluster      Cluster           `json:"cluster" yaml:"cluster"`
	Job          Job               `json:"job" yaml:"job"`
	Bound        time.Duration     `json:"bound_ns" yaml:"bound"` // the longest time that a step waits
	Steps        []Step            `json:"steps" yaml:"steps"`
}

// Variant says how to make one more scenario from the same scenario file, with another cleanup
// mode.
type Variant struct {
	Retention    storage.Retention `yaml:"retention"`
	Requirements []string          `yaml:"requirements"` // the ids of the requirements that only this variant checks
}

// Over says whether a job with this status does nothing more. With high availability another leader
// continues a job that was suspended.
func (s Scenario) Over(status storage.JobStatus) bool {
	return status.Terminal() && (status != storage.Suspended || s.Cluster.JobManagers == 0)
}

// UpgradesToNext says whether a step upgrades to [Next].
func (s Scenario) UpgradesToNext() bool {
	return slices.ContainsFunc(s.Steps, func(step Step) bool { return step.Upgrade == Next })
}

// Cluster is the cluster on which the jobs run.
type Cluster struct {
	TaskManagers int `json:"taskManagers" yaml:"taskManagers"`                   // the number of TaskManagers; each has one slot
	JobManagers  int `json:"jobManagers,omitempty" yaml:"jobManagers,omitempty"` // the number of JobManagers, with high availability; 0: one JobManager, without high availability
	Retained     int `json:"retained" yaml:"retained"`                           // the number of completed checkpoints that are kept

	Settings map[string]string `json:"settings,omitempty" yaml:"settings,omitempty"` // keys of the engine's own configuration
}

// Job is the configuration of the scenario's jobs. A submission can have another one.
type Job struct {
	Parallelism    int               `json:"parallelism" yaml:"parallelism"`
	ParallelismMax int               `json:"maxParallelism,omitempty" yaml:"maxParallelism,omitempty"`
	Interval       time.Duration     `json:"interval_ns" yaml:"interval"`                            // the time between the beginnings of two checkpoints
	MinPause       time.Duration     `json:"minPause_ns,omitempty" yaml:"minPause,omitempty"`        // the least time between the end of a checkpoint and the next checkpoint
	Timeout        time.Duration     `json:"timeout_ns" yaml:"timeout"`                              // the longest time that a checkpoint may take
	MaxConcurrent  int               `json:"maxConcurrent,omitempty" yaml:"maxConcurrent,omitempty"` // the largest number of checkpoints in progress; 0: one
	Tolerable      int               `json:"tolerable,omitempty" yaml:"tolerable,omitempty"`         // the number of checkpoints that may fail in a row; after one more failure the job fails
	Retention      storage.Retention `json:"retention" yaml:"retention"`
	Restarts       int               `json:"restarts" yaml:"restarts"`
	AtLeastOnce    bool              `json:"atLeastOnce,omitempty" yaml:"atLeastOnce,omitempty"`
	Unaligned      bool              `json:"unaligned,omitempty" yaml:"unaligned,omitempty"`
	// AlignmentTimeout is the time after which an aligned barrier begins to overtake records.
	AlignmentTimeout time.Duration `json:"alignmentTimeout_ns,omitempty" yaml:"alignmentTimeout,omitempty"`
	Backend          string        `json:"backend,omitempty" yaml:"backend,omitempty"` // one of [Backends]; empty: full

	Settings map[string]string `json:"settings,omitempty" yaml:"settings,omitempty"` // keys of the engine's own configuration
}

// Feature is an ability that some targets have and others lack.
type Feature string

// The features.
const (
	Restart    Feature = "restart"    // restarts a failed job from its latest checkpoint
	Resume     Feature = "resume"     // starts a job from a checkpoint on storage
	Trigger    Feature = "trigger"    // takes a checkpoint when asked
	Retention  Feature = "retention"  // has the three cleanup modes of Flink
	Kill       Feature = "kill"       // its TaskManagers can be killed, and new TaskManagers started
	JobManager Feature = "jobmanager" // its JobManager can be killed, and a new one started; without high availability the new one has no job
	Pause      Feature = "pause"      // its processes can be paused
	HA         Feature = "ha"         // has several JobManagers; one of them leads
	Savepoint  Feature = "savepoint"  // takes savepoints, and can stop a job with a savepoint
	Native     Feature = "native"     // takes savepoints in the format of the state backend, too
	SuspendJob Feature = "suspend"    // can suspend a job
	Rescale    Feature = "rescale"    // resumes with another parallelism
	Claim      Feature = "claim"      // has Flink's claim modes
	Modes      Feature = "modes"      // has unaligned and at-least-once checkpoints, state backends, and tolerates failed checkpoints
	Workloads  Feature = "workloads"  // runs all workloads, not only counts
	Tap        Feature = "tap"        // its operations on storage can be observed, stopped and made to fail
	PowerLoss  Feature = "powerloss"  // the harness knows what a power loss would leave of its storage
	Partition  Feature = "partition"  // its processes can be cut off from each other
	Bandwidth  Feature = "bandwidth"  // the bandwidth of its processes' connections can be limited
	Network    Feature = "network"    // its processes' connections can be broken and delayed
	Remote     Feature = "remote"     // its connections to storage can be cut, broken and delayed
	Clock      Feature = "clock"      // the clocks of its processes can be set wrong
	Processor  Feature = "processor"  // its processes can be slowed down
	Upgrade    Feature = "upgrade"    // another version of it can run on the same storage
	Kafka      Feature = "kafka"      // its jobs can read from a Kafka broker and write to it; the broker can be killed
	FileSink   Feature = "filesink"   // its jobs can write with the engine's own sink for files
)

var features = []Feature{Restart, Resume, Trigger, Retention, Kill, JobManager, Pause, HA, Savepoint, Native, SuspendJob, Rescale, Claim, Modes, Workloads, Tap, PowerLoss, Partition, Bandwidth, Network, Remote, Clock, Processor, Upgrade, Kafka, FileSink}

// needs says which part of a scenario needs a feature.
var needs = map[Feature]string{
	Restart:    "a job that comes back by itself after a failure",
	Resume:     "`restore` of a submission",
	Trigger:    "`checkpoint`",
	Retention:  "`retention` of a job: Flink's three cleanup modes",
	Kill:       "`(Kill taskmanager)`, `start: taskmanager`",
	JobManager: "`(Kill jobmanager)`, `(Kill cluster)`, `start: jobmanager`",
	Pause:      "`(Pause …)`",
	HA:         "`jobManagers` of a cluster",
	Savepoint:  "`savepoint`",
	Native:     "`native` of a savepoint",
	SuspendJob: "`suspend`",
	Rescale:    "`parallelism` of a submission",
	Claim:      "`claimMode` of a submission",
	Modes:      "barriers, backends and limits of a job",
	Workloads:  "a workload other than `counts`",
	Tap:        "faults at operations on storage",
	PowerLoss:  "`(PowerLoss …)`",
	Partition:  "`(Cut PROCESS)`",
	Bandwidth:  "`(Limit …)`",
	Network:    "`(Break …)`, `(Lag …)`",
	Remote:     "`(Cut storage)`, `(Break storage)`, `(Lag storage …)`",
	Clock:      "`(Jump …)`, `(Drift …)`",
	Processor:  "`(Slow …)`",
	Upgrade:    "`upgrade`",
	Kafka:      "`connectors: kafka`, `(Kill broker)`, `start: broker`",
	FileSink:   "`connectors: filesink`",
}

// Features lists all features.
func Features() []Feature { return slices.Clone(features) }

// Describe says which part of a scenario needs the feature.
func (f Feature) Describe() string { return needs[f] }

// Step is one thing to do. Exactly one of its fields is set.
type Step struct {
	Submit     *Submit        `json:"submit,omitempty" yaml:"submit,omitempty"`
	Await      *Await         `json:"await,omitempty" yaml:"await,omitempty"`
	Fault      *faults.Fault  `json:"fault,omitempty" yaml:"fault,omitempty"`
	Arm        *faults.Fault  `json:"arm,omitempty" yaml:"arm,omitempty"`               // a fault that fires at an operation; the next step does not wait for the fault
	Recover    string         `json:"recover,omitempty" yaml:"recover,omitempty"`       // the name of a job: wait until it has recovered after the power loss, and has ended
	Start      string         `json:"start,omitempty" yaml:"start,omitempty"`           // taskmanager, jobmanager or broker: start as many of these processes as are missing
	Savepoint  *TakeSavepoint `json:"savepoint,omitempty" yaml:"savepoint,omitempty"`   // take a savepoint, and wait until it is complete
	Suspend    string         `json:"suspend,omitempty" yaml:"suspend,omitempty"`       // the name of the job to suspend
	Checkpoint string         `json:"checkpoint,omitempty" yaml:"checkpoint,omitempty"` // the name of a job: take a checkpoint of it, and wait for the checkpoint
	Cancel     string         `json:"cancel,omitempty" yaml:"cancel,omitempty"`         // the name of the job to cancel
	Finish     string         `json:"finish,omitempty" yaml:"finish,omitempty"`         // the name of a job on Kafka: wait until it has read its whole input, and drain it if it does not finish by itself
	Fail       string         `json:"fail,omitempty" yaml:"fail,omitempty"`             // the name of a job: make its code fail
	Record     string         `json:"record,omitempty" yaml:"record,omitempty"`         // a label: record the content of storage now
	Wait       time.Duration  `json:"wait_ns,omitempty" yaml:"wait,omitempty"`          // let this time pass
	Damage     *Damage        `json:"damage,omitempty" yaml:"damage,omitempty"`         // damage files on storage, or repair them
	Upgrade    string         `json:"upgrade,omitempty" yaml:"upgrade,omitempty"`       // a version, or [Next]: end the cluster, and start one of this version on the same storage
}

// Next stands for the version to which the user upgrades; see [Step]. It keeps versions out of the
// catalogue: the user who runs a scenario names the old version and the next one.
const Next = "next"

// HasFault says whether the step lets a fault happen, now or at a later operation.
func (s Step) HasFault() bool { return s.Fault != nil || s.Arm != nil }

// About says whether the step submits, awaits or changes the job with this name.
func (s Step) About(job string) bool {
	return (s.Submit != nil && s.Submit.Job == job) || (s.Submit == nil && slices.Contains(s.jobs(), job))
}

// Damage changes files below the checkpoint directory, while no operation of the engine does.
type Damage struct {
	File string `json:"file" yaml:"file"` // a pattern for the paths of files, in which * stands for any text; all files that match are damaged
	How  Harm   `json:"how" yaml:"how"`
}

// Harm says what is done to a file.
type Harm string

// The harms.
const (
	Deleted   Harm = "delete"
	Truncated Harm = "truncate" // the second half of the file is cut off
	Flipped   Harm = "flip"     // one bit in the middle of the file is flipped
	Restored  Harm = "restore"  // the file is again as it was before the first damage
)

var harms = []Harm{Deleted, Truncated, Flipped, Restored}

// TakeSavepoint takes a savepoint of a job.
type TakeSavepoint struct {
	Job   string `json:"job" yaml:"job"`
	Stop  Stop   `json:"stop,omitempty" yaml:"stop,omitempty"`
	Fails bool   `json:"fails,omitempty" yaml:"fails,omitempty"` // whether a fault must prevent the savepoint; the job then continues
	// Native says whether the savepoint has the format of the state backend. Otherwise it has the
	// canonical format, which every state backend can read.
	Native bool `json:"native,omitempty" yaml:"native,omitempty"`
}

// Stop says whether a job ends after its savepoint, and how.
type Stop string

// The ways to stop.
const (
	GoOn    Stop = ""
	Suspend Stop = "suspend" // Flink's stop with savepoint, without drain: the savepoint holds the state with which the job would continue
	Drain   Stop = "drain"   // Flink's stop with savepoint, with drain: the job ends its input first, and the savepoint holds the state at that end
)

// Await waits for one of four events: the job has completed a number of checkpoints since it was
// submitted; it has completed a number of checkpoints since this step began; it has aborted a
// number of checkpoints since this step began; or it has a status.
type Await struct {
	Job       string            `json:"job" yaml:"job"`
	Completed int               `json:"completed,omitempty" yaml:"completed,omitempty"`
	More      int               `json:"more,omitempty" yaml:"more,omitempty"`       // the number of checkpoints completed since this step began
	Aborted   int               `json:"aborted,omitempty" yaml:"aborted,omitempty"` // the number of checkpoints aborted since this step began
	Status    storage.JobStatus `json:"status,omitempty" yaml:"status,omitempty"`
}

// Catalogue returns the scenarios that come with Snapback, sorted by name.
func Catalogue() ([]Scenario, error) { return Area("") }

// Areas names the parts of the catalogue.
func Areas() ([]string, error) {
	folders, err := fs.ReadDir(catalogue, "catalogue")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, folder := range folders {
		names = append(names, folder.Name())
	}
	return names, nil
}

// Area returns the scenarios of a part of the catalogue, sorted by name.
func Area(name string) ([]Scenario, error) {
	var all []Scenario
	err := fs.WalkDir(catalogue, path.Join("catalogue", name), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(catalogue, name)
		if err != nil {
			return err
		}
		parsed, err := Parse(name, data)
		if err != nil {
			return err
		}
		for _, s := range parsed {
			s.File = ""
			all = append(all, s)
		}
		return nil
	})
	return all, err
}

// Parse reads a scenario file, and returns one scenario for each of its variants. Errors mention
// the name.
func Parse(name string, data []byte) ([]Scenario, error) {
	var read Scenario
	decoder := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := decoder.Decode(&read); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("scenario file %s: want a scenario, got nothing", name)
	} else if err != nil {
		return nil, fmt.Errorf("scenario file %s: %s", name, strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	if err := decoder.Decode(&Scenario{}); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("scenario file %s: want one scenario, got more than one document", name)
	}
	read.File = name
	withs, err := withs(data)
	if err != nil {
		return nil, fmt.Errorf("scenario file %s: %w", name, err)
	}
	spread := read.spread()
	for i := range spread {
		s := &spread[i]
		if err := s.resolve(withs); err != nil {
			return nil, fmt.Errorf("scenario file %s: %w", name, err)
		}
		if err := s.Validate(); err != nil {
			return nil, fmt.Errorf("scenario file %s: %w", name, err)
		}
	}
	return spread, nil
}

func (s Scenario) spread() []Scenario {
	if s.Bound == 0 {
		s.Bound = time.Minute
	}
	if s.Workload.Name == "" {
		s.Workload.Name = workload.Counts
	}
	if s.Job.Timeout == 0 {
		s.Job.Timeout = 10 * time.Minute // Flink's default
	}
	if len(s.Variants) == 0 {
		return []Scenario{s}
	}
	var spread []Scenario
	for _, variant := range s.Variants {
		one := s
		one.Variants = nil
		one.Name = path.Join(s.Name, "retention="+string(variant.Retention))
		one.Job.Retention = variant.Retention
		one.Requirements = append(slices.Clone(variant.Requirements), s.Requirements...)
		spread = append(spread, one)
	}
	return spread
}

// Select returns the scenarios whose names match one of the patterns. The parts of a name are
// separated by slashes. In a pattern * stands for any text within one part, and ** for any text
// across parts. A pattern for the first parts of a name matches the name, too: "recovery" matches
// "recovery/claim". A pattern that matches no scenario is an error.
func Select(all []Scenario, patterns []string) ([]Scenario, error) {
	chosen := map[string]bool{}
	for _, pattern := range patterns {
		matcher := matcherOf(pattern)
		before := len(chosen)
		matched := 0
		for _, s := range all {
			if matcher.MatchString(s.Name) {
				chosen[s.Name] = true
				matched++
			}
		}
		if matched == 0 && len(chosen) == before {
			return nil, fmt.Errorf("no scenario matches %q%s; see: snapback list scenarios", pattern, nearest(all, pattern))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(s Scenario) bool { return !chosen[s.Name] }), nil
}

// Matches says whether a pattern matches a name. The function Select says what a pattern is.
func Matches(pattern, name string) bool { return matcherOf(pattern).MatchString(name) }

func matcherOf(pattern string) *regexp.Regexp {
	expression := regexp.QuoteMeta(strings.Trim(pattern, "/"))
	expression = strings.ReplaceAll(expression, `\*\*`, `.*`)
	expression = strings.ReplaceAll(expression, `\*`, `[^/]*`)
	return regexp.MustCompile("^" + expression + "(/.*)?$")
}

// nearest suggests the scenario whose name has the most words of the pattern.
func nearest(all []Scenario, pattern string) string {
	words := strings.FieldsFunc(pattern, func(r rune) bool { return strings.ContainsRune("/*-", r) })
	best, most := "", 0
	for _, s := range all {
		held := 0
		for _, word := range words {
			if len(word) > 3 && strings.Contains(s.Name, word) {
				held++
			}
		}
		if held > most {
			best, most = s.Name, held
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}
