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

var features = []Feature{Restart, Resume, Trigger, Retention, Kill}

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
