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
	Name         string          `json:"name" yaml:"name"`
	File         string          `json:"file,omitempty" yaml:"-"` // it was read from; empty for the catalogue's
	Title        string          `json:"title" yaml:"title"`
	Requirements []string        `json:"requirements" yaml:"requirements"` // what it checks
	Features     []Feature       `json:"features" yaml:"features"`         // what it needs of a target
	Variants     []Variant       `json:"-" yaml:"variants"`
	Workload     workload.Counts `json:"workload" yaml:"workload"`
	Cluster      Cluster         `json:"cluster" yaml:"cluster"`
	Job          Job             `json:"job" yaml:"job"`
	Bound        time.Duration   `json:"bound_ns" yaml:"bound"` // on each wait
	Steps        []Step          `json:"steps" yaml:"steps"`
}

// Variant makes of a scenario in a file one of its own.
type Variant struct {
	Retention    storage.Retention `yaml:"retention"`
	Requirements []string          `yaml:"requirements"` // checked by this variant besides
}

// Cluster is what the job runs on.
type Cluster struct {
	TaskManagers int `json:"taskManagers" yaml:"taskManagers"` // of one slot each
	Retained     int `json:"retained" yaml:"retained"`         // completed checkpoints to keep
}

// Job is how every job of the scenario is configured.
type Job struct {
	Parallelism int               `json:"parallelism" yaml:"parallelism"`
	Interval    time.Duration     `json:"interval_ns" yaml:"interval"` // between checkpoints
	Timeout     time.Duration     `json:"timeout_ns" yaml:"timeout"`   // of one checkpoint
	Retention   storage.Retention `json:"retention" yaml:"retention"`
	Restarts    int               `json:"restarts" yaml:"restarts"`
}

// Feature is something that not every target can do.
type Feature string

// The features.
const (
	Restart   Feature = "restart"   // restarts a failed job from its latest checkpoint
	Resume    Feature = "resume"    // starts a job from a checkpoint on storage
	Trigger   Feature = "trigger"   // takes a checkpoint when asked
	Retention Feature = "retention" // has Flink's three cleanup modes
	Kill      Feature = "kill"      // its TaskManagers can be killed, and others started
)

// Step is one thing to do. Exactly one of its fields is set.
type Step struct {
	Submit     *Submit       `json:"submit,omitempty" yaml:"submit"`
	Await      *Await        `json:"await,omitempty" yaml:"await"`
	Fault      *faults.Fault `json:"fault,omitempty" yaml:"fault"`
	Start      string        `json:"start,omitempty" yaml:"start"`           // taskmanager: as many as are missing
	Checkpoint string        `json:"checkpoint,omitempty" yaml:"checkpoint"` // of this job, taken and awaited
	Cancel     string        `json:"cancel,omitempty" yaml:"cancel"`         // this job
	Fail       string        `json:"fail,omitempty" yaml:"fail"`             // this job, by an error in its code
	Record     string        `json:"record,omitempty" yaml:"record"`         // what is on storage, under this label
}

// Submit submits a job.
type Submit struct {
	Job     string  `json:"job" yaml:"job"`
	Restore string  `json:"restore,omitempty" yaml:"restore"` // the job whose newest retained checkpoint to resume from
	From    Pointer `json:"from,omitempty" yaml:"from"`
	Refused bool    `json:"refused,omitempty" yaml:"refused"` // whether it is expected to be
}

// Pointer is where a resumed job is pointed to.
type Pointer string

// The pointers.
const (
	ToCheckpoint Pointer = ""           // a completed checkpoint
	ToIncomplete Pointer = "incomplete" // what a crash leaves of one: state, and no _metadata
)

// Await waits until a job has completed so many checkpoints since it was
// submitted, or reached a status.
type Await struct {
	Job       string            `json:"job" yaml:"job"`
	Completed int               `json:"completed,omitempty" yaml:"completed"`
	Status    storage.JobStatus `json:"status,omitempty" yaml:"status"`
}

// Catalogue returns the scenarios that come with Snapback, by name.
func Catalogue() ([]Scenario, error) {
	var all []Scenario
	err := fs.WalkDir(catalogue, "catalogue", func(name string, entry fs.DirEntry, err error) error {
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
	if err := decoder.Decode(&read); err != nil {
		return nil, fmt.Errorf("scenario file %s: %s", name, strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	read.File = name
	spread := read.spread()
	for _, s := range spread {
		if err := s.validate(); err != nil {
			return nil, fmt.Errorf("scenario file %s: %w", name, err)
		}
	}
	return spread, nil
}

func (s Scenario) spread() []Scenario {
	if s.Bound == 0 {
		s.Bound = time.Minute
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

var scenarioName = regexp.MustCompile(`^[a-z0-9-]+(/[a-z0-9-]+)*(/[a-z]+=[A-Za-z0-9_]+)*$`)

func (s Scenario) validate() error {
	switch {
	case !scenarioName.MatchString(s.Name):
		return fmt.Errorf("name: want words of a-z, 0-9 and - with / between, got %q", s.Name)
	case s.Title == "":
		return errors.New("title: want a sentence, got nothing")
	case len(s.Requirements) == 0:
		return errors.New("requirements: want at least one: a scenario that checks nothing proves nothing")
	case s.Cluster.TaskManagers < 1 || s.Cluster.TaskManagers > 16:
		return fmt.Errorf("cluster.taskManagers: want 1 to 16, got %d", s.Cluster.TaskManagers)
	case s.Cluster.Retained < 1 || s.Cluster.Retained > 100:
		return fmt.Errorf("cluster.retained: want 1 to 100, got %d", s.Cluster.Retained)
	case s.Job.Parallelism < 1 || s.Job.Parallelism > s.Cluster.TaskManagers:
		return fmt.Errorf("job.parallelism: want 1 to %d, one slot for each TaskManager, got %d", s.Cluster.TaskManagers, s.Job.Parallelism)
	case s.Job.Interval < 10*time.Millisecond:
		return fmt.Errorf("job.interval: want 10ms or more, got %s", s.Job.Interval)
	case s.Job.Restarts < 0:
		return fmt.Errorf("job.restarts: want 0 or more, got %d", s.Job.Restarts)
	case len(s.Steps) == 0:
		return errors.New("steps: want at least one")
	}
	if _, err := storage.ParseRetention(string(s.Job.Retention)); err != nil {
		return fmt.Errorf("job.%w", err)
	}
	known, err := Requirements()
	if err != nil {
		return err
	}
	for _, id := range s.Requirements {
		if !slices.ContainsFunc(known, func(r Requirement) bool { return r.ID == id }) {
			return fmt.Errorf("requirements: there is no %q; see: snapback list requirements", id)
		}
	}
	if err := s.validateSteps(); err != nil {
		return err
	}
	return s.Workload.Validate()
}

// validateSteps checks each step by itself, and that jobs are submitted before
// they are spoken of.
func (s Scenario) validateSteps() error {
	var jobs []string
	for i, step := range s.Steps {
		if n := step.fields(); n != 1 {
			return fmt.Errorf("step %d: want one thing to do, got %d", i+1, n)
		}
		if step.Start != "" && step.Start != string(faults.TaskManager) {
			return fmt.Errorf("step %d: start: want %s, got %q", i+1, faults.TaskManager, step.Start)
		}
		if (step.Fault != nil || step.Start != "") && !slices.Contains(s.Features, Kill) {
			return fmt.Errorf("step %d: features: want %s among them, got %v", i+1, Kill, s.Features)
		}
		for _, named := range step.jobs() {
			if !slices.Contains(jobs, named) {
				return fmt.Errorf("step %d: job %q was not submitted before", i+1, named)
			}
		}
		if submit := step.Submit; submit != nil {
			switch {
			case !scenarioName.MatchString(submit.Job) || slices.Contains(jobs, submit.Job):
				return fmt.Errorf("step %d: submit: want a new name for the job, got %q", i+1, submit.Job)
			case submit.From != ToCheckpoint && submit.From != ToIncomplete:
				return fmt.Errorf("step %d: from: want %s or nothing, got %q", i+1, ToIncomplete, submit.From)
			}
			jobs = append(jobs, submit.Job)
		}
		if await := step.Await; await != nil && (await.Completed > 0) == (await.Status != "") {
			return fmt.Errorf("step %d: await: want completed or status, and not both", i+1)
		}
	}
	return nil
}

func (s Step) fields() int {
	n := 0
	for _, set := range []bool{
		s.Submit != nil, s.Await != nil, s.Fault != nil, s.Start != "",
		s.Checkpoint != "", s.Cancel != "", s.Fail != "", s.Record != "",
	} {
		if set {
			n++
		}
	}
	return n
}

// jobs returns the jobs that must exist before the step.
func (s Step) jobs() []string {
	named := []string{s.Checkpoint, s.Cancel, s.Fail}
	if s.Await != nil {
		named = append(named, s.Await.Job)
	}
	if s.Submit != nil {
		named = append(named, s.Submit.Restore)
	}
	return slices.DeleteFunc(named, func(name string) bool { return name == "" })
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

// nearest suggests a scenario whose name holds a part of what was asked for.
func nearest(all []Scenario, pattern string) string {
	for _, s := range all {
		for _, word := range strings.FieldsFunc(pattern, func(r rune) bool { return strings.ContainsRune("/*-", r) }) {
			if len(word) > 3 && strings.Contains(s.Name, word) {
				return fmt.Sprintf(" (did you mean %s?)", s.Name)
			}
		}
	}
	return ""
}
