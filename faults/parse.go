package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapback/snapback/storage/filesystem"
)

// Parse reads a fault as [Fault.String] writes it; spaces may differ. Its errors name the
// place, what was wanted and what is there.
func Parse(text string) (Fault, error) {
	p := &parser{text: text}
	fault, err := p.fault()
	if err == nil && p.peek() != "" {
		err = p.want("nothing more")
	}
	if err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", text, err)
	}
	return fault, nil
}

// parser reads one word after the other: a parenthesis, a quoted text, or what stands
// between those and spaces.
type parser struct {
	text string
	at   int // byte
}

func (p *parser) fault() (Fault, error) {
	if err := p.expect("(", "( and an action"); err != nil {
		return Fault{}, err
	}
	r, err := choose(p, "an action", rules, func(r rule) string { return string(r.action) })
	if err != nil {
		return Fault{}, err
	}
	fault := Fault{Action: r.action}
	for _, takes := range r.takes {
		if err := p.argument(&fault, r, takes); err != nil {
			return Fault{}, err
		}
	}
	if p.peek() == "(" || !slices.Contains(r.moments, AtOnce) {
		if fault.Moment, err = p.moment(r); err != nil {
			return Fault{}, err
		}
	}
	return fault, p.expect(")", "a moment or )")
}

func (p *parser) argument(fault *Fault, r rule, takes argument) (err error) {
	switch takes {
	case process, link:
		fault.Process, err = choose(p, string(takes), r.whom, func(p Process) string { return string(p) })
	case errorName:
		var chosen namedError
		chosen, err = choose(p, string(takes), errorNames, func(e namedError) string { return e.name })
		fault.Detail = chosen.name
	case level:
		var chosen filesystem.Level
		chosen, err = choose(p, string(takes), filesystem.Levels(), func(l filesystem.Level) string { return string(l) })
		fault.Detail = string(chosen)
	case length:
		var d time.Duration
		d, err = p.duration()
		fault.Amount = int64(d)
	case share:
		fault.Amount, err = p.number("a percentage, such as 50%", "%", 1)
	case times:
		fault.Amount, err = p.number("how many times", "", 1)
	case rate:
		fault.Amount, err = p.number(string(takes), "", 1)
	case state:
		fault.Amount, err = p.number(string(takes), "", 0)
	default:
		fault.Amount, err = p.number("a number of "+string(takes), "", 0)
	}
	return err
}

func (p *parser) moment(r rule) (m Moment, err error) {
	start := p.at
	if err := p.expect("(", "a moment, such as (On (Write \"*\"))"); err != nil {
		return m, err
	}
	var words []string
	for _, when := range r.moments {
		if word := map[When]string{Later: "After", DuringCheckpoint: "During"}[when]; word != "" {
			words = append(words, word)
		} else if when != AtOnce {
			words = append(words, string(when))
		}
	}
	slices.Sort(words)
	word, err := choose(p, "a moment", slices.Compact(words), func(w string) string { return w })
	if err != nil {
		return m, err
	}
	m.When = When(word)
	switch {
	case word == "During":
		m.When = DuringCheckpoint
		err = p.expect("checkpoint", "checkpoint")
	case word == "Given":
		m.Condition, err = p.condition()
	case word == "After" && p.peek() != "(":
		m.When = Later
		m.Later, err = p.duration()
	default:
		m.Operation, err = p.operation(r)
	}
	if err != nil {
		return m, err
	}
	if !slices.Contains(r.moments, m.When) {
		p.at = start
		return m, p.want("another moment of " + string(r.action))
	}
	return m, p.expect(")", ")")
}

func (p *parser) operation(r rule) (o Operation, err error) {
	if err := p.expect("(", "an operation, such as (Rename \"*/_metadata\")"); err != nil {
		return o, err
	}
	allowed := kinds
	if len(r.on) > 0 {
		allowed = r.on
	}
	if o.Kind, err = choose(p, "an operation", allowed, func(k Kind) string { return string(k) }); err != nil {
		return o, err
	}
	if strings.HasPrefix(p.peek(), `"`) {
		start := p.at
		if o.Path, err = strconv.Unquote(p.next()); err != nil || o.Path == "" {
			p.at = start
			return o, p.want("a pattern in quotes")
		}
	}
	for p.peek() == "(" {
		if err := p.qualifier(&o); err != nil {
			return o, err
		}
	}
	return o, p.expect(")", "a pattern in quotes, (Nth n), (Step n), (Byte n), (Phase p), (Given …) or )")
}

func (p *parser) qualifier(o *Operation) (err error) {
	p.next()
	word, err := choose(p, "a qualifier", []string{"Nth", "Step", "Byte", "Phase", "Given"}, func(w string) string { return w })
	if err != nil {
		return err
	}
	var n int64
	switch word {
	case "Nth":
		n, err = p.number("a number from 1 on", "", 1)
		o.Nth = int(n)
	case "Step":
		n, err = p.number("a number from 1 on", "", 1)
		o.Step = int(n)
	case "Byte":
		o.Byte, err = p.number("a number from 1 on", "", 1)
	case "Phase":
		o.Phase, err = choose(p, "a phase", phases, func(f Phase) string { return string(f) })
	case "Given":
		o.Given, err = p.condition()
	}
	if err != nil {
		return err
	}
	return p.expect(")", ")")
}

func (p *parser) condition() (c Condition, err error) {
	if err := p.expect("(", "a condition, such as (Completed 2)"); err != nil {
		return c, err
	}
	if c.Event, err = choose(p, "a condition", conditionEvents, func(e string) string { return e }); err != nil {
		return c, err
	}
	n, err := p.number("a number from 1 on", "", 1)
	if err != nil {
		return c, err
	}
	c.Count = int(n)
	return c, p.expect(")", ")")
}

func (p *parser) duration() (time.Duration, error) {
	start := p.at
	d, err := time.ParseDuration(p.next())
	if err != nil || d <= 0 {
		p.at = start
		return 0, p.want("a time, such as 130ms")
	}
	return d, nil
}

func (p *parser) number(what, unit string, least int64) (int64, error) {
	start := p.at
	digits, ok := strings.CutSuffix(p.next(), unit)
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < least {
		p.at = start
		return 0, p.want(what)
	}
	return n, nil
}

// choose reads a word that is the name of one of several things.
func choose[T any](p *parser, what string, of []T, name func(T) string) (T, error) {
	start := p.at
	word := p.next()
	var names []string
	for _, one := range of {
		if name(one) == word {
			return one, nil
		}
		names = append(names, name(one))
	}
	p.at = start
	var none T
	return none, p.want(fmt.Sprintf("%s (%s)", what, strings.Join(names, ", ")))
}

func (p *parser) expect(word, what string) error {
	if p.peek() != word {
		return p.want(what)
	}
	p.next()
	return nil
}

// want says what should stand where the parser is.
func (p *parser) want(what string) error {
	p.space()
	got := p.peek()
	if got == "" {
		got = "the end"
	}
	return fmt.Errorf("at byte %d: want %s, got %s", p.at, what, got)
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

// next takes a word; at the end, nothing.
func (p *parser) next() string {
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
