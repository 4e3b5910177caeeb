package power

import (
	"errors"
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/snapback/snapback/harness"
)

// contextMax is the number of lines of code that a hunk has before and after its changes.
const contextMax = 3

// sourceDirs hold all code that mutants may change.
var sourceDirs = []string{"reference", "storage"}

// source is the code that mutants may change.
type source []*sourceFile

// sourceFile is a Go file.
type sourceFile struct {
	name  string // path below the root of the module, with slashes
	lines []string
	code  []codeLine
}

// codeLine is a line that holds more than a comment.
type codeLine struct {
	at   int    // index in the file's lines
	code string // as codeOf returns it
}

// readSource reads all Go files that mutants may change. Tests are not among them.
func readSource(root string) (source, error) {
	var all source
	for _, dir := range sourceDirs {
		err := filepath.WalkDir(filepath.Join(root, dir), func(name string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			file, err := readSourceFile(root, name)
			all = append(all, file)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read the source that mutants change: %w", err)
		}
	}
	return all, nil
}

func readSourceFile(root, name string) (*sourceFile, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	below, err := filepath.Rel(root, name)
	if err != nil {
		return nil, err
	}
	file := &sourceFile{name: filepath.ToSlash(below), lines: strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")}
	for i, line := range file.lines {
		if code := codeOf(line); code != "" {
			file.code = append(file.code, codeLine{i, code})
		}
	}
	return file, nil
}

// codeOf returns a line's tokens with one space between them. So two lines that differ only in their
// comments or their indentation are the same.
func codeOf(line string) string {
	if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "//") {
		return ""
	}
	file := token.NewFileSet().AddFile("", -1, len(line))
	var s scanner.Scanner
	s.Init(file, []byte(line), func(token.Position, string) {}, 0) // a line may end within a string
	var tokens []string
	for {
		_, kind, text := s.Scan()
		switch {
		case kind == token.EOF:
			return strings.Join(tokens, " ")
		case kind == token.SEMICOLON && text == "\n": // the scanner adds it
		case text == "":
			tokens = append(tokens, kind.String())
		default:
			tokens = append(tokens, text)
		}
	}
}

// declarationAt returns the declaration that a line is in, by the index of the line.
func (f *sourceFile) declarationAt(line int) declaration {
	for i := min(line, len(f.lines)-1); i >= 0; i-- {
		if d := declarationIn(f.lines[i]); d.text != "" {
			return d
		}
	}
	return declaration{}
}

// before returns the line at which the context of a change begins: at most three lines of code
// before the change, and not before the declaration that it is in.
func (f *sourceFile) before(line int) int {
	for left := contextMax; line > 0 && left > 0; {
		line--
		if codeOf(f.lines[line]) != "" {
			left--
		}
		if declarationIn(f.lines[line]).text != "" {
			break
		}
	}
	return line
}

// after returns the line behind the context of a change that ends before the given line: at most
// three lines of code after the change, and not after the declaration that it is in.
func (f *sourceFile) after(line int) int {
	for left := contextMax; line < len(f.lines) && left > 0; line++ {
		if codeOf(f.lines[line]) != "" {
			left--
		}
		if strings.HasPrefix(f.lines[line], "}") || strings.HasPrefix(f.lines[line], ")") {
			left = 0
		}
	}
	return line
}

// place is where a hunk can be applied.
type place struct {
	file  *sourceFile
	first int         // index, in the file's code, of the hunk's first line of code
	lines []string    // the lines of the hunk
	in    declaration // the declaration that the hunk changes
}

// places returns all places whose code is the code that the hunk keeps and removes.
func (s source) places(lines []string) []place {
	var old []string
	for _, line := range lines {
		if code := codeOf(line[1:]); code != "" && line[0] != '+' {
			old = append(old, code)
		}
	}
	if len(old) == 0 {
		return nil
	}
	var all []place
	for _, file := range s {
		for first := range len(file.code) - len(old) + 1 {
			if slices.EqualFunc(file.code[first:first+len(old)], old, func(c codeLine, want string) bool { return c.code == want }) {
				p := place{file: file, first: first, lines: lines}
				p.in = file.declarationAt(p.changed())
				all = append(all, p)
			}
		}
	}
	return all
}

// changed returns the first line that the hunk changes. If the hunk only adds lines, changed returns
// the line before them.
func (p place) changed() int {
	at := p.first
	for _, line := range p.lines {
		switch {
		case line[0] == '+':
			return p.file.code[max(p.first, at-1)].at
		case codeOf(line[1:]) == "":
		case line[0] == '-':
			return p.file.code[at].at
		default:
			at++
		}
	}
	return p.file.code[p.first].at
}

// find returns the one place of a hunk. It searches the declarations with the name that the hunk
// names, in all files. It searches first for the whole context of the hunk, then for less and less of
// it, because the code around the change may differ now. If it finds nothing, the declaration may have
// a new name. Then it searches everywhere for the whole context.
func (s source) find(h Hunk) (place, error) {
	named := h.declaration()
	contextMin := 0
	if !h.removes() {
		contextMin = 1
	}
	for context := contextMax; context >= contextMin && named.name != ""; context-- {
		within := only(s.places(h.trimmed(context)), func(p place) bool { return p.in.name == named.name })
		if len(within) > 0 {
			return one(h, named, within)
		}
	}
	return one(h, named, s.places(h.Lines))
}

// one chooses a place for a hunk. It prefers places in methods of the type that the hunk names, then
// places in the file that the hunk names. It fails if more than one place is left.
func one(h Hunk, named declaration, places []place) (place, error) {
	for _, preferred := range []func(place) bool{
		func(p place) bool { return p.in.receiver == named.receiver },
		func(p place) bool { return p.file.name == h.File },
	} {
		if some := only(places, preferred); len(some) > 0 {
			places = some
		}
	}
	if len(places) == 1 {
		return places[0], nil
	}
	found := "found it nowhere"
	if len(places) > 1 {
		found = fmt.Sprintf("found it in %d places:", len(places))
		for _, p := range places {
			found += fmt.Sprintf(" %s:%d", p.file.name, p.changed()+1)
		}
	}
	return place{}, fmt.Errorf("hunk %q of %s: want this code once in the Go files of %s, %s\n%s",
		h.Heading, h.File, strings.Join(sourceDirs, " and "), found, strings.Join(h.Lines, "\n"))
}

func only(places []place, wanted func(place) bool) []place {
	return slices.DeleteFunc(slices.Clone(places), func(p place) bool { return !wanted(p) })
}

// edit returns the files that a mutant changes, with its changes.
func (s source) edit(m Mutant) ([]*edited, error) {
	var all []*edited
	for _, h := range m.Hunks {
		p, err := s.find(h)
		if err != nil {
			return nil, harness.Usagef("mutant %s no longer applies: %w", m.ID, err)
		}
		at := slices.IndexFunc(all, func(e *edited) bool { return e.file == p.file })
		if at < 0 {
			at = len(all)
			all = append(all, &edited{file: p.file, removed: map[int]bool{}, added: map[int][]string{}})
		}
		all[at].apply(p)
	}
	return all, nil
}

// apply makes the changes of a hunk.
func (e *edited) apply(p place) {
	at := p.first
	next := p.file.code[at].at // added lines go before this line
	for _, line := range p.lines {
		switch {
		case line[0] == '+':
			e.added[next] = append(e.added[next], line[1:])
		case codeOf(line[1:]) != "":
			if line[0] == '-' {
				e.removed[p.file.code[at].at] = true
			}
			next = p.file.code[at].at + 1
			at++
		}
	}
}

// Refresh rewrites the diffs of mutants with the paths, line numbers, context and declarations of the
// source as it is now. It returns the ids of the changed mutants. If some mutants do not apply, it
// still rewrites the others, and its error names each mutant that does not apply.
func Refresh(root string, all []Mutant) (changed []string, err error) {
	code, err := readSource(root)
	if err != nil {
		return nil, err
	}
	var failed []error
	for _, m := range all {
		rewritten, err := code.refresh(m)
		if err != nil {
			failed = append(failed, err)
		} else if rewritten {
			changed = append(changed, m.ID)
		}
	}
	return changed, errors.Join(failed...)
}

// refresh rewrites the diff of one mutant, and says whether it changed.
func (s source) refresh(m Mutant) (bool, error) {
	old, err := os.ReadFile(m.File)
	if err != nil {
		return false, err
	}
	files, err := s.edit(m)
	if err != nil {
		return false, err
	}
	header, _, _ := strings.Cut(string(old), diffStart)
	var b strings.Builder
	b.WriteString(header)
	for _, e := range files {
		b.WriteString(e.diff())
	}
	if b.String() == string(old) {
		return false, nil
	}
	return true, os.WriteFile(m.File, []byte(b.String()), 0o644)
}
