package exploration_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/exploration"
)

func draw(seed uint64, c exploration.Choices) scenarios.Scenario {
	return exploration.Draw(fmt.Sprintf("explored/seed-%d", seed), c)
}

// A seed gives the same scenario, whichever scenarios were drawn before.
func TestBlocksDependOnTheSeedAlone(t *testing.T) {
	one, other := exploration.NewBlocks(draw), exploration.NewBlocks(draw)
	const last = 3*exploration.BlockSize + 20
	want := other.Draw(last)
	for seed := uint64(0); seed < last; seed += 7 {
		if err := one.Draw(seed).Validate(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	if got := one.Draw(last); !reflect.DeepEqual(got, want) {
		t.Errorf("seed %d: want %+v, got %+v", last, want, got)
	}
	if got := one.Draw(5); !reflect.DeepEqual(got, other.Draw(5)) {
		t.Error("seed 5, drawn again after its block was forgotten, is another scenario")
	}
}

// The scenarios of one block have a fifth more pairs of choices than as many scenarios that are drawn
// each for itself.
func TestABlockCoversPairs(t *testing.T) {
	together, alone := exploration.NewCoverage(), exploration.NewCoverage()
	blocks := exploration.NewBlocks(func(seed uint64, c exploration.Choices) scenarios.Scenario { return draw(seed, together.Of(c)) })
	blocks.Draw(exploration.BlockSize - 1)
	for seed := range uint64(exploration.BlockSize) {
		draw(seed, alone.Of(exploration.Seeded(seed)))
	}
	t.Logf("pairs %d, alone %d; triples %d, alone %d", together.Pairs(), alone.Pairs(), together.Triples(), alone.Triples())
	if together.Pairs()*5 < alone.Pairs()*6 {
		t.Errorf("want a fifth more pairs together, got %d and alone %d", together.Pairs(), alone.Pairs())
	}
}

func BenchmarkBlocks(b *testing.B) {
	blocks := exploration.NewBlocks(draw)
	seed := uint64(0)
	for b.Loop() {
		blocks.Draw(seed)
		seed++
	}
}

func BenchmarkSeeded(b *testing.B) {
	seed := uint64(0)
	for b.Loop() {
		draw(seed, exploration.Seeded(seed))
		seed++
	}
}
