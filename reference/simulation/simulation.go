// Package simulation runs engine code one task at a time, in virtual time, under one seeded
// scheduler. The same seed gives the same run, event by event.
//
// Each task is a coroutine. The scheduler holds a queue of events. There are two kinds: a message
// arrives, or a wait ends. An event resumes one coroutine until it blocks again. The seed decides
// how long messages and storage operations take, and the order of waits that end at the same time.
// When a process is killed, its coroutines never run again.
//
// The writes of a killed process stay on storage. Package filesystem models what a power loss
// leaves of these writes. This package has no faults of storage. To add such faults, use
// [World.Mount]: give the processes a storage that has faults.
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

// Bounds on latencies, in virtual time. A latency is at least the first bound, and less than the
// second bound.
var (
	remoteLatency  = [2]time.Duration{50 * time.Microsecond, 500 * time.Microsecond}
	localLatency   = [2]time.Duration{time.Microsecond, 20 * time.Microsecond}
	storageLatency = [2]time.Duration{20 * time.Microsecond, 300 * time.Microsecond}
	storeLatency   = [2]time.Duration{200 * time.Microsecond, 2 * time.Millisecond}
)

// World is a set of simulated processes with their network, their shared storage and their clocks.
// It is not safe for concurrent use.
type World struct {
	now       time.Duration
	rand      *rand.Rand
	mount     func(process string, wait func(time.Duration)) filesystem.FileSystem
	log       func(time.Duration, environment.Address, environment.Record)
	queue     queue
	events    uint64 // number of events scheduled so far
	tasks     map[environment.Address]*task
	processes map[string][]*task // the tasks of each process, in the order in which they were spawned

	running *task // the task that runs now

	clocks  map[string]clock // the clocks of the processes whose clock is wrong
	network network

	watchers    map[string][]environment.Address // the tasks that watch a process, in the order in which they began to; the key is the watched process
	paused      map[string][]event               // the events that wait for a paused process; the key is the process
	store       *store                           // the highly available store; nil if there is none
	loseAnswers int                              // how many more answers to writes to the store are lost
}

// New returns a world without processes. The world calls the function `log` for each record that a
// task logs.
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

// Successor returns a world without processes. Its time and its highly available store continue
// from the current state of this world. This world does not change and may continue too.
func (w *World) Successor(seed uint64, files filesystem.FileSystem, log func(time.Duration, environment.Address, environment.Record)) *World {
	next := New(seed, files, log)
	next.now = w.now
	if w.store != nil {
		next.store = w.store.clone()
	}
	return next
}

// Mount sets a function that makes the storage of a task. World calls it for each task that starts
// later, with the name of its process. The storage may call wait to delay an operation. If an
// operation of the storage kills its own process, the operation never returns.
func (w *World) Mount(mount func(process string, wait func(time.Duration)) filesystem.FileSystem) {
	w.mount = mount
}

// AddStore adds a highly available store. The parameter loseOneIn is a number N: on average, the
// answer to one of N writes is lost. The write itself may be done or not. If loseOneIn is 0, no
// answer is lost.
func (w *World) AddStore(loseOneIn int) { w.store = &store{loseOneIn: loseOneIn} }

// LoseAnswers loses the answers to the next n writes to the store. The writes themselves may be
// done or not.
func (w *World) LoseAnswers(n int) { w.loseAnswers = n }

// Now returns the virtual time since the world began.
func (w *World) Now() time.Duration { return w.now }

// Start starts a process. Its first task has the name of the process.
func (w *World) Start(process string, main func(environment.Environment)) {
	w.spawn(environment.Address{Process: process, Task: process}, main)
}

// StartTask starts a process. The address names its first task.
func (w *World) StartTask(address environment.Address, main func(environment.Environment)) {
	w.spawn(address, main)
}

// Kill ends a process at once. Its tasks never run again, messages to it are lost, and its
// unfinished storage operations never happen.
func (w *World) Kill(process string) {
	for _, t := range w.processes[process] {
		delete(w.tasks, t.address)
		if t == w.running { // one of the task's own operations kills the process; when it returns, the task unwinds
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

// unreachable tells all watchers of a process that the process is gone.
func (w *World) unreachable(process string) {
	for _, watcher := range w.watchers[process] {
		w.send(environment.Address{Process: process}, watcher, environment.Unreachable{Process: process})
	}
	delete(w.watchers, process)
}

// Pause makes a process stand still, as SIGSTOP does. Its events wait.
func (w *World) Pause(process string) {
	if w.processes[process] != nil && w.paused[process] == nil {
		w.paused[process] = []event{}
	}
}

// Resume lets a paused process continue. The process notices the lost time only when it reads its
// clock.
func (w *World) Resume(process string) {
	for _, e := range w.paused[process] {
		e.at = w.now
		w.queue.push(e)
	}
	delete(w.paused, process)
}

// Step runs the next event. It returns false if there is none. Then nothing ever happens again.
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
		return true // the receiver was killed, has returned, or does not wait for this event any more
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
	// Messages between two tasks arrive in order, as on one connection.
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
