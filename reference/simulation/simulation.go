// Package simulation runs engine code in one goroutine at a time, in virtual
// time, under one seeded scheduler: the same seed gives the same run, event by
// event.
//
// Each task is a coroutine. The scheduler holds a queue of events (a message
// arrives, a wait ends); running one resumes one coroutine until it blocks again.
// Chance decides how long messages and storage operations take and who goes first
// among those who could go at once. A killed process's coroutines are abandoned
// where they stand.
//
// What a killed process wrote, stays; what a power loss would leave of it, storage knows:
// see package filesystem. Faults of storage come with the storage that processes are
// given: see [World.Mount].
//
// Start with [World].
package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/storage/filesystem"
)

// How long things take, in virtual time: at least the first, less than the second.
var (
	remoteLatency  = [2]time.Duration{50 * time.Microsecond, 500 * time.Microsecond}
	localLatency   = [2]time.Duration{time.Microsecond, 20 * time.Microsecond}
	storageLatency = [2]time.Duration{20 * time.Microsecond, 300 * time.Microsecond}
	storeLatency   = [2]time.Duration{200 * time.Microsecond, 2 * time.Millisecond}
)

// World is a set of simulated processes, their network, their shared storage and
// their clock. It is not safe for concurrent use.
type World struct {
	now       time.Duration
	rand      *rand.Rand
	mount     func(process string, wait func(time.Duration)) filesystem.FileSystem
	log       func(time.Duration, environment.Address, environment.Record)
	queue     queue
	events    uint64 // ever scheduled
	tasks     map[environment.Address]*task
	processes map[string][]*task // in the order spawned

	running *task // whose coroutine runs now

	clocks  map[string]clock // of processes whose clock is not the world's
	network network

	watchers    map[string][]environment.Address // of a process, in the order in which they asked
	paused      map[string][]event               // what waits for a process that stands still
	store       *store                           // nil if there is none
	loseAnswers int                              // to writes to the store
}

// New returns a world without processes. The log receives what tasks log, at the
// moment they do.
func New(seed uint64, files filesystem.FileSystem, log func(time.Duration, environment.Address, environment.Record)) *World {
	return &World{
		rand:      rand.New(rand.NewPCG(seed, 0x5eed)),
		mount:     func(string, func(time.Duration)) filesystem.FileSystem { return files },
		log:       log,
		clocks:    map[string]clock{},
		network:   network{cut: map[string]bool{}, lag: map[string]time.Duration{}},
		tasks:     map[environment.Address]*task{},
		processes: map[string][]*task{},
		watchers:  map[string][]environment.Address{},
		paused:    map[string][]event{},
	}
}

// Successor returns a world without processes in which time, and the highly available
// store, go on where this one's are. It stays as it is, and may go on, too.
func (w *World) Successor(seed uint64, files filesystem.FileSystem, log func(time.Duration, environment.Address, environment.Record)) *World {
	next := New(seed, files, log)
	next.now = w.now
	if w.store != nil {
		next.store = w.store.clone()
	}
	return next
}

// Mount gives each process that is started from now on a storage of its own making; an
// operation may be made to wait. An operation of a process that is killed by what stands
// before its storage never returns.
func (w *World) Mount(mount func(process string, wait func(time.Duration)) filesystem.FileSystem) {
	w.mount = mount
}

// AddStore gives the world a highly available store. The answer to one write in so many
// is lost, by chance, whether or not that was done; 0: to none.
func (w *World) AddStore(loseOneIn int) { w.store = &store{loseOneIn: loseOneIn} }

// LoseAnswers has the answers to the next n writes to the store lost, whether or not
// those were done.
func (w *World) LoseAnswers(n int) { w.loseAnswers = n }

// Now is the virtual time since the world began.
func (w *World) Now() time.Duration { return w.now }

// Start starts a process whose first task has the process's name.
func (w *World) Start(process string, main func(environment.Environment)) {
	w.spawn(environment.Address{Process: process, Task: process}, main)
}

// StartTask starts a process whose first task has a name of its own.
func (w *World) StartTask(address environment.Address, main func(environment.Environment)) {
	w.spawn(address, main)
}

// Kill ends a process at once: its tasks run no further, messages to it are lost,
// and its unfinished storage operations never happen.
func (w *World) Kill(process string) {
	for _, t := range w.processes[process] {
		delete(w.tasks, t.address)
		if t == w.running { // by an operation of its own, which unwinds it
			t.killed = true
			continue
		}
		t.abandon()
	}
	delete(w.processes, process)
	delete(w.paused, process)
	delete(w.clocks, process)
	w.network.heal(w, process)
	w.unreachable(process)
}

// unreachable tells those who watched a process that it is gone.
func (w *World) unreachable(process string) {
	for _, watcher := range w.watchers[process] {
		w.send(environment.Address{Process: process}, watcher, environment.Unreachable{Process: process})
	}
	delete(w.watchers, process)
}

// Pause makes a process stand still, as SIGSTOP does: what happens to it waits.
func (w *World) Pause(process string) {
	if w.processes[process] != nil && w.paused[process] == nil {
		w.paused[process] = []event{}
	}
}

// Resume makes a process go on. It does not know that time has passed until it looks.
func (w *World) Resume(process string) {
	for _, e := range w.paused[process] {
		e.at = w.now
		w.queue.push(e)
	}
	delete(w.paused, process)
}

// Step runs the next event. It returns false if there is none: nothing will ever
// happen again.
func (w *World) Step() bool {
	if len(w.queue.heap) == 0 {
		return false
	}
	next := w.queue.pop()
	w.now = next.at
	if waiting, paused := w.paused[next.to.Process]; paused {
		w.paused[next.to.Process] = append(waiting, next)
		return true
	}
	receiver := w.tasks[next.to]
	if receiver == nil || (next.envelope == nil && receiver.wait != next.wait) {
		return true // killed, returned, or woken by something else before
	}
	if next.envelope != nil {
		receiver.inbox = append(receiver.inbox, *next.envelope)
		if !receiver.receiving {
			return true
		}
	}
	w.running = receiver
	receiver.resume()
	w.running = nil
	if receiver.returned && !receiver.killed {
		w.forget(receiver)
	}
	return true
}

func (w *World) spawn(address environment.Address, body func(environment.Environment)) {
	if w.tasks[address] != nil {
		panic(fmt.Sprintf("simulation: task %s is running already", address))
	}
	created := newTask(w, address, body)
	w.tasks[address] = created
	w.processes[address.Process] = append(w.processes[address.Process], created)
	w.schedule(event{at: w.now, to: address, wait: created.wait})
}

func (w *World) forget(t *task) {
	delete(w.tasks, t.address)
	tasks := w.processes[t.address.Process]
	tasks = slices.DeleteFunc(tasks, func(other *task) bool { return other == t })
	if len(tasks) == 0 {
		delete(w.processes, t.address.Process)
		return
	}
	w.processes[t.address.Process] = tasks
}

func (w *World) send(from, to environment.Address, message environment.Message) {
	latency := remoteLatency
	if from.Process == to.Process {
		latency = localLatency
	} else if w.network.holds(from, to, message) {
		return
	}
	// In order between two tasks, as on one connection.
	at := w.now + w.between(latency) + w.network.lagOf(from, to)
	if sender := w.tasks[from]; sender != nil {
		at = max(at, sender.arrivals[to])
		sender.arrivals[to] = at
	}
	w.schedule(event{at: at, to: to, envelope: &environment.Envelope{From: from, Message: message}})
}

func (w *World) schedule(e event) {
	w.events++
	e.order = w.events
	if e.envelope == nil {
		e.tie = w.rand.Uint32()
	}
	w.queue.push(e)
}

func (w *World) between(bounds [2]time.Duration) time.Duration {
	return bounds[0] + time.Duration(w.rand.Int64N(int64(bounds[1]-bounds[0])))
}

// event is a message that arrives at a task or, without an envelope, the end of
// one of its waits.
type event struct {
	at       time.Duration
	tie      uint32 // decides between waits that end together
	order    uint64
	to       environment.Address
	envelope *environment.Envelope
	wait     uint64
}

// queue is a heap of events. What is moved about in it is small; the events themselves
// stay where they are until they are taken.
type queue struct {
	heap   []place
	events []event
	free   []int32 // places in events that can be used again
}

type place struct {
	at    time.Duration
	order uint64
	tie   uint32
	event int32
}

func (a place) before(b place) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	if a.tie != b.tie {
		return a.tie < b.tie
	}
	return a.order < b.order
}

func (q *queue) push(e event) {
	at := int32(len(q.events))
	if n := len(q.free); n > 0 {
		at, q.free = q.free[n-1], q.free[:n-1]
		q.events[at] = e
	} else {
		q.events = append(q.events, e)
	}
	q.heap = append(q.heap, place{e.at, e.order, e.tie, at})
	for child := len(q.heap) - 1; child > 0; {
		parent := (child - 1) / 2
		if !q.heap[child].before(q.heap[parent]) {
			break
		}
		q.heap[child], q.heap[parent] = q.heap[parent], q.heap[child]
		child = parent
	}
}

func (q *queue) pop() event {
	first := q.heap[0]
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap = q.heap[:last]
	for parent := 0; ; {
		least := parent
		for child := 2*parent + 1; child <= 2*parent+2 && child < last; child++ {
			if q.heap[child].before(q.heap[least]) {
				least = child
			}
		}
		if least == parent {
			break
		}
		q.heap[least], q.heap[parent] = q.heap[parent], q.heap[least]
		parent = least
	}
	taken := q.events[first.event]
	q.events[first.event] = event{}
	q.free = append(q.free, first.event)
	return taken
}
