// Package expected reads lists of expected failures, and marks the results that the lists expect.
// An entry of a list names a scenario that is known to fail, the requirements that it breaks, and
// a link to the finding.
//
// An expected failure must fail. A scenario that passes although a list expects it to fail is not a
// pass: the entry must go. The package hides nothing: a requirement that no entry names is a new
// finding.
//
// Start with [Read]; [List.Mark] marks one result.
package expected

import (
	"bytes"
	"cmp"
	_ "embed" // embeds flink.yaml
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/exploration"
)

// Failure is an entry of a list: a scenario that is known to fail on some targets.
type Failure struct {
	Scenario     string   `json:"scenario" yaml:"scenario"`             // pattern of names, as in [scenarios.Matches]
	Requirements []string `json:"requirements" yaml:"requirements"`     // ids of the requirements that do not hold; each must fail
	Perhaps      []string `json:"perhaps,omitempty" yaml:"perhaps"`     // ids of the requirements that may fail, too
	Target       string   `json:"target,omitempty" yaml:"target"`       // pattern of the target's name; empty: any target
	Version      string   `json:"version,omitempty" yaml:"version"`     // pattern of the target's version, or of OLD:NEW for an upgrade; empty: any version
	Runtime      string   `json:"runtime,omitempty" yaml:"runtime"`     // pattern of the target's runtime; empty: any runtime
	Tags         []string `json:"tags,omitempty" yaml:"tags"`           // only for explored scenarios: all of them must be among the tags of the scenario
	Sometimes    bool     `json:"sometimes,omitempty" yaml:"sometimes"` // the failure depends on chance, so a pass is allowed
	Link         string   `json:"link" yaml:"link"`                     // where the finding is described
	Reason       string   `json:"reason" yaml:"reason"`                 // what goes wrong, as a sentence
}

// List is a list of expected failures.
type List []Failure

//go:embed flink.yaml
var flink []byte

// Flink returns what Apache Flink is known to fail, as docs/findings.md describes it.
func Flink() (List, error) { return Parse("flink.yaml", flink) }

// Read reads a list from a file.
func Read(file string) (List, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return Parse(file, data)
}

// Parse reads a list. The given name stands for the list in errors.
func Parse(name string, data []byte) (List, error) {
	var list List
	err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(&list)
	if err != nil && !errors.Is(err, io.EOF) { // an empty file is an empty list
		return nil, fmt.Errorf("%s: %s", name, strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	known, err := scenarios.Requirements()
	if err != nil {
		return nil, err
	}
	for i, f := range list {
		if err := f.check(known); err != nil {
			return nil, fmt.Errorf("%s: entry %d (%s): %w", name, i+1, f.Scenario, err)
		}
	}
	return list, nil
}

// check says what is missing or wrong in an entry.
func (f Failure) check(known []scenarios.Requirement) error {
	switch {
	case f.Scenario == "":
		return errors.New("want scenario, the pattern of the scenarios that fail")
	case len(f.Requirements) == 0:
		return errors.New("want requirements, the ids of what does not hold")
	case f.Link == "":
		return errors.New("want link, where the finding is described")
	case f.Reason == "":
		return errors.New("want reason, a sentence that says what goes wrong")
	}
	for _, id := range f.ids() {
		if !slices.ContainsFunc(known, func(r scenarios.Requirement) bool { return r.ID == id }) {
			return fmt.Errorf("no requirement has the id %s; see: snapback list requirements", id)
		}
	}
	return nil
}

// ids returns the requirements that the entry allows to fail.
func (f Failure) ids() []string { return slices.Concat(f.Requirements, f.Perhaps) }

// Of returns the entries that concern a scenario on a target.
func (l List) Of(scenario string, on history.Target) List {
	var of List
	for _, f := range l {
		if scenarios.Matches(f.Scenario, scenario) && among(f.Target, on.Name) && (among(f.Version, on.Version) || among(f.Version, on.Versions())) && among(f.Runtime, on.Runtime) {
			of = append(of, f)
		}
	}
	return of
}

// Explored returns an entry that expects the failure of an explored scenario. The scenario has all
// tags of the entry. Each requirement that failed must be named by such an entry. Several bugs may
// show in one run, so it need not be the same entry for all. An explored scenario is drawn by
// chance, so an entry does not say that it must fail.
func (l List) Explored(s scenarios.Scenario, on history.Target, requirements []oracle.RequirementVerdict) (Failure, bool) {
	tags := exploration.Tags(s)
	entries := l.Of(s.Name, on)
	var found *Failure
	for _, r := range requirements {
		if r.Verdict != oracle.Fail {
			continue
		}
		i := slices.IndexFunc(entries, func(f Failure) bool { return f.explains(r.ID, tags) })
		if i < 0 {
			return Failure{}, false
		}
		found = cmp.Or(found, &entries[i])
	}
	if found == nil {
		return Failure{}, false
	}
	return *found, true
}

// explains says whether the entry allows a requirement to fail in an explored scenario with these tags.
func (f Failure) explains(requirement string, tags []string) bool {
	missing := func(tag string) bool { return !slices.Contains(tags, tag) }
	return len(f.Tags) > 0 && !slices.ContainsFunc(f.Tags, missing) && slices.Contains(f.ids(), requirement)
}

// among says whether a pattern matches the name of a target, a version or a runtime.
func among(pattern, name string) bool { return pattern == "" || scenarios.Matches(pattern, name) }

// Mark returns the verdict that a list of entries about one scenario gives to its outcome, and the
// reason if the reason is the list. The outcome of a run that failed as each entry says is
// [oracle.ExpectedFailure]. A run that shows a requirement to hold that an entry calls broken is an
// [oracle.UnexpectedPass]. A failure of any other requirement stays a failure, and a run that
// proved nothing stays as it is.
func (l List) Mark(verdict oracle.Verdict, requirements []oracle.RequirementVerdict) (oracle.Verdict, string) {
	if len(l) == 0 || (verdict != oracle.Fail && verdict != oracle.Pass) {
		return verdict, ""
	}
	outcome := map[string]oracle.Verdict{}
	for _, r := range requirements {
		outcome[r.ID] = r.Verdict
	}
	var allowed []string
	for _, f := range l {
		allowed = append(allowed, f.ids()...)
	}
	for _, r := range requirements {
		if r.Verdict == oracle.Fail && !slices.Contains(allowed, r.ID) {
			return oracle.Fail, fmt.Sprintf("%s is not among the expected failures (%s)", r.ID, strings.Join(allowed, ", "))
		}
	}
	for _, f := range l {
		for _, id := range f.Requirements {
			switch {
			case f.Sometimes || outcome[id] == oracle.Fail:
			case outcome[id] == oracle.Void:
				return oracle.Void, fmt.Sprintf("this run did not test %s, which is expected to fail", id)
			default:
				return oracle.UnexpectedPass, fmt.Sprintf("%s no longer fails (%s): remove it from the expected failures", id, f.Link)
			}
		}
	}
	if verdict == oracle.Pass {
		return oracle.Pass, ""
	}
	return oracle.ExpectedFailure, ""
}
