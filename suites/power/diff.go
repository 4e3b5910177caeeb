package power

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Hunk is one change of a diff. A line of a hunk begins with ' ' (context), '-' (removed) or
// '+' (added).
type Hunk struct {
	File    string // the file that held the code when the diff was written
	Heading string // the line that begins with @@; it may end with a declaration
	Lines   []string
}

// parseHunks parses the diff in a mutant's file. The lines begin after the header of the file.
func parseHunks(lines []string) ([]Hunk, error) {
	var hunks []Hunk
	var file string
	for _, line := range lines {
		name, isOld := strings.CutPrefix(line, "--- a/")
		switch {
		case isOld:
			file = name
		case strings.HasPrefix(line, "+++ b/"):
		case strings.HasPrefix(line, "@@ "):
			hunks = append(hunks, Hunk{File: file, Heading: line})
		case len(hunks) == 0:
			return nil, fmt.Errorf("want a line that begins with @@, got %q", line)
		case line == "": // an editor removed the space of an empty line
			hunks[len(hunks)-1].add(" ")
		case strings.ContainsAny(line[:1], " -+"):
			hunks[len(hunks)-1].add(line)
		default:
			return nil, fmt.Errorf("want a line that begins with a space, - or +, got %q", line)
		}
	}
	return hunks, nil
}

func (h *Hunk) add(line string) { h.Lines = append(h.Lines, line) }

// isChange says whether a line of a hunk is removed or added.
func isChange(line string) bool { return line[0] != ' ' }

// trimmed returns the lines of the hunk with less context. The parameter context is the greatest
// number of unchanged lines of code that it leaves before the first change, and also after the last
// change.
func (h Hunk) trimmed(context int) []string {
	first := slices.IndexFunc(h.Lines, isChange)
	if first < 0 {
		return nil
	}
	from := first
	for left := context; from > 0 && left > 0; {
		from--
		if codeOf(h.Lines[from][1:]) != "" {
			left--
		}
	}
	last := first
	for i, line := range h.Lines {
		if isChange(line) {
			last = i
		}
	}
	to := last + 1
	for left := context; to < len(h.Lines) && left > 0; to++ {
		if codeOf(h.Lines[to][1:]) != "" {
			left--
		}
	}
	return h.Lines[from:to]
}

// removes says whether the hunk removes code.
func (h Hunk) removes() bool {
	return slices.ContainsFunc(h.Lines, func(line string) bool { return line[0] == '-' && codeOf(line[1:]) != "" })
}

// declaration returns the declaration that contains the first change. Its name is empty if the hunk
// does not show the declaration. A declaration in the context has priority over the declaration in
// the heading, because git's heading names the declaration before the hunk.
func (h Hunk) declaration() declaration {
	first := slices.IndexFunc(h.Lines, isChange)
	for i := first; i >= 0; i-- {
		if d := declarationIn(h.Lines[i][1:]); d.text != "" && h.Lines[i][0] != '+' {
			return d
		}
	}
	if parts := strings.SplitN(h.Heading, "@@", 3); len(parts) == 3 {
		return declarationIn(strings.TrimSpace(parts[2]))
	}
	return declaration{}
}

// declaration is a function, a type, or another declaration outside functions.
type declaration struct {
	receiver, name string
	text           string // the beginning of the declaration's line, up to the name
}

var declares = regexp.MustCompile(`^(?:func (?:\((?:\w+ )?\*?(\w+)[^)]*\) )?|type |var |const |import )(\w*)`)

// declarationIn returns the declaration that begins in a line. A group of constants, variables or
// imports has no name. If no declaration begins in the line, the text is empty.
func declarationIn(line string) declaration {
	found := declares.FindStringSubmatch(line)
	if found == nil {
		return declaration{}
	}
	return declaration{receiver: found[1], name: found[2], text: strings.TrimSpace(found[0])}
}

// edited is a source file, together with the changes of a mutant.
type edited struct {
	file    *sourceFile
	removed map[int]bool     // the removed lines, by their index
	added   map[int][]string // the added lines, by the index of the line that comes after them
}

// text returns the file with the changes of the mutant.
func (e edited) text() string {
	var b strings.Builder
	for i := range len(e.file.lines) + 1 {
		for _, line := range e.added[i] {
			b.WriteString(line + "\n")
		}
		if i < len(e.file.lines) && !e.removed[i] {
			b.WriteString(e.file.lines[i] + "\n")
		}
	}
	return b.String()
}

// diff returns the changes as a unified diff that git apply can read.
func (e edited) diff() string {
	var b strings.Builder
	fmt.Fprintf(&b, "--- a/%s\n+++ b/%s\n", e.file.name, e.file.name)
	shift := 0 // the number of lines that the hunks so far add, minus the number that they remove
	for _, s := range e.spans() {
		var lines strings.Builder
		old, changed := 0, 0 // numbers of lines
		for i := s.from; i <= s.to; i++ {
			for _, line := range e.added[i] {
				lines.WriteString("+" + line + "\n")
				changed++
			}
			switch {
			case i == s.to:
			case e.removed[i]:
				lines.WriteString("-" + e.file.lines[i] + "\n")
				old++
			default:
				lines.WriteString(" " + e.file.lines[i] + "\n")
				old++
				changed++
			}
		}
		fmt.Fprintf(&b, "@@ -%d,%d +%d,%d @@ %s\n%s", s.from+1, old, s.from+1+shift, changed, s.in, lines.String())
		shift += changed - old
	}
	return b.String()
}

// span is a range of lines that one hunk covers.
type span struct {
	from, to int    // indexes of the first line and of the line after the last one
	in       string // the declaration with the first change
}

// spans returns the ranges of all changes, with their context. If the contexts of two changes meet,
// the changes share one range.
func (e edited) spans() []span {
	var all []span
	for i := range len(e.file.lines) + 1 {
		if !e.removed[i] && len(e.added[i]) == 0 {
			continue
		}
		end, changes := i, i-1 // added lines belong to the declaration of the line before them
		if e.removed[i] {
			end, changes = i+1, i
		}
		s := span{e.file.before(i), e.file.after(end), e.file.declarationAt(changes).text}
		if last := len(all) - 1; last >= 0 && s.from <= all[last].to {
			all[last].to = s.to
		} else {
			all = append(all, s)
		}
	}
	return all
}
