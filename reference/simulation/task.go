package simulation

import (
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/storage/filesystem"
)

// task is a coroutine. It implements [environment.Environment].
type task struct {
	world   *World
	address environment.Address
	rand    *rand.Rand
	files   filesystem.FileSystem

	inbox     []environment.Envelope
	arrivals  map[environment.Address]time.Duration // the time at which the last message to a receiver arrives; the key is the receiver
	receiving bool
	wait      uint64 // number of the current wait

	next     func() (struct{}, bool)
	stop     func()
	yield    func(struct{}) bool
	killed   bool
	returned bool
}

// errKilled is the value of the panic that unwinds the coroutine of a killed task.
var errKilled = errors.New("simulation: the process was killed")

func newTask(w *World, address environment.Address, body func(environment.Environment)) *task {
	t := &task{world: w, address: address, arrivals: map[environment.Address]time.Duration{}, rand: rand.New(rand.NewPCG(w.rand.Uint64(), w.rand.Uint64()))}
	t.files = w.mount(address.Process, t.block)
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer t.unwind()
		t.yield = yield
		body(t)
	})
	return t
}

func (t *task) resume() {
	_, blocked := t.next()
	t.returned = !blocked
}

func (t *task) abandon() {
	t.killed = true
	t.stop()
}

func (t *task) unwind() {
	if cause := recover(); cause != nil && cause != errKilled { //nolint:errorlint // it is this very value
		panic(cause)
	}
}

// block lets the scheduler run other tasks until the time d has passed on the clock of the task's
// process. If the task is receiving, a message also ends the wait.
func (t *task) block(d time.Duration) {
	t.refuseIfKilled()
	t.wait++
	if d != environment.Forever {
		t.world.schedule(event{at: t.world.now + t.world.clocks[t.address.Process].real(max(d, 0)), to: t.address, wait: t.wait})
	}
	if !t.yield(struct{}{}) {
		panic(errKilled)
	}
	t.wait++ // with a new number, later events for the old wait are ignored
}

// refuseIfKilled stops deferred engine code from acting after its process was killed.
func (t *task) refuseIfKilled() {
	if t.killed {
		panic(errKilled)
	}
}

func (t *task) Self() environment.Address { return t.address }
func (t *task) Now() time.Duration        { return t.world.clocks[t.address.Process].read(t.world.now) }
func (t *task) Rand() *rand.Rand          { return t.rand }
func (t *task) Sleep(d time.Duration)     { t.block(d) }

func (t *task) Send(to environment.Address, message environment.Message) {
	t.refuseIfKilled()
	t.world.send(t.address, to, message)
}

func (t *task) Receive(wait time.Duration) (environment.Envelope, bool) {
	t.refuseIfKilled()
	if len(t.inbox) == 0 && wait > 0 {
		t.receiving = true
		t.block(wait)
		t.receiving = false
	}
	if len(t.inbox) == 0 {
		return environment.Envelope{}, false
	}
	first := t.inbox[0]
	t.inbox = t.inbox[1:]
	return first, true
}

func (t *task) Spawn(name string, body func(environment.Environment)) environment.Address {
	t.refuseIfKilled()
	address := environment.Address{Process: t.address.Process, Task: name}
	t.world.spawn(address, body)
	return address
}

func (t *task) Watch(process string) {
	t.refuseIfKilled()
	w := t.world
	if !slices.Contains(w.watchers[process], t.address) {
		w.watchers[process] = append(w.watchers[process], t.address)
	}
	if w.processes[process] == nil {
		w.unreachable(process)
	}
}

func (t *task) Files() filesystem.FileSystem { return slowFiles{t} }

func (t *task) Store() environment.Store {
	if t.world.store == nil {
		return nil
	}
	return remoteStore{t}
}

func (t *task) Log(record environment.Record) {
	t.refuseIfKilled()
	t.world.log(t.world.now, t.address, record)
}
