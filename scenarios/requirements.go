package scenarios

import (
	"bytes"
	_ "embed" // for requirements.yaml
	"fmt"
	"slices"
	"sync"

	"github.com/goccy/go-yaml"
)

//go:embed requirements.yaml
var requirements []byte

// Requirement is a sentence that must be true of a target. Its id never changes.
type Requirement struct {
	ID      string  `json:"id" yaml:"id"`
	Level   string  `json:"level" yaml:"level"` // one of must, should and may
	Text    string  `json:"text" yaml:"text"`   // the sentence, with words of RFC 2119 such as MUST
	Feature Feature `json:"feature,omitempty" yaml:"feature"`
	Promise string  `json:"promise,omitempty" yaml:"promise"` // a promise of package history; the requirement counts only for targets that make it
	Source  string  `json:"source" yaml:"source"`             // the document that contains the requirement
}

// Requirements returns all requirements, sorted by area and number.
func Requirements() ([]Requirement, error) {
	all, err := readRequirements()
	return slices.Clone(all), err
}

// readRequirements reads the requirements once. Every scenario is validated against them.
var readRequirements = sync.OnceValues(func() ([]Requirement, error) {
	var read []Requirement
	if err := yaml.NewDecoder(bytes.NewReader(requirements), yaml.Strict()).Decode(&read); err != nil {
		return nil, fmt.Errorf("requirements.yaml: %w", err)
	}
	return read, nil
})
