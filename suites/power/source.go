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

// contextMax is the greatest number of lines of code that a hunk shows before and after its
// changes.
const contextMax = 3

// sourceDirs are the directories with all code that mutants may change.
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
	code string // the text that codeOf returns for the line
}

// readSource reads all Go files that mutants may change. It leaves out the test files.
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

// codeOf returns the tokens of a line, with one space between two tokens. So two lines have the
// same code if they differ only in comments or indentation.
func codeOf(line string) string {
	if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "//") {
		return ""
	}
	file := token.NewFileSet().AddFile("", -1, len(line))
	var s scanner.Scanner
	s.Init(file, []byte(line), func(token.Position, string) {}, 0) // the line may end in the middle of a string, which is no error
	var tokens []string
	for {
		_, kind, text := s.Scan()
		switch {
		case kind == token.EOF:
			return strings.Join(tokens, " ")
		case kind == token.SEMICOLON && text == "\n": // the scanner adds this semicolon
		case text == "":
			tokens = append(tokens, kind.String())
		default:
			tokens = append(tokens, text)
		}
	}
}

// declarationAt returns the declaration that contains the line with the given index.
func (f *sourceFile) declarationAt(line int) declaration {
	for i := min(line, len(f.lines)-1); i >= 0; i-- {
		if d := declarationIn(f.lines[i]); d.text != "" {
			return d
		}
	}
	return declaration{}
}

// before() returns the line at which the context of a change begins. The context has at most three
// lines of code before the change. It does not begin before the declaration that contains the
// change.
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

// after() returns the line behind the context of a change. The change ends before the given line.
// The context has at most three lines of code after the change. It does not go beyond the
// declaration that contains the change.
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

// place is a place in the source where a hunk can be applied.
type place struct {
	file  *sourceFile
	first int         // index of the hunk's first line of code, in the code of the file
	lines []string    // the lines of the hunk
	in    declaration // the declaration that the hunk changes
}

// places returns all places in the source whose code is the code that the hunk shows before its
// changes, which is the hunk without its added lines. The parameter lines has the lines of the
// hunk.
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

// changed returns the first line that the hunk changes. If the hunk only adds lines, changed
// returns the line before them.
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

// find returns the one place of a hunk. It searches all files for declarations with the name that
// the hunk gives. First it searches them for the whole context of the hunk. Then it uses less and
// less of the context, because the code around the change may be different now. If it finds
// nothing, the declaration may have a new name. Then find searches the whole source for the whole
// context.
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

// one() chooses a place for a hunk. It prefers places in methods of the type that the hunk names.
// Among these it prefers places in the file that the hunk names. It fails if several places are
// left.
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

// edit returns the files that a mutant changes, together with the changes.
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

// apply adds the changes of a hunk to the file.
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

// Refresh rewrites the diffs of mutants for the present source: with its paths, line numbers,
// context and declarations. It returns the ids of the mutants that changed. If a mutant does not
// apply, Refresh still rewrites the others. The error names each mutant that does not apply.
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

// refresh rewrites the diff of one mutant, and says whether the diff changed.
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
