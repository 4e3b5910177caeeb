package architecture

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// These are the limits of a document, in columns.
const (
	lineWidth = 100
	cellWidth = 150 // greatest width of a table cell; only the visible text of a link counts
)

// Document is a page for people, in Markdown.
type Document struct {
	Name string // path from the root of the module
	Text string
}

// DocumentProblems returns a sentence for each line that is too long, for each table cell that is
// too long, and for each link to a place that does not exist. Two kinds of lines may have any
// length: code in fences, and definitions of links. The result of exists() says whether a path from
// the root of the module is a file or a folder. DocumentProblems does not check links to other
// sites.
func DocumentProblems(documents []Document, exists func(name string) bool) []string {
	anchors := map[string][]string{}
	for _, d := range documents {
		anchors[d.Name] = anchorsOf(d)
	}
	var problems []string
	for _, d := range documents {
		problems = append(problems, tooLong(d)...)
		problems = append(problems, brokenLinks(d, anchors, exists)...)
	}
	return problems
}

func tooLong(d Document) []string {
	var problems []string
	for number, line := range strings.Split(withoutFences(d.Text), "\n") {
		if strings.HasPrefix(line, "|") {
			for cell := range strings.SplitSeq(line, " | ") {
				if width := utf8.RuneCountInString(inlineLink.ReplaceAllString(cell, "$1")); width > cellWidth {
					problems = append(problems, fmt.Sprintf("%s:%d: a cell has %d columns, more than %d", d.Name, number+1, width, cellWidth))
				}
			}
			continue
		}
		if width := utf8.RuneCountInString(line); width > lineWidth && !linkDefinition.MatchString(line) {
			problems = append(problems, fmt.Sprintf("%s:%d: the line has %d columns, more than %d", d.Name, number+1, width, lineWidth))
		}
	}
	return problems
}

var (
	inlineLink     = regexp.MustCompile(`\[([^\]]*)\]\(([^)\s]+)\)`)
	linkDefinition = regexp.MustCompile(`(?m)^\[([^\]]+)\]: (\S+)$`)
	inlineCode     = regexp.MustCompile("`[^`\n]*`")
	webAddress     = regexp.MustCompile(`^[a-z]+:`)
)

// brokenLinks checks the links in the text and in definitions of links.
func brokenLinks(d Document, anchors map[string][]string, exists func(name string) bool) []string {
	text := inlineCode.ReplaceAllStringFunc(withoutFences(d.Text), func(code string) string {
		return strings.Repeat("x", len(code))
	})
	var problems []string
	for _, form := range []*regexp.Regexp{inlineLink, linkDefinition} {
		for _, at := range form.FindAllStringSubmatchIndex(text, -1) {
			link := text[at[4]:at[5]]
			if why := brokenLink(d.Name, link, anchors, exists); why != "" {
				line := 1 + strings.Count(text[:at[0]], "\n")
				problems = append(problems, fmt.Sprintf("%s:%d: the link %s leads nowhere: %s", d.Name, line, link, why))
			}
		}
	}
	return problems
}

// brokenLink says why a link is broken. It returns the empty text if the link is right.
func brokenLink(from, link string, anchors map[string][]string, exists func(name string) bool) string {
	if webAddress.MatchString(link) {
		return ""
	}
	file, heading, hasHeading := strings.Cut(link, "#")
	target := from
	if file != "" {
		target = path.Join(path.Dir(from), file)
	}
	if !exists(target) {
		return "there is no " + target
	}
	if !hasHeading {
		return ""
	}
	for _, anchor := range anchors[target] {
		if anchor == heading {
			return ""
		}
	}
	return fmt.Sprintf("%s has no heading #%s", target, heading)
}

// anchorsOf returns the anchor that GitHub gives to each heading of a document.
func anchorsOf(d Document) []string {
	var anchors []string
	times := map[string]int{}
	for line := range strings.SplitSeq(withoutFences(d.Text), "\n") {
		marks, title, found := strings.Cut(line, " ")
		if !found || marks == "" || strings.Trim(marks, "#") != "" {
			continue
		}
		anchor := anchorOf(title)
		if n := times[anchor]; n > 0 {
			anchors = append(anchors, fmt.Sprintf("%s-%d", anchor, n))
		} else {
			anchors = append(anchors, anchor)
		}
		times[anchor]++
	}
	return anchors
}

// anchorOf removes punctuation, as GitHub does, and replaces spaces by hyphens.
func anchorOf(title string) string {
	title = inlineLink.ReplaceAllString(title, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		default:
			return -1
		}
	}, strings.TrimSpace(title))
}

// withoutFences makes the lines of code in fences empty. The number of lines does not change.
func withoutFences(text string) string {
	lines := strings.Split(text, "\n")
	inFence := false
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inFence = !inFence
			lines[i] = ""
		}
		if inFence {
			lines[i] = ""
		}
	}
	return strings.Join(lines, "\n")
}

// Wrap breaks a paragraph into lines of at most 100 columns. Each line after the first begins with
// the indent. A word that is longer than a line gets a line of its own.
func Wrap(text, indent string) string {
	var wrapped strings.Builder
	width := 0
	for i, word := range strings.Fields(text) {
		columns := utf8.RuneCountInString(word)
		switch {
		case i == 0:
			width = columns
		case width+1+columns > lineWidth:
			wrapped.WriteString("\n" + indent)
			width = utf8.RuneCountInString(indent) + columns
		default:
			wrapped.WriteByte(' ')
			width += 1 + columns
		}
		wrapped.WriteString(word)
	}
	return wrapped.String()
}

// MapProblems returns a sentence for each folder and each file that ARCHITECTURE.md names but that
// does not exist. It looks at the map and at the table of places where things happen. It also
// returns a sentence for each package without a row in the map.
func MapProblems(page string, packages []string, exists func(name string) bool) []string {
	_, section, _ := strings.Cut(page, "\n## The map\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]bool{}
	var problems []string
	for line := range strings.SplitSeq(section, "\n") {
		cells := strings.Split(line, " | ")
		if len(cells) != 3 {
			continue
		}
		var folder string
		for _, name := range codeIn(cells[0]) {
			folder = name
			rows[folder] = true
			if !exists(folder) {
				problems = append(problems, fmt.Sprintf("the map names the folder %s, which does not exist", folder))
			}
		}
		for _, file := range codeIn(cells[2]) {
			if !exists(path.Join(folder, file)) {
				problems = append(problems, fmt.Sprintf("the map names the file %s/%s, which does not exist", folder, file))
			}
		}
	}
	_, places, _ := strings.Cut(page, "\n## Where does it happen?\n")
	places, _, _ = strings.Cut(places, "\n## ")
	for _, name := range codeIn(places) {
		if strings.Contains(name, "/") && !exists(name) {
			problems = append(problems, fmt.Sprintf("the page says that something happens in %s, which does not exist", name))
		}
	}
	for _, name := range packages {
		if !rows[name] {
			problems = append(problems, fmt.Sprintf("the map has no row for the package %s", name))
		}
	}
	return problems
}

func codeIn(cell string) []string {
	var names []string
	for _, code := range inlineCode.FindAllString(cell, -1) {
		names = append(names, strings.Trim(code, "`"))
	}
	return names
}
