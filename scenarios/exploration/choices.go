package exploration

import "github.com/snapback/snapback/scenarios"

// Recorded holds the choices of a scenario. With these choices, the scenario can be drawn again,
// and made smaller.
type Recorded struct {
	choices []choice
	taken   int
	source  Choices // makes the choices that are not recorded; if it is nil, they get their lowest values
}

type choice struct {
	label            string
	value, low, high int
}

// Record draws a scenario and records its choices.
func Record(name string, from Choices) (scenarios.Scenario, *Recorded) {
	r := &Recorded{source: from}
	return Draw(name, r), r
}

// Int implements [Choices].
func (r *Recorded) Int(label string, low, high int) int {
	r.taken++
	if r.taken <= len(r.choices) {
		c := &r.choices[r.taken-1]
		c.label, c.low, c.high = label, low, high
		c.value = min(max(c.value, low), high)
		return c.value
	}
	value := low
	if r.source != nil {
		value = r.source.Int(label, low, high)
	}
	r.choices = append(r.choices, choice{label, value, low, high})
	return value
}

// with returns a copy in which the choice with the index `at` has another value.
func (r *Recorded) with(at, value int) *Recorded {
	changed := &Recorded{choices: append([]choice{}, r.choices...)}
	changed.choices[at].value = value
	return changed
}

// Minimize makes a scenario smaller, as long as it still fails. For each choice it tries the lowest
// value, and then the value halfway to the lowest. The function `fails` says whether a scenario
// fails. Minimize calls it no more often than `asks` says.
func Minimize(name string, from *Recorded, asks int, fails func(scenarios.Scenario) bool) scenarios.Scenario {
	smallest := replay(name, from)
	for smaller := true; smaller && asks > 0; {
		smaller = false
		for at := 0; at < len(from.choices) && asks > 0; at++ {
			c := from.choices[at]
			for _, value := range []int{c.low, c.low + (c.value-c.low)/2} {
				if value >= c.value || asks == 0 {
					continue
				}
				asks--
				tried := from.with(at, value)
				scenario := replay(name, tried)
				if fails(scenario) {
					from, smallest, smaller = tried, scenario, true
					break
				}
			}
		}
	}
	return smallest
}

func replay(name string, r *Recorded) scenarios.Scenario {
	r.taken = 0
	drawn := Draw(name, r)
	r.choices = r.choices[:min(r.taken, len(r.choices))]
	return drawn
}
