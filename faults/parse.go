package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapback/snapback/storage/filesystem"
)

// Parse reads a fault as [Fault.String] writes it. The spaces may differ. An error says at which
// byte the text is wrong, what Parse wants there, and what it found.
func Parse(text string) (Fault, error) {
	p := &parser{text: text}
	fault := p.fault()
	if p.peek() != "" {
		p.fail("nothing more")
	}
	if p.err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", text, p.err)
	}
	return fault, nil
}

// parser reads one word after the other. A word is a parenthesis, a quoted text, or any other text
// without spaces and parentheses. After the first error the parser finds no more words.
type parser struct {
	text string
	at   int // the offset of the next byte to read
	err  error
}

func (p *parser) fault() (f Fault) {
	p.expect("(", "( and an action")
	r := choose(p, "an action", rules, func(r rule) string { return r.name })
	if p.err != nil {
		return f
	}
	f.Action = r.read(p)
	if p.peek() == "(" || !slices.Contains(r.moments, AtOnce) {
		f.Moment = p.moment(r)
	}
	p.expect(")", "a moment or )")
	return f
}

func (p *parser) moment(r rule) (m Moment) {
	start := p.at
	p.expect("(", "a moment, such as (On (Write \"*\"))")
	switch word := choose(p, "a moment", r.momentWords(), itself); {
	case word == "During":
		m.When = DuringCheckpoint
		p.expect("checkpoint", "checkpoint")
	case word == "Given":
		m.When, m.Condition = Given, p.condition()
	case word == "After" && p.peek() != "(":
		m.When, m.Later = Later, p.duration()
	default:
		m.When, m.Operation = When(word), p.operation(r)
	}
	if p.err == nil && !slices.Contains(r.moments, m.When) {
		p.failAt(start, "another moment of "+r.name)
	}
	p.expect(")", ")")
	return m
}

// momentWords returns the words with which the text of a moment may begin, for this rule.
func (r rule) momentWords() []string {
	var words []string
	for _, when := range r.moments {
		switch when {
		case AtOnce:
		case Later:
			words = append(words, "After")
		case DuringCheckpoint:
			words = append(words, "During")
		default:
			words = append(words, string(when))
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

func (p *parser) operation(r rule) (o Operation) {
	allowed := kinds
	if len(r.on) > 0 {
		allowed = r.on
	}
	p.expect("(", "an operation, such as (Rename \"*/_metadata\")")
	o.Kind = choose(p, "an operation", allowed, func(k Kind) string { return string(k) })
	if strings.HasPrefix(p.peek(), `"`) {
		o.Path = p.pattern()
	}
	for p.peek() == "(" {
		p.qualifier(&o)
	}
	p.expect(")", "a pattern in quotes, (Nth n), (Step n), (Byte n), (Phase p), (Given …) or )")
	return o
}

func (p *parser) pattern() string {
	start := p.at
	pattern, err := strconv.Unquote(p.next())
	if err != nil || pattern == "" {
		p.failAt(start, "a pattern in quotes")
	}
	return pattern
}

func (p *parser) qualifier(o *Operation) {
	p.next()
	switch choose(p, "a qualifier", []string{"Nth", "Step", "Byte", "Phase", "Given"}, itself) {
	case "Nth":
		o.Nth = int(p.fromOne())
	case "Step":
		o.Step = int(p.fromOne())
	case "Byte":
		o.Byte = p.fromOne()
	case "Phase":
		o.Phase = choose(p, "a phase", phases, func(f Phase) string { return string(f) })
	case "Given":
		o.Given = p.condition()
	}
	p.expect(")", ")")
}

func (p *parser) condition() (c Condition) {
	p.expect("(", "a condition, such as (Completed 2)")
	switch word := choose(p, "a condition", conditionWords(), itself); word {
	case "And":
		c = And{p.condition(), p.condition()}
	case "Or":
		c = Or{p.condition(), p.condition()}
	case "Not":
		c = Not{p.condition()}
	default:
		c = AtLeast{int(p.fromOne()), Event(word)}
	}
	p.expect(")", ")")
	return c
}

func conditionWords() []string {
	var words []string
	for _, event := range events {
		words = append(words, string(event))
	}
	return append(words, "And", "Or", "Not")
}

func (p *parser) process(of []Process) Process {
	return choose(p, "a process", of, func(p Process) string { return string(p) })
}

func (p *parser) connection() Process {
	return choose(p, "a connection", connectable, func(p Process) string { return string(p) })
}

func (p *parser) level() filesystem.Level {
	return choose(p, "a level", filesystem.Levels(), func(l filesystem.Level) string { return string(l) })
}

func (p *parser) bytes() int64   { return p.number("a number of bytes", "", 0) }
func (p *parser) percent() int64 { return p.number("a percentage, such as 50%", "%", 1) }
func (p *parser) fromOne() int64 { return p.number("a number from 1 on", "", 1) }

func (p *parser) duration() time.Duration {
	start := p.at
	d, err := time.ParseDuration(p.next())
	if err != nil || d <= 0 {
		p.failAt(start, "a time, such as 130ms")
	}
	return d
}

func (p *parser) number(what, unit string, least int64) int64 {
	start := p.at
	digits, ok := strings.CutSuffix(p.next(), unit)
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < least {
		p.failAt(start, what)
	}
	return n
}

// choose reads a word, and returns the value whose name is this word. The slice `of` holds the
// possible values, and the function `name` returns the name of a value. The text `what` describes
// the possible values in an error.
func choose[T any](p *parser, what string, of []T, name func(T) string) (chosen T) {
	start := p.at
	word := p.next()
	var names []string
	for _, one := range of {
		if name(one) == word {
			return one
		}
		names = append(names, name(one))
	}
	p.failAt(start, fmt.Sprintf("%s (%s)", what, strings.Join(names, ", ")))
	return chosen
}

func itself(word string) string { return word }

// expect reads a word. It fails if this is not the given word. The text `what` describes the wanted
// word in an error.
func (p *parser) expect(word, what string) {
	start := p.at
	if p.next() != word {
		p.failAt(start, what)
	}
}

// fail records an error, which says what the parser wants at its position and what it found there.
// The parser keeps only its first error.
func (p *parser) fail(want string) {
	if p.err != nil {
		return
	}
	p.space()
	got := p.peek()
	if got == "" {
		got = "the end"
	}
	p.err = fmt.Errorf("at byte %d: want %s, got %s", p.at, want, got)
}

// failAt records an error for the position `start`, at which the last word began.
func (p *parser) failAt(start int, want string) {
	p.at = start
	p.fail(want)
}

func (p *parser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

func (p *parser) peek() string {
	at := p.at
	word := p.next()
	p.at = at
	return word
}

// next reads a word. At the end of the text, or after an error, it returns an empty word.
func (p *parser) next() string {
	if p.err != nil {
		return ""
	}
	p.space()
	rest := p.text[p.at:]
	length := strings.IndexAny(rest, "() \t\r\n\"")
	switch {
	case rest == "":
		return ""
	case length < 0:
		length = len(rest)
	case rest[0] == '(' || rest[0] == ')':
		length = 1
	case rest[0] == '"':
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			quoted = rest
		}
		length = len(quoted)
	}
	p.at += length
	return rest[:length]
}
