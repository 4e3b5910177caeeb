// Package live runs engine code in real processes. Tasks are goroutines, messages travel over TCP,
// and tasks use the clock and the storage of the machine.
//
// It has no authentication. Listen on loopback, or on a network where everybody may stop your jobs.
//
// Start with [Listen].
package live

import (
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// Limits of the network.
const (
	dialTimeout  = time.Second
	writeTimeout = 5 * time.Second
	redialPause  = 50 * time.Millisecond
	linkMessages = 4096    // messages that may wait on one link; if there are more, the sender waits
	inboxMax     = 1 << 20 // messages that may wait in an inbox; the protocol's credit keeps the number far below this
)

func init() {
	for _, message := range protocol.Messages() {
		gob.Register(message)
	}
	for _, handle := range metadata.Handles() {
		gob.Register(handle)
	}
}

// Process stands for this operating system process in the network of all processes. Its address is
// the host:port at which it listens.
type Process struct {
	address  string
	listener net.Listener
	files    filesystem.FileSystem
	store    environment.Store // the highly available store; nil if there is none
	began    time.Time

	logging sync.Mutex
	log     *json.Encoder

	mu       sync.Mutex
	inboxes  map[string]*inbox
	links    map[string]chan packet
	accepted map[net.Conn]bool
	watchers map[string][]string // the tasks that watch a process; the key is the watched process
	closed   chan struct{}
}

// Listen starts to listen at host:port. Port 0 selects a free port. The tasks of the returned
// Process write their log to `log`, one JSON object a line.
func Listen(address string, files filesystem.FileSystem, log io.Writer) (*Process, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &Process{
		address:  listener.Addr().String(),
		listener: listener,
		files:    files,
		began:    time.Now(),
		log:      json.NewEncoder(log),
		inboxes:  map[string]*inbox{},
		links:    map[string]chan packet{},
		accepted: map[net.Conn]bool{},
		watchers: map[string][]string{},
		closed:   make(chan struct{}),
	}
	go p.accept()
	return p, nil
}

// UseStore gives the process's tasks a highly available store. Call it before any task runs.
func (p *Process) UseStore(store environment.Store) { p.store = store }

// Address returns the host:port at which the process listens.
func (p *Process) Address() string { return p.address }

// Close stops listening and closes all connections. It does not stop tasks: they end with the
// operating system process.
func (p *Process) Close() {
	close(p.closed)
	_ = p.listener.Close() // an error does not matter: the process does not listen any more
	p.mu.Lock()
	defer p.mu.Unlock()
	for connection := range p.accepted {
		_ = connection.Close()
	}
}

// Run runs a task in the calling goroutine.
func (p *Process) Run(name string, body func(environment.Environment)) {
	t := p.newTask(name)
	defer p.remove(name)
	body(t)
}

func (p *Process) newTask(name string) *task {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inboxes[name] != nil {
		panic(fmt.Sprintf("live: task %s is running already", name))
	}
	created := newInbox()
	p.inboxes[name] = created
	return &task{
		process: p, inbox: created, address: environment.Address{Process: p.address, Task: name},
		rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}
}

func (p *Process) remove(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.inboxes, name)
}

// deliver puts a message into the inbox of one of this process's tasks. If there is no such task,
// the message is lost.
func (p *Process) deliver(message packet) {
	p.mu.Lock()
	to := p.inboxes[message.To]
	p.mu.Unlock()
	if to != nil {
		to.put(environment.Envelope{From: message.From, Message: message.Message})
	}
}

func (p *Process) write(record environment.Record) {
	p.logging.Lock()
	defer p.logging.Unlock()
	_ = p.log.Encode(record) // a log that cannot be written must not stop the engine
}
