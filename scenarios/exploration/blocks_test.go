package exploration_test

import (
	"reflect"
	"testing"

	"github.com/snapback/snapback/scenarios/exploration"
)

// A seed gives the same scenario, whichever scenarios were drawn before.
func TestBlocksDependOnTheSeedAlone(t *testing.T) {
	one, other := exploration.NewBlocks(), exploration.NewBlocks()
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

// The recorded choices of a seed give its scenario again.
func TestTheChoicesOfABlockAreRecorded(t *testing.T) {
	blocks := exploration.NewBlocks()
	for seed := range uint64(50) {
		want := blocks.Draw(seed)
		// A scenario that never fails cannot be made smaller.
		got := exploration.Minimize(exploration.Name(seed), blocks.Recorded(seed), 0, nil)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: want %+v, got %+v", seed, want, got)
		}
	}
}

// The scenarios of one block have a tenth more pairs of choices than as many scenarios that are drawn
// each for itself, and no share is above one.
func TestABlockCoversPairs(t *testing.T) {
	blocks := exploration.NewBlocks()
	together, alone := exploration.NewCoverage(), exploration.NewCoverage()
	for seed := range uint64(exploration.BlockSize) {
		together.Add(blocks.Recorded(seed))
		_, recorded := exploration.Record(exploration.Name(seed), exploration.Seeded(seed))
		alone.Add(recorded)
	}
	t.Logf("together %+v, alone %+v", together.Share(), alone.Share())
	if together.Share().Pairs < 1.1*alone.Share().Pairs {
		t.Errorf("want a tenth more pairs together, got %+v, and alone %+v", together.Share(), alone.Share())
	}
	if share := together.Share(); share.Pairs > 1 || share.Triples > 1 {
		t.Errorf("want shares of at most 1, got %+v: measure Reached again", share)
	}
}

func BenchmarkBlocks(b *testing.B) {
	blocks := exploration.NewBlocks()
	seed := uint64(0)
	for b.Loop() {
		blocks.Draw(seed)
		seed++
	}
}

func BenchmarkSeeded(b *testing.B) {
	seed := uint64(0)
	for b.Loop() {
		exploration.Draw(exploration.Name(seed), exploration.Seeded(seed))
		seed++
	}
}
