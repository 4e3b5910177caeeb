package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/exploration"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/suites/power"
)

// sighting is one run of the reference, with its result.
type sighting struct {
	stage    string
	target   reference.Simulated
	scenario scenarios.Scenario
	seed     uint64
	result   run.Result
}

var strategies = map[power.Strategy]func(seed uint64) iter.Seq[sighting]{
	power.Suites:  suites,
	power.Unaided: turns,
	power.Kills: func(seed uint64) iter.Seq[sighting] {
		return drawn("kills", seed, func(seed uint64) scenarios.Scenario {
			return exploration.Kills(fmt.Sprintf("killed/seed-%d", seed), exploration.Seeded(seed))
		})
	},
	power.Rapid: func(seed uint64) iter.Seq[sighting] {
		generator := rapid.Custom(func(t *rapid.T) scenarios.Scenario { return exploration.Draw("explored/rapid", choices{t}) })
		return drawn("rapid", seed, func(seed uint64) scenarios.Scenario { return generator.Example(int(seed)) })
	},
}

// choices lets the library rapid make the choices of an exploration.
type choices struct{ t *rapid.T }

func (c choices) Int(label string, low, high int) int {
	return rapid.IntRange(low, high).Draw(c.t, label)
}

// drawn draws a scenario from each seed and runs the scenario. The parameter first is the first
// seed, and stage is the name of this part of the hunt in the results.
func drawn(stage string, first uint64, draw func(seed uint64) scenarios.Scenario) iter.Seq[sighting] {
	return func(yield func(sighting) bool) {
		for seed := first; yield(once(stage, storageOf(seed), draw(seed), seed)); seed++ {
			continue
		}
	}
}

// once runs a scenario once.
func once(stage string, target reference.Simulated, s scenarios.Scenario, seed uint64) sighting {
	result := explore.Campaign{Target: target, Timeout: timeout}.RunOne(context.Background(), seed, s)
	return sighting{stage: stage, target: target, scenario: s, seed: seed, result: result}
}

// objects is the URL of a checkpoint directory on an object store.
const objects = "s3://bucket/checkpoints"

// storageOf returns a target on an object store for every fourth seed. For all other seeds it
// returns a target on a file system.
func storageOf(seed uint64) reference.Simulated {
	if seed%4 != 3 {
		return reference.Simulated{}
	}
	place, err := reference.ParseStorage(objects)
	if err != nil {
		panic(err) // the constant is well-formed
	}
	return reference.Simulated{Storage: place}
}

// The strategy of Snapback's own suites alternates between two stages: power losses and explored
// scenarios. These are the numbers of runs in one stage before the other stage begins again.
const (
	losses = 60  // recoveries after power losses
	draws  = 180 // explored scenarios
)

// areasFirst lists the areas of the catalogue whose scenarios need only a few milliseconds.
var areasFirst = []string{"cleanup", "leaks", "tolerance", "restarts", "claims", "savepoints", "unaligned", "rescale", "state"}

// lossesOf lists the scenarios in which the power is lost. lossesAreas lists the areas of the
// catalogue that contain these scenarios.
var (
	lossesOf    = []string{"durability/checkpoints", "durability/power-loss-highly-available", "recovery/claim", "recovery/stop-and-resume"}
	lossesAreas = []string{"durability", "recovery"}
)

// suites runs the scenarios of Snapback's own suites. First it runs each scenario of the catalogue,
// with fewer records. The cheapest scenarios come first. Then power losses and explored scenarios
// take turns.
func suites(seed uint64) iter.Seq[sighting] {
	return func(yield func(sighting) bool) {
		for _, part := range []iter.Seq[sighting]{catalogue(seed), turns(seed)} {
			for r := range part {
				if !yield(r) {
					return
				}
			}
		}
	}
}

func catalogue(seed uint64) iter.Seq[sighting] {
	return func(yield func(sighting) bool) {
		for _, area := range areas() {
			for _, s := range small(area) {
				left := len(target.Unclaimed(reference.Simulated{}, s)) + len(target.Unhonoured(reference.Simulated{}, s))
				if left == 0 && !yield(once(s.Name, reference.Simulated{}, s, seed)) {
					return
				}
			}
		}
	}
}

func turns(seed uint64) iter.Seq[sighting] {
	return func(yield func(sighting) bool) {
		durable, err := scenarios.Select(small(lossesAreas...), lossesOf)
		if err != nil {
			panic(err) // the catalogue is part of this program
		}
		blocks := exploration.NewBlocks()
		for round := uint64(0); ; round++ {
			for _, lost := range powerLosses(durable[round%uint64(len(durable))], seed+round) {
				if !yield(lost) {
					return
				}
			}
			for n := range uint64(draws) {
				at := seed + round*draws + n
				if !yield(once("exploration", storageOf(at), blocks.Draw(at), at)) {
					return
				}
			}
		}
	}
}

// small returns the scenarios of some areas of the catalogue, each with fewer records.
func small(areas ...string) (all []scenarios.Scenario) {
	for _, area := range areas {
		part, err := scenarios.Area(area)
		if err != nil {
			panic(err) // the catalogue is part of this program
		}
		for _, s := range part {
			all = append(all, smaller(s))
		}
	}
	return all
}

// areas lists all areas of the catalogue, in the order in which the hunter runs them.
func areas() []string {
	all, err := scenarios.Areas()
	if err != nil {
		panic(err) // the catalogue is part of this program
	}
	return append(slices.Clone(areasFirst), slices.DeleteFunc(all, func(name string) bool { return slices.Contains(areasFirst, name) })...)
}

// recordsMax is the greatest number of records in a split.
const recordsMax = 150

// smaller returns a scenario with fewer records. It makes the pauses between records longer, so
// that the scenario lasts as long as before.
func smaller(s scenarios.Scenario) scenarios.Scenario {
	w := &s.Workload
	if w.Records > recordsMax {
		w.Pause = w.Pause * time.Duration(w.Records) / recordsMax
		w.Records = recordsMax
	}
	return s
}

// powerLosses runs a scenario with power losses, and brings the jobs back after each power loss.
// The constant losses limits the number of power losses.
func powerLosses(s scenarios.Scenario, seed uint64) []sighting {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	target := storageOf(0)
	crashes := explore.CrashPoints{
		Target: target, Seed: seed, Model: run.PowerLossModel(filesystem.POSIX), StatesMax: 3, Every: 7, Timeout: timeout, Parallel: 1,
	}
	var runs []sighting
	// A mistake may end the run with an error. The results before the error still count.
	_, _ = crashes.Run(ctx, s, func(result run.Result, again scenarios.Scenario) {
		runs = append(runs, sighting{stage: "power losses", target: target, scenario: again, seed: result.Seed, result: result})
		if result.Verdict == oracle.Fail || len(runs) >= losses {
			stop()
		}
	})
	return runs
}
