// Package mutants measures what the suites are able to find. A mutant is the reference
// with one mistake in it that somebody once made: a unified diff with a header, applied
// while the program is built and nowhere else.
//
// It knows neither the reference nor the suites: it builds a program that hunts, and
// reads what that found.
//
// Start with [Read] and [Workshop].
package power

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/snapback/snapback/harness"
)

// Canary is the id of a mutant that any suite has to find: if it is not found, nothing can
// be said of the others.
const Canary = "canary"

// extension is that of the file of a mutant.
const extension = ".diff"

// Mutant is a mistake, as a diff.
type Mutant struct {
	ID           string   `json:"id"`                   // that of the issue, if there is one
	Symptom      string   `json:"symptom"`              // a line: what its users saw
	Mechanism    string   `json:"mechanism"`            // a line: what was wrong
	Requirements []string `json:"requirements"`         // one of which must catch it
	Equivalent   string   `json:"equivalent,omitempty"` // why nothing can: then nothing must
	File         string   `json:"-"`
	Changes      []string `json:"-"` // files of the source, by their names there
}

// Read reads the mutants in a directory, by id.
func Read(dir string) ([]Mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"+extension))
	if err != nil || len(files) == 0 {
		return nil, harness.Usagef("mutants: there is no %s file in %s", extension, dir)
	}
	var all []Mutant
	for _, file := range files {
		m, err := parse(file)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Mutant) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// Select returns those with the given ids; all, if none is given.
func Select(all []Mutant, ids []string) ([]Mutant, error) {
	if len(ids) == 0 {
		return all, nil
	}
	var chosen []Mutant
	for _, id := range ids {
		at := slices.IndexFunc(all, func(m Mutant) bool { return m.ID == id })
		if at < 0 {
			return nil, harness.Usagef("there is no mutant %q; see: snapback mutants --list", id)
		}
		chosen = append(chosen, all[at])
	}
	return chosen, nil
}

var requirement = regexp.MustCompile(`^[A-Z]{3}-[0-9]{2}$`)

// parse reads a mutant: lines of its header, each a name and what it says, then the diff.
func parse(file string) (Mutant, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Mutant{}, harness.Usagef("mutant: %w", err)
	}
	m := Mutant{File: file}
	wrong := func(format string, a ...any) (Mutant, error) {
		return Mutant{}, harness.Usagef("mutant "+file+": "+format, a...)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		line := lines.Text()
		if changed, found := strings.CutPrefix(line, "--- a/"); found {
			m.Changes = append(m.Changes, changed)
		}
		name, text, isHeader := strings.Cut(line, ": ")
		if len(m.Changes) > 0 || line == "" {
			continue
		}
		switch {
		case isHeader && name == "id":
			m.ID = text
		case isHeader && name == "symptom":
			m.Symptom = text
		case isHeader && name == "mechanism":
			m.Mechanism = text
		case isHeader && name == "requirements":
			m.Requirements = strings.Fields(text)
		case isHeader && name == "equivalent":
			m.Equivalent = text
		default:
			return wrong("want id, symptom, mechanism, requirements, then a diff, got %q", line)
		}
	}
	switch {
	case m.ID+extension != filepath.Base(file):
		return wrong("its id is %q: want that of its name", m.ID)
	case m.Symptom == "" || m.Mechanism == "":
		return wrong("want a symptom and a mechanism")
	case m.Equivalent == "" && len(m.Requirements) == 0:
		return wrong("want the requirements that must catch it, or an argument why it is equivalent")
	case slices.ContainsFunc(m.Requirements, func(id string) bool { return !requirement.MatchString(id) }):
		return wrong("want requirements such as REC-02, got %q", m.Requirements)
	case len(m.Changes) == 0:
		return wrong("there is no diff in it: want a line that begins with %q", "--- a/")
	}
	return m, lines.Err()
}
