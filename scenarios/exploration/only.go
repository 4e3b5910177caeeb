package exploration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Only restricts the choices that have the label in its key to the texts in its value.
type Only map[string][]string

// among returns those of the texts that are allowed for the label.
func (o Only) among(label string, of []string) []string {
	allowed, restricted := o[label]
	if !restricted {
		return of
	}
	return slices.DeleteFunc(slices.Clone(of), func(text string) bool { return !slices.Contains(allowed, text) })
}

// ParseOnly reads restrictions such as "backend=changelog,rocksdb". It refuses a label and a text
// that no scenario of the space has.
func (s Space) ParseOnly(texts []string) (Only, error) {
	choices := s.choices()
	only := Only{}
	for _, text := range texts {
		label, values, _ := strings.Cut(text, "=")
		known, ok := choices[label]
		if !ok {
			return nil, fmt.Errorf("want LABEL=TEXT, with one of the labels %s, got %q", quoted(slices.Sorted(maps.Keys(choices))), text)
		}
		for value := range strings.SplitSeq(values, ",") {
			if !slices.Contains(known, value) {
				return nil, fmt.Errorf("%s: want some of %s, got %q", label, quoted(known), value)
			}
			only[label] = append(only[label], value)
		}
	}
	return only, nil
}

func quoted(texts []string) string { return `"` + strings.Join(texts, `", "`) + `"` }

// sampled is the number of scenarios that are drawn to see what a space offers.
const sampled = 2000

// choices returns the texts among which the scenarios of the space choose, by the label of the
// choice.
func (s Space) choices() map[string][]string {
	all := map[string][]string{}
	s.Only = nil
	for seed := range uint64(sampled) {
		d := newDrawing(Seeded(seed))
		d.saw = func(label string, of []string) {
			for _, text := range of {
				if !slices.Contains(all[label], text) {
					all[label] = append(all[label], text)
				}
			}
		}
		s.draw("explored/sample", d)
	}
	return all
}
