package simulation

import (
	"maps"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
)

// StorageLink takes the place of a process name in calls of Cut, Lag and Break. It stands for the
// connections of all processes to storage.
const StorageLink = "storage"

// cutRetry is the time after which a process that cannot reach storage tries again.
const cutRetry = time.Millisecond

// network is the state of the connections between processes, and to storage.
type network struct {
	cut    map[string]bool // the processes from and to which no message passes
	lag    map[string]time.Duration
	resets int           // how often the connections to storage were reset
	held   []heldMessage // the messages that were sent while their connection was cut, in the order in which they were sent
}

type heldMessage struct {
	from, to environment.Address
	message  environment.Message
}

// holds keeps a message back if its connection is cut, and returns whether it did so. Messages
// within a process always pass.
func (n *network) holds(from, to environment.Address, message environment.Message) bool {
	if from.Process == to.Process || (!n.cut[from.Process] && !n.cut[to.Process]) {
		return false
	}
	n.held = append(n.held, heldMessage{from, to, message})
	return true
}

func (n *network) lagOf(from, to environment.Address) time.Duration {
	if from.Process == to.Process {
		return 0
	}
	return n.lag[from.Process] + n.lag[to.Process]
}

// heal ends the cut and the lag of a process's connections.
func (n *network) heal(w *World, process string) {
	delete(n.cut, process)
	delete(n.lag, process)
	n.release(w)
}

// release sends the held messages. If a connection is still cut, its messages are held again.
func (n *network) release(w *World) {
	held := n.held
	n.held = nil
	for _, h := range held {
		w.send(h.from, h.to, h.message)
	}
}

// Cut cuts the connections of a process to other processes and to the highly available store. With
// StorageLink it cuts all connections to storage. No process learns of the cut. Messages that are
// sent meanwhile arrive after Heal, as with TCP.
func (w *World) Cut(process string) { w.network.cut[process] = true }

// Lag delays all messages from and to a process. With StorageLink it delays each operation on
// storage.
func (w *World) Lag(process string, by time.Duration) { w.network.lag[process] = by }

// Heal ends all cuts and lags.
func (w *World) Heal() {
	clear(w.network.cut)
	clear(w.network.lag)
	w.network.release(w)
}

// Break resets the connections of a process. Messages that are under way are lost. A task of
// another process that watches this process is told of the reset. So is a task of this process that
// watches another process. With StorageLink the operations on storage that are under way fail.
func (w *World) Break(process string) {
	if process == StorageLink {
		w.network.resets++
		return
	}
	lost := func(from, to string) bool { return from != to && (from == process || to == process) }
	for _, at := range w.queue.heap {
		e := &w.queue.events[at.event]
		if e.envelope != nil && lost(e.envelope.From.Process, e.to.Process) {
			e.to, e.envelope = environment.Address{}, nil // no task receives the message
		}
	}
	w.network.held = slices.DeleteFunc(w.network.held, func(h heldMessage) bool { return lost(h.from.Process, h.to.Process) })
	w.unreachable(process)
	for _, other := range slices.Sorted(maps.Keys(w.watchers)) {
		w.watchers[other] = slices.DeleteFunc(w.watchers[other], func(watcher environment.Address) bool {
			if watcher.Process != process || other == process {
				return false
			}
			w.schedule(event{at: w.now, to: watcher, envelope: &environment.Envelope{
				From: environment.Address{Process: other}, Message: environment.Unreachable{Process: other},
			}})
			return true
		})
	}
}
