package live

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/storage/filesystem"
)

// task is an [environment.Environment]. Its code runs in one goroutine of this process.
type task struct {
	process *Process
	address environment.Address
	inbox   *inbox
	rand    *rand.Rand
}

func (t *task) Self() environment.Address     { return t.address }
func (t *task) Now() time.Duration            { return time.Since(t.process.began) }
func (t *task) Sleep(d time.Duration)         { time.Sleep(d) }
func (t *task) Files() filesystem.FileSystem  { return t.process.files }
func (t *task) Store() environment.Store      { return t.process.store }
func (t *task) Watch(process string)          { t.process.watch(t.address.Task, process) }
func (t *task) Rand() *rand.Rand              { return t.rand }
func (t *task) Log(record environment.Record) { t.process.write(record) }

func (t *task) Send(to environment.Address, message environment.Message) {
	t.process.send(t.address, to, message)
}

func (t *task) Receive(wait time.Duration) (environment.Envelope, bool) { return t.inbox.take(wait) }

func (t *task) Spawn(name string, body func(environment.Environment)) environment.Address {
	spawned := t.process.newTask(name)
	go func() {
		defer t.process.remove(name)
		body(spawned)
	}()
	return spawned.address
}

// inbox is a queue with one reader.
type inbox struct {
	mu       sync.Mutex
	messages []environment.Envelope
	arrived  chan struct{} // holds a token if a message may have arrived
}

func newInbox() *inbox { return &inbox{arrived: make(chan struct{}, 1)} }

func (i *inbox) put(message environment.Envelope) {
	i.mu.Lock()
	i.messages = append(i.messages, message)
	waiting := len(i.messages)
	i.mu.Unlock()
	if waiting > inboxMax {
		panic(fmt.Sprintf("live: %d messages wait in one inbox: the protocol has no bound", waiting))
	}
	select {
	case i.arrived <- struct{}{}:
	default: // there is a token already
	}
}

func (i *inbox) take(wait time.Duration) (environment.Envelope, bool) {
	if message, ok := i.poll(); ok || wait <= 0 {
		return message, ok
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-i.arrived:
			if message, ok := i.poll(); ok {
				return message, true
			}
		case <-timer.C:
			return i.poll()
		}
	}
}

func (i *inbox) poll() (environment.Envelope, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.messages) == 0 {
		return environment.Envelope{}, false
	}
	first := i.messages[0]
	i.messages = i.messages[1:]
	return first, true
}
