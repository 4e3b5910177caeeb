package exploration

import (
	"math/bits"

	"github.com/snapback/snapback/storage/configuration"
)

// Coverage says which pairs of choices some scenarios have, and which triples. Triples are counted
// only among the choices that a recovery depends on.
//
// A choice is a label and a class of values. A label that comes up several times in a scenario
// counts as several labels.
type Coverage struct {
	ids     map[feature]int
	serious []int // the number of a choice among those that a recovery depends on; -1: it is not one of them
	numbers int   // how many choices a recovery depends on
	pairs   combinations
	triples combinations

	// Of the scenario whose choices are being made:
	made  []int          // ids
	times map[string]int // how often each label came up
}

// feature is one choice of a scenario.
type feature struct {
	label string
	nth   int // how often the label came up before
	class int
}

// recovering lists the labels of the choices that a recovery depends on.
var recovering = map[string]bool{
	"thing": true, "backend": true, "barriers": true, "retention": true, "claim mode": true, "high availability": true, "workload": true,
	"parallelism": true, "new parallelism": true, "retained": true, "phase": true, "crash after a resume": true, "from": true,
	configuration.Storage.Key: true,
}

// NewCoverage returns the coverage of no scenario.
func NewCoverage() *Coverage { return &Coverage{ids: map[feature]int{}} }

// begin begins another scenario.
func (c *Coverage) begin() {
	c.made, c.times = c.made[:0], map[string]int{}
}

func (c *Coverage) id(f feature) int {
	id, known := c.ids[f]
	if !known {
		id = len(c.ids)
		c.ids[f] = id
		number := -1
		if recovering[f.label] {
			number = c.numbers
			c.numbers++
		}
		c.serious = append(c.serious, number)
	}
	return id
}

// gain returns how many combinations with the choices of the scenario are new.
func (c *Coverage) gain(label string, class int) (fresh int) {
	c.combine(c.id(feature{label, c.times[label], class}), func(of *combinations, number int) {
		if !of.has(number) {
			fresh++
		}
	})
	return fresh
}

// add adds a choice to the scenario.
func (c *Coverage) add(label string, class int) {
	id := c.id(feature{label, c.times[label], class})
	c.combine(id, func(of *combinations, number int) { of.add(number) })
	c.times[label]++
	c.made = append(c.made, id)
}

// combine calls do with each pair and each triple of a choice and the choices of the scenario.
func (c *Coverage) combine(id int, do func(of *combinations, number int)) {
	for i, one := range c.made {
		do(&c.pairs, pair(id, one))
		if c.serious[id] < 0 || c.serious[one] < 0 {
			continue
		}
		for _, other := range c.made[:i] {
			if c.serious[other] >= 0 {
				do(&c.triples, triple(c.serious[id], c.serious[one], c.serious[other]))
			}
		}
	}
}

// Pairs returns the number of pairs of choices that the scenarios have.
func (c *Coverage) Pairs() int { return c.pairs.size }

// Triples returns the number of triples of choices that the scenarios have.
func (c *Coverage) Triples() int { return c.triples.size }

// Share says what share of the combinations in [Reached] some scenarios have.
type Share struct{ Pairs, Triples float64 }

// Reached is the number of combinations that the first 100,000 scenarios of [Blocks] have. Nobody
// knows how many there are, because most choices depend on other choices.
var Reached = struct{ Pairs, Triples int }{Pairs: 298_000, Triples: 443_700}

// Share returns the share of the combinations that the scenarios have.
func (c *Coverage) Share() Share {
	return Share{Pairs: float64(c.Pairs()) / float64(Reached.Pairs), Triples: float64(c.Triples()) / float64(Reached.Triples)}
}

// Add adds a scenario, whose choices were recorded.
func (c *Coverage) Add(r *Recorded) {
	c.begin()
	for _, made := range r.choices {
		c.add(made.label, classOf(made.value, made.low, made.high))
	}
}

// combinations is a set of numbers.
type combinations struct {
	words []uint64
	size  int
}

func (s *combinations) has(number int) bool {
	return number/64 < len(s.words) && s.words[number/64]&(1<<(number%64)) != 0
}

func (s *combinations) add(number int) {
	if s.has(number) {
		return
	}
	if missing := number/64 + 1 - len(s.words); missing > 0 {
		s.words = append(s.words, make([]uint64, missing)...)
	}
	s.words[number/64] |= 1 << (number % 64)
	s.size++
}

// pair returns the number of a pair of ids. Each pair has another number. Pairs of low ids have low
// numbers.
func pair(a, b int) int {
	if a < b {
		a, b = b, a
	}
	return a*(a-1)/2 + b
}

// triple returns the number of a triple of ids, as pair does.
func triple(a, b, c int) int {
	most, least := max(a, b, c), min(a, b, c)
	return most*(most-1)*(most-2)/6 + pair(a+b+c-most-least, least)
}

// class is a range of values that are taken for alike.
type class struct{ name, low, high int }

// smallRange is a number of values. In a range with no more values, each value is a class of its own.
const smallRange = 24

// classes returns the classes of the values from low to high. In a large range these are the
// lowest value, the highest, and in between the values between two powers of two.
func classes(low, high int) (all []class) {
	if high-low < smallRange {
		for value := low; value <= high; value++ {
			all = append(all, class{value, value, value})
		}
		return all
	}
	for from := low; from < high; {
		name := classOf(from, low, high)
		to := min(low+1<<(name+1)-2, high-1)
		all = append(all, class{name, from, to})
		from = to + 1
	}
	return append(all, class{classOf(high, low, high), high, high})
}

// classOf returns the name of the class of a value.
func classOf(value, low, high int) int {
	switch {
	case high-low < smallRange:
		return value
	case value == high:
		return bits.UintSize
	}
	return bits.Len(uint(value-low+1)) - 1
}
