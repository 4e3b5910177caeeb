package exploration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/snapback/snapback/scenarios"
)

// BlockSize is the number of scenarios in a block.
const BlockSize = 1000

// blocksKept is the number of blocks that are kept in memory. Scenarios that run at the same time
// lie in two blocks at most.
const blocksKept = 2

// Blocks draws a scenario from each seed, as [Draw] does. The scenarios of a block of seeds complete
// each other: each takes choices that the ones before it did not take together, and the edges of each
// range. So the scenarios of one block have nearly all pairs of choices. Scenarios that are drawn each
// for itself need many more.
//
// The same seed always gives the same scenario. To draw one, the scenarios before it in its block
// are drawn, too. Several goroutines may use the same Blocks.
type Blocks struct {
	mu     sync.Mutex
	blocks []*block // the one that was used last comes last
}

// NewBlocks returns all blocks. None of their scenarios is drawn yet.
func NewBlocks() *Blocks { return &Blocks{} }

// Name returns the name of the scenario of a seed.
func Name(seed uint64) string { return fmt.Sprintf("explored/seed-%d", seed) }

// Draw returns the scenario of a seed.
func (b *Blocks) Draw(seed uint64) scenarios.Scenario { return b.drawn(seed).scenario }

// Recorded returns the choices of the scenario of a seed.
func (b *Blocks) Recorded(seed uint64) *Recorded { return b.drawn(seed).recorded }

func (b *Blocks) drawn(seed uint64) drawn {
	b.mu.Lock()
	defer b.mu.Unlock()
	in := b.block(seed - seed%BlockSize)
	for next := in.first + uint64(len(in.drawn)); next <= seed; next++ {
		scenario, recorded := Record(Name(next), in.begin(next))
		in.drawn = append(in.drawn, drawn{scenario, recorded})
	}
	return in.drawn[seed-in.first]
}

func (b *Blocks) block(first uint64) *block {
	at := slices.IndexFunc(b.blocks, func(known *block) bool { return known.first == first })
	var in *block
	if at >= 0 {
		in = b.blocks[at]
		b.blocks = slices.Delete(b.blocks, at, at+1)
	} else {
		in = &block{first: first, coverage: NewCoverage()}
	}
	b.blocks = append(b.blocks, in)
	b.blocks = b.blocks[max(0, len(b.blocks)-blocksKept):]
	return in
}

// block is the scenarios of some seeds, and what they cover together.
type block struct {
	first    uint64
	drawn    []drawn
	coverage *Coverage
}

// drawn is a scenario and the choices that it came from.
type drawn struct {
	scenario scenarios.Scenario
	recorded *Recorded
}

// begin returns what makes the choices of the next scenario.
func (b *block) begin(seed uint64) Choices {
	b.coverage.begin()
	return completing{b.coverage, rand.New(rand.NewPCG(seed, 0xd1ce))}
}

// completing makes the choices of a scenario: among the classes of values, it takes one whose
// combinations with the choices so far are the rarest.
type completing struct {
	coverage *Coverage
	rand     *rand.Rand
}

// Int implements [Choices].
func (c completing) Int(label string, low, high int) int {
	var best []int
	most := -1
	for _, class := range classes(low, high) {
		gain := c.coverage.gain(label, class.name)
		switch {
		case gain > most:
			best, most = best[:0], gain
			fallthrough
		case gain == most:
			best = append(best, class.low+c.rand.IntN(class.high-class.low+1))
		}
	}
	value := best[c.rand.IntN(len(best))]
	c.coverage.add(label, classOf(value, low, high))
	return value
}
