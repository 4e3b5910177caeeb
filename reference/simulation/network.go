package simulation

import (
	"maps"
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
)

// StorageLink names the connections to storage, of all processes.
const StorageLink = "storage"

// cutRetry is how soon a process that cannot reach storage tries again.
const cutRetry = time.Millisecond

// network is what stands between processes, and between them and their storage.
type network struct {
	cut  map[string]bool // nothing gets from or to these
	lag  map[string]time.Duration
	held []heldMessage // what was sent meanwhile, in order
}

type heldMessage struct {
	from, to environment.Address
	message  environment.Message
}

// holds keeps back what cannot get through. Within a process everything does.
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

// heal takes away what was done to a process's connections.
func (n *network) heal(w *World, process string) {
	delete(n.cut, process)
	delete(n.lag, process)
	n.release(w)
}

// release sends on what was held; what still cannot get through is held again.
func (n *network) release(w *World) {
	held := n.held
	n.held = nil
	for _, h := range held {
		w.send(h.from, h.to, h.message)
	}
}

// Cut lets no message through from or to a process, nor to and from the highly available
// store, or nothing to storage. Nobody is told. What is sent meanwhile arrives when the
// connections are healed, as with TCP.
func (w *World) Cut(process string) { w.network.cut[process] = true }

// Lag delays what is sent from or to a process.
func (w *World) Lag(process string, by time.Duration) { w.network.lag[process] = by }

// Heal lets everything through again, from and to everybody.
func (w *World) Heal() {
	clear(w.network.cut)
	clear(w.network.lag)
	w.network.release(w)
}

// Break resets the connections of a process: what is under way is lost, and each side is
// told, if it watches.
func (w *World) Break(process string) {
	lost := func(from, to string) bool { return from != to && (from == process || to == process) }
	for _, at := range w.queue.heap {
		e := &w.queue.events[at.event]
		if e.envelope != nil && lost(e.envelope.From.Process, e.to.Process) {
			e.to, e.envelope = environment.Address{}, nil // nobody's
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
