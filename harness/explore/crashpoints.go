package explore

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
	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

// CrashPoints visits the crash points of a scenario, and at each crash point the states in which a
// power loss may leave storage. It skips a state that it has visited before in the same situation.
// From each other state it brings the jobs back, runs them to their end, and judges them.
//
// A crash point lies after each operation that changes storage. If a crash point has more than
// StatesMax states, CrashPoints visits only StatesMax states, chosen at random.
type CrashPoints struct {
	Target    target.Target // the target's clusters must implement [target.Tapped] and [target.Durable]
	Seed      uint64
	Model     filesystem.Model
	StatesMax int
	Every     int           // 0: visit all crash points; N: visit each crash point with probability 1/N
	AgainIn   int           // 0: the power is lost once; N: with probability 1/N, a recovery loses the power again at each of its crash points, each time with one random state
	Timeout   time.Duration // the longest time of one recovery, in wall-clock time
	Parallel  int           // number of recoveries that run at the same time
}

// CrashPoint says what CrashPoints found at one crash point.
type CrashPoint struct {
	Number    int
	Operation string
	Phase     faults.Phase
	States    float64 // number of states that a power loss may leave; an estimate if CrashPoints did not visit all
	Visited   int
	Distinct  int // number of visited states that no earlier crash point had
	All       bool
	Bad       int // number of distinct states from which the recovery did not pass
}

// seenMax is the greatest number of states that CrashPoints remembers. States beyond this number
// may be judged twice.
const seenMax = 8 << 20

// estimates is the number of random states from which CrashPoints estimates the number of all
// states of a crash point, because there may be too many to visit each.
const estimates = 32

// visit is one call of [CrashPoints.Run], in progress.
type visit struct {
	CrashPoints
	ctx      context.Context
	scenario scenarios.Scenario
	group    errgroup.Group
	points   []*CrashPoint
	done     func(run.Result, scenarios.Scenario)

	mu   sync.Mutex
	seen map[uint64]bool
}

// Run visits the crash points, in order. It calls done with each result, and with the scenario that
// gives this result again. Two calls of done never overlap. If the context ends early, Run returns
// only the crash points that it has visited until then.
func (c CrashPoints) Run(ctx context.Context, s scenarios.Scenario, done func(run.Result, scenarios.Scenario)) ([]*CrashPoint, error) {
	session, err := run.Setup{Target: c.Target, Seed: c.Seed, Try: 1, History: io.Discard, Progress: func(string) {}}.Begin(ctx, s)
	if err != nil {
		return nil, err
	}
	v := &visit{CrashPoints: c, ctx: ctx, scenario: session.Scenario(), done: done, seen: map[uint64]bool{}}
	v.group.SetLimit(max(1, c.Parallel))
	if err := v.watch(session, nil); err != nil {
		return nil, errors.Join(err, session.Close())
	}
	err = session.TakeAll(ctx, 0)
	err = errors.Join(err, v.group.Wait(), session.Failed(), session.Close())
	if ctx.Err() != nil {
		err = nil // the visits before the end of the context remain valid
	}
	return v.points, err
}

// watch visits each crash point of a session at the moment when the session reaches it. The given
// power losses have already happened in this session.
func (v *visit) watch(session *run.Session, earlier []faults.Fault) error {
	tapped, seen := session.Cluster().(target.Tapped)
	durable, known := session.Cluster().(target.Durable)
	if !seen || !known {
		return harness.Usagef("nobody knows what a power loss would leave of target %s", v.Target.Describe())
	}
	tapped.Tap().Watch = func(o tap.Operation) {
		if v.ctx.Err() == nil {
			v.visit(session, durable, o, earlier)
		}
	}
	return nil
}

// visit visits the states of a crash point.
func (v *visit) visit(session *run.Session, durable target.Durable, o tap.Operation, earlier []faults.Fault) {
	if len(earlier) == 0 && v.Every > 1 && v.random(nil, -o.Number).IntN(v.Every) > 0 {
		return
	}
	point, most := &CrashPoint{Number: o.Number, Operation: o.String(), Phase: o.Phase}, v.StatesMax
	if len(earlier) == 0 {
		v.points = append(v.points, point)
	} else {
		most = 1
	}
	var states []crashState
	durable.Disk(func(disk *filesystem.Memory) { states = v.states(disk, most, point, v.random(earlier, o.Number)) })
	knowing := knowledge(session.History(), earlier)
	for _, state := range states {
		point.Visited++
		if !v.isNew(state.left, knowing) {
			continue
		}
		point.Distinct++
		losses := append(slices.Clone(earlier), v.powerLoss(state.number, o.Number))
		fork := session.Fork(withPowerLosses(v.scenario, losses), history.Event{
			Kind: history.Fault, Fault: losses[len(losses)-1].String(), Operation: o.String(), Phase: string(o.Phase),
		})
		recovery := recovery{session: fork, survivor: durable.AfterPowerLoss(state.left), state: state.number, losses: losses, point: point}
		if len(earlier) > 0 {
			v.recover(recovery) // runs in the goroutine of the recovery that this power loss interrupts
		} else {
			v.group.Go(func() error {
				v.recover(recovery)
				return nil
			})
		}
	}
}

// powerLoss returns a fault. The fault loses the power after the operation with the given number,
// and leaves the given state.
func (v *visit) powerLoss(state uint64, operation int) faults.Fault {
	return faults.Fault{
		Action: faults.PowerLoss{Level: v.Model.Level, State: state},
		Moment: faults.Moment{When: faults.After, Operation: faults.Operation{Kind: faults.Change, Nth: operation}},
	}
}

// crashState is one state that a power loss may leave.
type crashState struct {
	number uint64
	left   *filesystem.Memory
}

// random returns the source of random numbers for one crash point. The parameter number is the
// number of the crash point, and earlier lists the power losses that happened before it. The random
// numbers do not depend on the visits of other crash points.
func (v *visit) random(earlier []faults.Fault, number int) *rand.Rand {
	return rand.New(rand.NewPCG(v.Seed, place(earlier)*31+uint64(number)))
}

// place returns a hash of a list of power losses. Two different lists hardly ever have the same
// hash.
func place(earlier []faults.Fault) (sum uint64) {
	for _, fault := range earlier {
		sum = (sum*31+uint64(fault.Moment.Operation.Nth))*31 + fault.Action.(faults.PowerLoss).State
	}
	return sum
}

// states returns the states to visit at a crash point: all its states, or a random choice if it has
// more states than the given limit.
func (v *visit) states(disk *filesystem.Memory, most int, point *CrashPoint, random *rand.Rand) []crashState {
	var states []crashState
	disk.EveryCrash(v.Model, func(number uint64, left *filesystem.Memory) bool {
		states = append(states, crashState{number, left})
		return len(states) <= most
	})
	point.States, point.All = float64(len(states)), len(states) <= most
	if point.All {
		return states
	}
	point.States = disk.States(v.Model, estimates, random.IntN)
	states = states[:most]
	for i := range states {
		number := random.Uint64() >> 1
		states[i] = crashState{number, disk.Crash(v.Model, filesystem.State(number))}
	}
	return states
}

// knowledge returns a number for what a session has seen. It is a hash of the power losses and of
// the numbers of the events. It leaves out the events that a checkpoint began or was aborted.
func knowledge(h *history.History, earlier []faults.Fault) (sum uint64) {
	sum = place(earlier)
	for _, e := range h.Events {
		if e.Kind != history.Triggered && e.Kind != history.Aborted {
			sum = sum*31 + uint64(e.Number)
		}
	}
	return sum
}

// isNew says whether this state is visited for the first time with this knowledge. The parameter
// knowing is the result of knowledge().
func (v *visit) isNew(left *filesystem.Memory, knowing uint64) bool {
	digest := left.Digest()
	key := binary.LittleEndian.Uint64(digest[:]) + 31*knowing
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seen[key] {
		return false
	}
	if len(v.seen) < seenMax {
		v.seen[key] = true
	}
	return true
}

// withPowerLosses adds power losses to a scenario. The first power loss happens during the
// scenario's steps. Each further power loss happens while the jobs come back from the power loss
// before it. If the scenario itself begins with a power loss, this power loss and the steps from
// its first recovery on are left out.
func withPowerLosses(s scenarios.Scenario, losses []faults.Fault) scenarios.Scenario {
	if len(s.Steps) > 0 && s.Steps[0].LosesPower() {
		recovers := slices.IndexFunc(s.Steps, func(step scenarios.Step) bool { return step.Recover != "" })
		s.Steps = slices.DeleteFunc(slices.Clone(s.Steps[:recovers]), scenarios.Step.LosesPower)
	}
	steps := append([]scenarios.Step{{Arm: &losses[0]}}, s.Steps...)
	for i := range losses[1:] {
		steps = append(steps, scenarios.Step{Arm: &losses[i+1]})
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

// recovery brings the jobs back after a power loss.
type recovery struct {
	session  *run.Session
	survivor target.Target
	state    uint64
	losses   []faults.Fault // the jobs recover from the last power loss in this list
	point    *CrashPoint
}

// recover brings the jobs of a session back, and judges them.
func (v *visit) recover(r recovery) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(v.ctx, v.Timeout)
	defer cancel()
	err := errors.Join(v.finish(ctx, r), r.session.Close())
	if v.ctx.Err() != nil {
		return
	}
	result := run.NewResult(v.Target, v.Seed, r.session.Scenario())
	result.Tries = 1
	result.Judge(r.session.History(), err)
	result.Took = time.Since(began)
	v.mu.Lock()
	defer v.mu.Unlock()
	if result.Verdict != oracle.Pass {
		r.point.Bad++
	}
	v.done(result, r.session.Scenario())
}

// finish starts the next cluster, and takes the remaining steps of the scenario.
func (v *visit) finish(ctx context.Context, r recovery) (err error) {
	defer run.Recover(&err)
	if err := r.session.StartAgain(ctx, r.survivor, r.state); err != nil {
		return err
	}
	if v.AgainIn > 0 && len(r.losses) == 1 && v.random(r.losses, 0).IntN(v.AgainIn) == 0 {
		if err := v.watch(r.session, r.losses); err != nil {
			return err
		}
	}
	last := r.losses[len(r.losses)-1]
	armed := slices.IndexFunc(r.session.Scenario().Steps, func(step scenarios.Step) bool { return step.Arm != nil && *step.Arm == last })
	if err := r.session.TakeAll(ctx, r.session.RecoveryFrom(armed)); err != nil {
		return err
	}
	return r.session.Collect()
}
