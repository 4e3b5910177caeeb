// Package scenarios is what is run: scenarios, which are data, and the
// requirements that they check.
//
// A scenario names a workload, a cluster, a job and the steps to take. It runs
// nothing: package harness does, on whatever target it is given.
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

// Scenario is one thing to try on a cluster.
type Scenario struct {
	Name         string            `json:"name" yaml:"name"`
	File         string            `json:"file,omitempty" yaml:"-"` // it was read from; empty for the catalogue's
	Title        string            `json:"title" yaml:"title"`
	Requirements []string          `json:"requirements" yaml:"requirements"` // what it checks
	Features     []Feature         `json:"features" yaml:"features"`         // what it needs of a target
	Variants     []Variant         `json:"-" yaml:"variants,omitempty"`
	Workload     workload.Workload `json:"workload" yaml:"workload"`
	Cluster      Cluster           `json:"cluster" yaml:"cluster"`
	Job          Job               `json:"job" yaml:"job"`
	Bound        time.Duration     `json:"bound_ns" yaml:"bound"` // on each wait
	Steps        []Step            `json:"steps" yaml:"steps"`
}

// Variant makes of a scenario in a file one of its own.
type Variant struct {
	Retention    storage.Retention `yaml:"retention"`
	Requirements []string          `yaml:"requirements"` // checked by this variant besides
}

// Over says whether nothing more comes of a job in this status. With high availability one
// that was suspended is gone on with by another leader.
func (s Scenario) Over(status storage.JobStatus) bool {
	return status.Terminal() && (status != storage.Suspended || s.Cluster.JobManagers == 0)
}

// Cluster is what the job runs on.
type Cluster struct {
	TaskManagers int `json:"taskManagers" yaml:"taskManagers"`                   // of one slot each
	JobManagers  int `json:"jobManagers,omitempty" yaml:"jobManagers,omitempty"` // 0: one, without high availability; else that many, with it
	Retained     int `json:"retained" yaml:"retained"`                           // completed checkpoints to keep
}

// Job is how every job of the scenario is configured.
type Job struct {
	Parallelism    int               `json:"parallelism" yaml:"parallelism"`
	ParallelismMax int               `json:"maxParallelism,omitempty" yaml:"maxParallelism,omitempty"`
	Interval       time.Duration     `json:"interval_ns" yaml:"interval"`                            // between checkpoints
	MinPause       time.Duration     `json:"minPause_ns,omitempty" yaml:"minPause,omitempty"`        // after one, before the next
	Timeout        time.Duration     `json:"timeout_ns" yaml:"timeout"`                              // of one checkpoint
	MaxConcurrent  int               `json:"maxConcurrent,omitempty" yaml:"maxConcurrent,omitempty"` // checkpoints in progress; 0: one
	Tolerable      int               `json:"tolerable,omitempty" yaml:"tolerable,omitempty"`         // checkpoint failures in a row
	Retention      storage.Retention `json:"retention" yaml:"retention"`
	Restarts       int               `json:"restarts" yaml:"restarts"`
	AtLeastOnce    bool              `json:"atLeastOnce,omitempty" yaml:"atLeastOnce,omitempty"`
	Unaligned      bool              `json:"unaligned,omitempty" yaml:"unaligned,omitempty"`
	// AlignmentTimeout is after how long an aligned barrier begins to overtake.
	AlignmentTimeout time.Duration `json:"alignmentTimeout_ns,omitempty" yaml:"alignmentTimeout,omitempty"`
	Backend          string        `json:"backend,omitempty" yaml:"backend,omitempty"` // full, incremental or changelog; empty: full
}

// Feature is something that not every target can do.
type Feature string

// The features.
const (
	Restart    Feature = "restart"    // restarts a failed job from its latest checkpoint
	Resume     Feature = "resume"     // starts a job from a checkpoint on storage
	Trigger    Feature = "trigger"    // takes a checkpoint when asked
	Retention  Feature = "retention"  // has Flink's three cleanup modes
	Kill       Feature = "kill"       // its TaskManagers can be killed, and others started
	JobManager Feature = "jobmanager" // its JobManager can be killed, and another started, in which no job runs unless it is highly available
	Pause      Feature = "pause"      // its processes can be made to stand still
	HA         Feature = "ha"         // several JobManagers, one of which leads
	Savepoint  Feature = "savepoint"  // takes savepoints, and stops with one
	Rescale    Feature = "rescale"    // resumes with another parallelism
	Claim      Feature = "claim"      // has Flink's claim modes
	Modes      Feature = "modes"      // unaligned and at-least-once checkpoints, state backends, failures tolerated
	Workloads  Feature = "workloads"  // runs workloads other than counts
	Tap        Feature = "tap"        // its operations on storage can be seen, stopped and broken
	PowerLoss  Feature = "powerloss"  // it is known what a power loss would leave
	Partition  Feature = "partition"  // its processes can be cut off from each other
	Bandwidth  Feature = "bandwidth"  // their connections can be made narrow
	Network    Feature = "network"    // their connections can be broken and delayed
	Remote     Feature = "remote"     // those to storage can be cut, broken and delayed
	Clock      Feature = "clock"      // its clocks can be put wrong
	Processor  Feature = "processor"  // its processes can be slowed down
)

var features = []Feature{Restart, Resume, Trigger, Retention, Kill, JobManager, Pause, HA, Savepoint, Rescale, Claim, Modes, Workloads, Tap, PowerLoss, Partition, Bandwidth, Network, Remote, Clock, Processor}

// Step is one thing to do. Exactly one of its fields is set.
type Step struct {
	Submit     *Submit        `json:"submit,omitempty" yaml:"submit,omitempty"`
	Await      *Await         `json:"await,omitempty" yaml:"await,omitempty"`
	Fault      *faults.Fault  `json:"fault,omitempty" yaml:"fault,omitempty"`
	Arm        *faults.Fault  `json:"arm,omitempty" yaml:"arm,omitempty"`               // fires at its operation, while the steps go on
	Recover    string         `json:"recover,omitempty" yaml:"recover,omitempty"`       // this job comes back after a power loss, and ends
	Start      string         `json:"start,omitempty" yaml:"start,omitempty"`           // taskmanager or jobmanager: as many as are missing
	Savepoint  *TakeSavepoint `json:"savepoint,omitempty" yaml:"savepoint,omitempty"`   // taken and awaited
	Suspend    string         `json:"suspend,omitempty" yaml:"suspend,omitempty"`       // this job
	Checkpoint string         `json:"checkpoint,omitempty" yaml:"checkpoint,omitempty"` // of this job, taken and awaited
	Cancel     string         `json:"cancel,omitempty" yaml:"cancel,omitempty"`         // this job
	Fail       string         `json:"fail,omitempty" yaml:"fail,omitempty"`             // this job, by an error in its code
	Record     string         `json:"record,omitempty" yaml:"record,omitempty"`         // what is on storage, under this label
}

// Submit submits a job.
type Submit struct {
	Job         string            `json:"job" yaml:"job"`
	Restore     string            `json:"restore,omitempty" yaml:"restore,omitempty"` // the job whose newest retained checkpoint to resume from
	From        Pointer           `json:"from,omitempty" yaml:"from,omitempty"`
	ClaimMode   storage.ClaimMode `json:"claimMode,omitempty" yaml:"claimMode,omitempty"`     // of what it resumes from
	Parallelism int               `json:"parallelism,omitempty" yaml:"parallelism,omitempty"` // other than the scenario's
	Refused     bool              `json:"refused,omitempty" yaml:"refused,omitempty"`         // whether it is expected to be
}

// Pointer is where a resumed job is pointed to.
type Pointer string

// The pointers.
const (
	ToCheckpoint Pointer = ""           // a completed checkpoint
	ToIncomplete Pointer = "incomplete" // what a crash leaves of one: state, and no _metadata
	ToSavepoint  Pointer = "savepoint"  // the newest that the scenario took
	ToNothing    Pointer = "nothing"    // it starts anew, in place of the other
	ToOrigin     Pointer = "origin"     // what the other was resumed from
)

// TakeSavepoint takes a savepoint of a job.
type TakeSavepoint struct {
	Job   string `json:"job" yaml:"job"`
	Stop  Stop   `json:"stop,omitempty" yaml:"stop,omitempty"`
	Fails bool   `json:"fails,omitempty" yaml:"fails,omitempty"` // whether a fault is to keep it from being taken; the job goes on
}

// Stop says whether a job ends with a savepoint.
type Stop string

// The ways to stop.
const (
	GoOn    Stop = ""
	Suspend Stop = "suspend" // its state is as if it went on
	Drain   Stop = "drain"   // as if its input ended there
)

// Await waits until a job has completed so many checkpoints since it was
// submitted, or so many more, or given up so many more, or reached a status.
type Await struct {
	Job       string            `json:"job" yaml:"job"`
	Completed int               `json:"completed,omitempty" yaml:"completed,omitempty"`
	More      int               `json:"more,omitempty" yaml:"more,omitempty"`       // checkpoints, from now on
	Aborted   int               `json:"aborted,omitempty" yaml:"aborted,omitempty"` // likewise
	Status    storage.JobStatus `json:"status,omitempty" yaml:"status,omitempty"`
}

// Catalogue returns the scenarios that come with Snapback, by name.
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

// Area returns the scenarios of a part of the catalogue, by name.
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

// Parse reads a scenario file and returns one scenario for each of its
// variants. The name is for errors.
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
	spread := read.spread()
	for _, s := range spread {
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

// Select returns the scenarios whose names match one of the patterns. In a
// pattern * stands for anything within a part of a name, and ** for any parts. A
// pattern that matches nothing is an error.
func Select(all []Scenario, patterns []string) ([]Scenario, error) {
	chosen := map[string]bool{}
	for _, pattern := range patterns {
		expression := regexp.QuoteMeta(strings.Trim(pattern, "/"))
		expression = strings.ReplaceAll(expression, `\*\*`, `.*`)
		expression = strings.ReplaceAll(expression, `\*`, `[^/]*`)
		matcher := regexp.MustCompile("^" + expression + "(/.*)?$")
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

// nearest suggests the scenario whose name holds most parts of what was asked for.
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
