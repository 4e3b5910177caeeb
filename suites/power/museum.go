// Package power measures which mistakes the suites find. A mutant is the reference with one mistake
// that somebody once made, or could make. Its file is a unified diff with a header. The diff is
// applied only while a program is built. The museum is the directory of all mutants.
//
// A [Workshop] builds a program with a mutant in it. A [Campaign] hunts each mutant. Its
// result is a [Matrix], which [Draw], [Markdown] and [HTML] write for people.
//
// Start with [Read] and [Campaign.Run]. The program hunter does the hunting; the program mutants
// is the command line.
package power

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/scenarios"
)

// Canary is the id of a mutant that any suite must find. If the suites do not find the canary, the
// results for the other mutants mean nothing.
const Canary = "canary"

// extension is the extension of a mutant's file.
const extension = ".diff"

// diffStart is the text with which the diff begins in a mutant's file. The header comes before this
// text.
const diffStart = "--- a/"

// Mutant is a mistake, as a diff.
type Mutant struct {
	ID           string   `json:"id"`                   // the id of the issue, if an issue describes the mistake
	Symptom      string   `json:"symptom"`              // one line that says what users saw
	Mechanism    string   `json:"mechanism"`            // one line that says what was wrong in the code
	Requirements []string `json:"requirements"`         // requirements that can find the mutant; one of them must find it
	Equivalent   string   `json:"equivalent,omitempty"` // the reason why no suite can find the mutant, or empty; if a suite finds such a mutant, the reason is wrong
	File         string   `json:"-"`
	Hunks        []Hunk   `json:"-"`
}

// Read reads the mutants in a directory, sorted by id.
func Read(dir string) ([]Mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"+extension))
	if err != nil || len(files) == 0 {
		return nil, harness.Usagef("mutants: there is no %s file in %s", extension, dir)
	}
	var all []Mutant
	for _, file := range files {
		m, err := parse(file)
		if err != nil {
			return nil, harness.Usagef("mutant %s: %w", file, err)
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Mutant) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// Select returns the mutants with the given ids. Without ids it returns all mutants.
func Select(all []Mutant, ids []string) ([]Mutant, error) {
	if len(ids) == 0 {
		return all, nil
	}
	var chosen []Mutant
	for _, id := range ids {
		at := slices.IndexFunc(all, func(m Mutant) bool { return m.ID == id })
		if at < 0 {
			return nil, harness.Usagef("there is no mutant %q; see: go run ./suites/power/mutants --list", id)
		}
		chosen = append(chosen, all[at])
	}
	return chosen, nil
}

// parse reads a mutant from its file. The file begins with a header: each line is a name and a
// text. The diff comes after the header.
func parse(file string) (Mutant, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Mutant{}, err
	}
	header, diff, found := strings.Cut(string(data), diffStart)
	if !found {
		return Mutant{}, fmt.Errorf("there is no diff in it: want a line that begins with %q", diffStart)
	}
	m := Mutant{File: file}
	for _, line := range strings.Split(strings.TrimSpace(header), "\n") {
		if err := m.describe(line); err != nil {
			return Mutant{}, err
		}
	}
	if m.Hunks, err = parseHunks(strings.Split(strings.TrimSuffix(diffStart+diff, "\n"), "\n")); err != nil {
		return Mutant{}, err
	}
	return m, m.check()
}

// describe sets the field that one line of the header names.
func (m *Mutant) describe(line string) error {
	name, text, _ := strings.Cut(line, ": ")
	switch name {
	case "id":
		m.ID = text
	case "symptom":
		m.Symptom = text
	case "mechanism":
		m.Mechanism = text
	case "requirements":
		m.Requirements = strings.Fields(text)
	case "equivalent":
		m.Equivalent = text
	default:
		return fmt.Errorf("want id, symptom, mechanism, requirements, then a diff, got %q", line)
	}
	return nil
}

// check returns an error if a part of the mutant is missing or wrong.
func (m *Mutant) check() error {
	switch {
	case m.ID+extension != filepath.Base(m.File):
		return fmt.Errorf("its id is %q: want its file's name without %s", m.ID, extension)
	case m.Symptom == "" || m.Mechanism == "":
		return fmt.Errorf("want a symptom and a mechanism")
	case m.Equivalent == "" && len(m.Requirements) == 0:
		return fmt.Errorf("want the requirements that must find it, or a reason why it is equivalent")
	case len(m.Hunks) == 0:
		return fmt.Errorf("there is no change in its diff: want a line that begins with @@")
	}
	known, err := scenarios.Requirements()
	if err != nil {
		return err
	}
	for _, id := range m.Requirements {
		if !slices.ContainsFunc(known, func(r scenarios.Requirement) bool { return r.ID == id }) {
			return fmt.Errorf("there is no requirement %q: want one such as REC-02; see: snapback list requirements", id)
		}
	}
	return nil
}
