package scenarios

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/snapback/snapback/storage"
)

// Submit submits a job.
type Submit struct {
	Job         string            `json:"job" yaml:"job"`
	Restore     string            `json:"restore,omitempty" yaml:"restore,omitempty"` // the earlier job from which this job resumes; From says from which checkpoint or savepoint
	From        Pointer           `json:"from,omitzero" yaml:"from,omitempty"`
	ClaimMode   storage.ClaimMode `json:"claimMode,omitempty" yaml:"claimMode,omitempty"`     // the claim mode for the checkpoint from which the job resumes
	Parallelism int               `json:"parallelism,omitempty" yaml:"parallelism,omitempty"` // 0: the parallelism of With
	Refused     Refusal           `json:"refused,omitzero" yaml:"refused,omitempty"`          // whether the target must refuse the job, and with which words

	// With is the configuration of this submission; nil means the scenario's job. In a scenario
	// file it names only the fields that differ from the scenario's job. Parse adds the others.
	With *Job `json:"with,omitempty" yaml:"with,omitempty"`

	// AllowNonRestored lets the job leave out state of the checkpoint, as Flink's option -n does.
	AllowNonRestored bool `json:"allowNonRestored,omitempty" yaml:"allowNonRestored,omitempty"`
}

// JobOf returns the configuration with which a job is submitted.
func (s Scenario) JobOf(submit Submit) Job {
	job := s.Job
	if submit.With != nil {
		job = *submit.With
	}
	job.Parallelism = cmp.Or(submit.Parallelism, job.Parallelism)
	return job
}

// Submitted returns the configuration with which the scenario submits the job of this name.
func (s Scenario) Submitted(name string) Job {
	for _, step := range s.Steps {
		if step.Submit != nil && step.Submit.Job == name {
			return s.JobOf(*step.Submit)
		}
	}
	return s.Job
}

// wholeJob is a [Job] that is written with all its fields.
type wholeJob struct {
	Parallelism      int               `yaml:"parallelism"`
	ParallelismMax   int               `yaml:"maxParallelism"`
	Interval         time.Duration     `yaml:"interval"`
	MinPause         time.Duration     `yaml:"minPause"`
	Timeout          time.Duration     `yaml:"timeout"`
	MaxConcurrent    int               `yaml:"maxConcurrent"`
	Tolerable        int               `yaml:"tolerable"`
	Retention        storage.Retention `yaml:"retention"`
	Restarts         int               `yaml:"restarts"`
	AtLeastOnce      bool              `yaml:"atLeastOnce"`
	Unaligned        bool              `yaml:"unaligned"`
	AlignmentTimeout time.Duration     `yaml:"alignmentTimeout"`
	Backend          string            `yaml:"backend"`
	Settings         map[string]string `yaml:"settings"`
}

// MarshalYAML writes all fields of With. A field that is left out would get the value of the
// scenario's job when the text is read.
func (s Submit) MarshalYAML() (any, error) {
	type part Submit
	if s.With == nil {
		return part(s), nil
	}
	text := struct {
		part `yaml:",inline"`
		With wholeJob `yaml:"with"`
	}{part(s), wholeJob(*s.With)}
	text.part.With = nil
	return text, nil
}

// withs returns what a scenario file says in the field with of each submission. The index of an
// element is the index of the step.
func withs(data []byte) ([]yaml.RawMessage, error) {
	var file struct {
		Steps []struct {
			Submit struct {
				With yaml.RawMessage `yaml:"with"`
			} `yaml:"submit"`
		} `yaml:"steps"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	var all []yaml.RawMessage
	for _, step := range file.Steps {
		all = append(all, step.Submit.With)
	}
	return all, nil
}

// resolve fills in the fields that the field with of a submission does not give. Settings are added
// to those of the scenario's job.
func (s *Scenario) resolve(withs []yaml.RawMessage) error {
	steps := s.Steps
	s.Steps = nil
	for i, step := range steps {
		if step.Submit != nil && step.Submit.With != nil {
			submit, job := *step.Submit, s.Job
			job.Settings = nil
			if err := yaml.Unmarshal(withs[i], &job); err != nil {
				return fmt.Errorf("step %d: with: %w", i+1, err)
			}
			settings := maps.Clone(s.Job.Settings)
			if settings == nil {
				settings = job.Settings
			} else {
				maps.Copy(settings, job.Settings)
			}
			job.Settings = settings
			submit.With = &job
			step.Submit = &submit
		}
		s.Steps = append(s.Steps, step)
	}
	return nil
}

// Pointer says from what a job is resumed. At most one of its fields is set. Pointers can be
// compared with ==.
type Pointer struct {
	Word       string // savepoint, incomplete, nothing or origin
	Checkpoint int64  // the number of a checkpoint of the other job
	Path       string // the path or URL of a checkpoint or savepoint
}

// The pointers that are words.
var (
	ToCheckpoint = Pointer{}                   // the newest completed checkpoint
	ToIncomplete = Pointer{Word: "incomplete"} // a checkpoint as a crash leaves it: with state, without _metadata
	ToSavepoint  = Pointer{Word: "savepoint"}  // the newest savepoint that the scenario took
	ToNothing    = Pointer{Word: "nothing"}    // no checkpoint: the job replaces the other job, and starts from the beginning
	ToOrigin     = Pointer{Word: "origin"}     // the checkpoint from which the other job was resumed
)

// pointerForms says in an error what a pointer can be.
const pointerForms = "savepoint, incomplete, nothing, origin, {checkpoint: N}, {path: PATH} or none"

// IsZero says whether the pointer is [ToCheckpoint].
func (p Pointer) IsZero() bool { return p == ToCheckpoint }

func (p Pointer) String() string {
	switch {
	case p.Path != "":
		return p.Path
	case p.Checkpoint != 0:
		return fmt.Sprintf("checkpoint %d", p.Checkpoint)
	}
	return p.Word
}

func (p Pointer) validate() error {
	words := []Pointer{ToCheckpoint, ToIncomplete, ToSavepoint, ToNothing, ToOrigin}
	for _, word := range words {
		if p == word {
			return nil
		}
	}
	if p == (Pointer{Path: p.Path}) || (p == (Pointer{Checkpoint: p.Checkpoint}) && p.Checkpoint > 0) {
		return nil
	}
	return fmt.Errorf("from: want %s, got %+v", pointerForms, p)
}

// place is the form of a pointer that is not a word.
type place struct {
	Checkpoint int64  `json:"checkpoint,omitempty" yaml:"checkpoint,omitempty"`
	Path       string `json:"path,omitempty" yaml:"path,omitempty"`
}

// form returns the value that is written for the pointer.
func (p Pointer) form() any {
	if p.Checkpoint == 0 && p.Path == "" {
		return p.Word
	}
	return place{p.Checkpoint, p.Path}
}

// read sets the pointer to a value that form returned. The function `into` decodes this value.
func (p *Pointer) read(into func(any) error) error {
	var word string
	if into(&word) == nil {
		*p = Pointer{Word: word}
		if err := p.validate(); err != nil || *p == ToCheckpoint {
			return fmt.Errorf("from: want %s, got %q", pointerForms, word)
		}
		return nil
	}
	var at place
	if err := into(&at); err != nil {
		return fmt.Errorf("from: want %s: %w", pointerForms, err)
	}
	*p = Pointer{Checkpoint: at.Checkpoint, Path: at.Path}
	if *p == ToCheckpoint {
		return fmt.Errorf("from: want %s, got no checkpoint and no path", pointerForms)
	}
	return p.validate()
}

// MarshalJSON implements [json.Marshaler].
func (p Pointer) MarshalJSON() ([]byte, error) { return json.Marshal(p.form()) }

// UnmarshalJSON implements [json.Unmarshaler].
func (p *Pointer) UnmarshalJSON(data []byte) error {
	return p.read(func(v any) error { return json.Unmarshal(data, v) })
}

// MarshalYAML implements [yaml.InterfaceMarshaler].
func (p Pointer) MarshalYAML() (any, error) { return p.form(), nil }

// UnmarshalYAML implements [yaml.InterfaceUnmarshaler].
func (p *Pointer) UnmarshalYAML(into func(any) error) error { return p.read(into) }

// Refusal says whether the target must refuse a job. Refusals can be compared with ==.
type Refusal struct {
	Expected bool
	Why      string // the reason that the target gives must contain this text; empty: any reason
}

// IsZero says whether no refusal is expected.
func (r Refusal) IsZero() bool { return r == Refusal{} }

// form returns the value that is written for the refusal: true, or the text of the reason.
func (r Refusal) form() any {
	if r.Why != "" {
		return r.Why
	}
	return r.Expected
}

func (r *Refusal) read(into func(any) error) error {
	var value any
	if err := into(&value); err != nil {
		return err
	}
	switch value := value.(type) {
	case bool:
		*r = Refusal{Expected: value}
		return nil
	case string:
		if value != "" {
			*r = Refusal{Expected: true, Why: value}
			return nil
		}
	}
	return errors.New("refused: want true, or a part of the reason in quotes")
}

// MarshalJSON implements [json.Marshaler].
func (r Refusal) MarshalJSON() ([]byte, error) { return json.Marshal(r.form()) }

// UnmarshalJSON implements [json.Unmarshaler].
func (r *Refusal) UnmarshalJSON(data []byte) error {
	return r.read(func(v any) error { return json.Unmarshal(data, v) })
}

// MarshalYAML implements [yaml.InterfaceMarshaler].
func (r Refusal) MarshalYAML() (any, error) { return r.form(), nil }

// UnmarshalYAML implements [yaml.InterfaceUnmarshaler].
func (r *Refusal) UnmarshalYAML(into func(any) error) error { return r.read(into) }
