package harness

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

// Crashes visits the crash points of a scenario, and at each the states in which a power
// loss may leave storage. From each state that is new the jobs are brought back, run to
// their end, and are judged.
//
// A crash point lies after each operation that changes storage. The states at a point are
// all visited if they are no more than StatesMax, else as many at random.
type Crashes struct {
	Target    Target // whose clusters are [Tapped] and [Durable]
	Seed      uint64
	Model     filesystem.Model
	StatesMax int
	Every     int           // of so many crash points one is visited, at random; 0: each
	AgainIn   int           // in one recovery of so many the power is lost again at each crash point, into a state at random; 0: in none
	Timeout   time.Duration // on one recovery, by the wall clock
	Parallel  int           // recoveries at a time
}

// Point is what was found at a crash point.
type Point struct {
	Number    int
	Operation string
	Phase     faults.Phase
	States    float64 // in which a power loss may fall out; an estimate, where not all were visited
	Visited   int
	Distinct  int // of those visited, which no point before had
	All       bool
	Bad       int // of those distinct, from which something did not come back as it must
}

// seenMax bounds the states that are remembered; beyond it some are judged again.
const seenMax = 8 << 20

// estimates is how many ways at random make an estimate of all.
const estimates = 32

// crashing is a visit in progress.
type crashing struct {
	Crashes
	ctx      context.Context
	scenario scenarios.Scenario
	group    errgroup.Group
	points   []*Point
	done     func(Result, scenarios.Scenario)

	mu   sync.Mutex
	seen map[uint64]bool
}

// Run visits the crash points, in order. Done is called with each result and the scenario
// that gives it again, one at a time. If the context ends, what was visited until then is
// returned.
func (c Crashes) Run(ctx context.Context, s scenarios.Scenario, done func(Result, scenarios.Scenario)) ([]*Point, error) {
	r, err := beginning{c.Target, c.Seed, 1, "", io.Discard, func(string) {}}.begin(ctx, s)
	if err != nil {
		return nil, err
	}
	visit := &crashing{Crashes: c, ctx: ctx, scenario: r.scenario, done: done, seen: map[uint64]bool{}}
	visit.group.SetLimit(max(1, c.Parallel))
	if err := visit.watch(r, nil); err != nil {
		return nil, errors.Join(err, r.close())
	}
	err = r.steps(ctx, 0)
	err = errors.Join(err, visit.group.Wait(), r.failed, r.close())
	if ctx.Err() != nil {
		err = nil // what was visited was
	}
	return visit.points, err
}

// watch has the crash points of a run visited, as they come by. Earlier are the faults
// that brought it to where it is.
func (c *crashing) watch(r *run, earlier []faults.Fault) error {
	tapped, seen := r.cluster.(Tapped)
	durable, known := r.cluster.(Durable)
	if !seen || !known {
		return Usagef("nobody knows what a power loss would leave of target %s", c.Target.Describe())
	}
	tapped.Tap().Watch = func(o tap.Operation) {
		if c.ctx.Err() == nil {
			c.visit(r, durable, o, earlier)
		}
	}
	return nil
}

// visit visits the states of a crash point.
func (c *crashing) visit(r *run, durable Durable, o tap.Operation, earlier []faults.Fault) {
	if len(earlier) == 0 && c.Every > 1 && c.random(nil, -o.Number).IntN(c.Every) > 0 {
		return
	}
	point, most := &Point{Number: o.Number, Operation: o.String(), Phase: o.Phase()}, c.StatesMax
	if len(earlier) == 0 {
		c.points = append(c.points, point)
	} else {
		most = 1
	}
	var states []crashState
	durable.Disk(func(disk *filesystem.Memory) { states = c.states(disk, most, point, c.random(earlier, o.Number)) })
	knowing := knowledge(r, earlier)
	for _, state := range states {
		point.Visited++
		if !c.isNew(state.left, knowing) {
			continue
		}
		point.Distinct++
		armed := append(slices.Clone(earlier), faults.Fault{
			Action: faults.PowerLoss, Detail: string(c.Model.Level), Amount: int64(state.number),
			Moment: faults.Moment{When: faults.After, Operation: faults.Operation{Kind: faults.Change, Nth: o.Number}},
		})
		fork, survivor := r.fork(c.scenario, armed, o), durable.AfterPowerLoss(state.left)
		comeBack := func() error {
			c.comeBack(fork, survivor, state.number, point, armed)
			return nil
		}
		if len(earlier) > 0 {
			_ = comeBack() // in the goroutine of the recovery that it interrupts
		} else {
			c.group.Go(comeBack)
		}
	}
}

// crashState is what a power loss may leave.
type crashState struct {
	number uint64
	left   *filesystem.Memory
}

// random returns what decides at a place, whatever is visited elsewhere meanwhile.
func (c *crashing) random(earlier []faults.Fault, number int) *rand.Rand {
	return rand.New(rand.NewPCG(c.Seed, place(earlier)*31+uint64(number)))
}

// place is another one after other power losses.
func place(earlier []faults.Fault) (sum uint64) {
	for _, fault := range earlier {
		sum = (sum*31+uint64(fault.Moment.Operation.Nth))*31 + uint64(fault.Amount)
	}
	return sum
}

// states returns the states to visit: all, or as many at random.
func (c *crashing) states(disk *filesystem.Memory, most int, point *Point, random *rand.Rand) []crashState {
	var states []crashState
	disk.EveryCrash(c.Model, func(number uint64, left *filesystem.Memory) bool {
		states = append(states, crashState{number, left})
		return len(states) <= most
	})
	point.States, point.All = float64(len(states)), len(states) <= most
	if point.All {
		return states
	}
	point.States = disk.States(c.Model, estimates, random.IntN)
	states = states[:most]
	for i := range states {
		number := random.Uint64() >> 1
		states[i] = crashState{number, disk.Crash(c.Model, filesystem.State(number))}
	}
	return states
}

// knowledge is the same for runs of a campaign that have seen the same, after the same
// power losses.
func knowledge(r *run, earlier []faults.Fault) (sum uint64) {
	sum = place(earlier)
	for _, e := range r.history.Events {
		if e.Kind != history.Triggered && e.Kind != history.Aborted {
			sum = sum*31 + uint64(e.Number)
		}
	}
	return sum
}

// isNew says whether nobody came back from the same state, knowing the same, before.
func (c *crashing) isNew(left *filesystem.Memory, knowing uint64) bool {
	digest := left.Digest()
	key := binary.LittleEndian.Uint64(digest[:]) + 31*knowing
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen[key] {
		return false
	}
	if len(c.seen) < seenMax {
		c.seen[key] = true
	}
	return true
}

// fork returns a run in which the power is lost now, where the other goes on.
func (r *run) fork(s scenarios.Scenario, armed []faults.Fault, o tap.Operation) *run {
	header := r.history.Header
	header.Scenario = withPowerLosses(s, armed)
	fork := newRun(header.Scenario, r.history.Fork(header), r.seed, func(string) {})
	fork.spec = r.spec
	fork.spec.Observe = fork.observe
	fork.cluster = r.cluster // whose clock it is
	fork.record(history.Event{Kind: history.Fault, Fault: armed[len(armed)-1].String(), Operation: o.String(), Phase: string(o.Phase())})
	return fork
}

// withPowerLosses returns a scenario in which the power is lost: first during its steps,
// then, each time, while its jobs come back from the time before. A power loss of its own,
// and what follows that, is left out.
func withPowerLosses(s scenarios.Scenario, armed []faults.Fault) scenarios.Scenario {
	losesPower := func(step scenarios.Step) bool { return step.Arm != nil && step.Arm.Action == faults.PowerLoss }
	if len(s.Steps) > 0 && losesPower(s.Steps[0]) {
		recovers := slices.IndexFunc(s.Steps, func(step scenarios.Step) bool { return step.Recover != "" })
		s.Steps = slices.DeleteFunc(slices.Clone(s.Steps[:recovers]), losesPower)
	}
	steps := append([]scenarios.Step{{Arm: &armed[0]}}, s.Steps...)
	for i := range armed[1:] {
		steps = append(steps, scenarios.Step{Arm: &armed[i+1]})
	}
	for _, step := range s.Steps {
		if step.Submit != nil {
			steps = append(steps, scenarios.Step{Recover: step.Submit.Job})
		}
	}
	steps = append(steps, scenarios.Step{Record: "after all"})
	s.Steps = steps
	s.Requirements = []string{"DUR-02", "LIV-01"}
	s.Features = s.Needed()
	return s
}

// comeBack has a run come back from a power loss, and judges it.
func (c *crashing) comeBack(r *run, survivor Target, state uint64, point *Point, armed []faults.Fault) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(c.ctx, c.Timeout)
	defer cancel()
	r.cluster = nil
	err := errors.Join(c.steps(ctx, r, survivor, state, armed), r.close())
	if c.ctx.Err() != nil {
		return
	}
	result := newResult(c.Target, c.Seed, r.scenario)
	result.Tries = 1
	result.judge(&r.history.History, err)
	result.Took = time.Since(began)
	c.mu.Lock()
	defer c.mu.Unlock()
	if result.Verdict != oracle.Pass {
		point.Bad++
	}
	c.done(result, r.scenario)
}

func (c *crashing) steps(ctx context.Context, r *run, survivor Target, state uint64, armed []faults.Fault) (err error) {
	defer asError(&err)
	if err := r.comeUp(ctx, survivor, state); err != nil {
		return err
	}
	if c.AgainIn > 0 && len(armed) == 1 && c.random(armed, 0).IntN(c.AgainIn) == 0 {
		if err := c.watch(r, armed); err != nil {
			return err
		}
	}
	last := slices.IndexFunc(r.scenario.Steps, func(step scenarios.Step) bool { return step.Arm != nil && *step.Arm == armed[len(armed)-1] })
	if err := r.steps(ctx, r.comingBack(last)); err != nil {
		return err
	}
	return r.finish()
}
