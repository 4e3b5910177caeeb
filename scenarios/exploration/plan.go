package exploration

import (
	"math/rand/v2"
	"sync"

	"github.com/snapback/snapback/scenarios"
)

// candidates is the number of scenarios of which a plan takes one.
const candidates = 8

// Plan draws a sequence of scenarios, each from a seed of its own. It draws several scenarios from
// each seed, and takes the one whose pairs of tags the scenarios before had least often. So a short
// sequence has most pairs, and pairs that chance draws seldom are not seldom.
//
// The same plan always draws the same scenario from a seed. Several goroutines may use a plan.
type Plan struct {
	space         Space
	name          func(seed uint64) string
	first, stride uint64

	mu    sync.Mutex
	taken []int // which of its candidates the plan took for each seed so far
	pairs Pairs // of the taken scenarios
}

// Plan returns a plan for the seeds first, first+stride, and so on. The function name returns the
// names of the scenarios.
func (s Space) Plan(first, stride uint64, name func(seed uint64) string) *Plan {
	return &Plan{space: s, name: name, first: first, stride: stride, pairs: Pairs{}}
}

// Draw draws the scenario of a seed. The seed must be one of the plan's seeds.
func (p *Plan) Draw(seed uint64) scenarios.Scenario {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := int((seed - p.first) / p.stride)
	for len(p.taken) <= at {
		p.take(p.first + uint64(len(p.taken))*p.stride)
	}
	return p.candidate(seed, p.taken[at])
}

// take takes a scenario for the next seed.
func (p *Plan) take(seed uint64) {
	best, bestScore := 0, -1.0
	var bestDrawn scenarios.Scenario
	for n := range candidates {
		drawn := p.candidate(seed, n)
		score := 0.0
		for _, pair := range pairsOf(drawn) {
			score += 1 / float64(1+p.pairs[pair]*p.pairs[pair])
		}
		if score > bestScore {
			best, bestScore, bestDrawn = n, score, drawn
		}
	}
	p.taken = append(p.taken, best)
	p.pairs.Add(bestDrawn)
}

// candidate draws one of the scenarios of a seed. The first is the scenario that [Space.Draw] draws.
func (p *Plan) candidate(seed uint64, n int) scenarios.Scenario {
	return p.space.Draw(p.name(seed), seeded{rand.New(rand.NewPCG(seed, 0xd1ce+uint64(n)))})
}
