// Package live runs engine code in real processes: tasks are goroutines, messages
// cross TCP, time is the clock's and storage the machine's.
//
// It authenticates nobody. Listen on loopback, or on a network where everybody may
// stop your jobs.
//
// Start with [Listen].
package live

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/proxy"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// Bounds of the network.
const (
	dialTimeout  = time.Second
	writeTimeout = 5 * time.Second
	redialPause  = 50 * time.Millisecond
	linkMessages = 4096    // waiting on one link; a sender waits when there are more
	inboxMax     = 1 << 20 // messages; the protocol's credit keeps it far below
)

func init() {
	for _, message := range protocol.Messages() {
		gob.Register(message)
	}
	for _, handle := range metadata.Handles() {
		gob.Register(handle)
	}
}

// Process is this operating system process as other processes see it. Its address
// is the host:port it listens on.
type Process struct {
	address  string
	listener net.Listener
	files    filesystem.FileSystem
	store    environment.Store // nil if there is none
	began    time.Time

	logging sync.Mutex
	log     *json.Encoder

	mu       sync.Mutex
	inboxes  map[string]*inbox
	links    map[string]chan packet
	accepted map[net.Conn]bool
	watchers map[string][]string // tasks that watch a process
	closed   chan struct{}
}

// packet is what crosses a connection.
type packet struct {
	From    environment.Address
	To      string
	Message environment.Message
}

// Listen starts to listen at host:port; port 0 takes a free one. What tasks log
// goes to log, one JSON object a line.
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

// UseStore gives the process's tasks a highly available store. It comes before any task
// is run.
func (p *Process) UseStore(store environment.Store) { p.store = store }

// Address is the host:port at which the process listens.
func (p *Process) Address() string { return p.address }

// Close stops listening and drops all connections. Tasks are not stopped: a real
// process ends them with itself.
func (p *Process) Close() {
	close(p.closed)
	_ = p.listener.Close() // nobody is left to be told
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

// deliver puts a message into the inbox of one of this process's tasks; without
// such a task the message is lost.
func (p *Process) deliver(message packet) {
	p.mu.Lock()
	to := p.inboxes[message.To]
	p.mu.Unlock()
	if to != nil {
		to.put(environment.Envelope{From: message.From, Message: message.Message})
	}
}

func (p *Process) send(from, to environment.Address, message environment.Message) {
	sent := packet{From: from, To: to.Task, Message: message}
	if to.Process == p.address {
		p.deliver(sent)
		return
	}
	p.mu.Lock()
	link := p.links[to.Process]
	if link == nil {
		link = make(chan packet, linkMessages)
		p.links[to.Process] = link
		go p.forward(to.Process, link)
	}
	p.mu.Unlock()
	select {
	case link <- sent:
	case <-p.closed:
	}
}

// forward writes the messages of one link to a connection. What a broken connection
// held is lost, and so is what comes before the next one is made.
func (p *Process) forward(address string, link <-chan packet) {
	var to *dialed
	var refusedAt time.Time
	for {
		var next packet
		select {
		case next = <-link:
		case <-p.closed:
			if to != nil {
				_ = to.connection.Close()
			}
			return
		}
		if to != nil && to.broken() {
			to = nil
		}
		if to == nil && time.Since(refusedAt) >= redialPause {
			if to = p.dial(address); to == nil {
				refusedAt = time.Now()
			}
		}
		if to == nil {
			p.unreachable(address)
			continue
		}
		_ = to.connection.SetWriteDeadline(time.Now().Add(writeTimeout)) // a failure shows at the write
		if err := to.encoder.Encode(next); err != nil {
			_ = to.connection.Close()
			to = nil
		}
	}
}

// dialed is a connection that messages are written to.
type dialed struct {
	connection net.Conn
	encoder    *gob.Encoder
	gone       chan struct{} // closed when the peer is
}

func (d *dialed) broken() bool {
	select {
	case <-d.gone:
		return true
	default:
		return false
	}
}

// dial makes a connection, through the proxy that the environment (ALL_PROXY) names; nil
// if it is refused. Nothing is ever read from it but that the peer is gone.
func (p *Process) dial(address string) *dialed {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	connection, err := proxy.Dial(ctx, "tcp", address)
	if err != nil {
		return nil
	}
	made := &dialed{connection: connection, encoder: gob.NewEncoder(connection), gone: make(chan struct{})}
	go func() {
		_, _ = io.Copy(io.Discard, connection) // whatever ends it
		_ = connection.Close()
		close(made.gone)
		p.unreachable(address)
	}()
	return made
}

// unreachable tells the tasks that watch a process that the connection to it broke.
func (p *Process) unreachable(process string) {
	p.mu.Lock()
	watchers := p.watchers[process]
	delete(p.watchers, process)
	p.mu.Unlock()
	for _, watcher := range watchers {
		p.deliver(packet{From: environment.Address{Process: process}, To: watcher, Message: environment.Unreachable{Process: process}})
	}
}

func (p *Process) watch(task, process string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.watchers[process], task) {
		p.watchers[process] = append(p.watchers[process], task)
	}
}

func (p *Process) accept() {
	for {
		connection, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // this connection's trouble, not ours
		}
		go p.read(connection)
	}
}

// read delivers what one peer sends until it stops or sends nonsense.
func (p *Process) read(connection net.Conn) {
	p.mu.Lock()
	p.accepted[connection] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.accepted, connection)
		p.mu.Unlock()
		_ = connection.Close() // only read from
	}()
	decoder := gob.NewDecoder(connection)
	var peer string
	defer func() { p.unreachable(peer) }()
	for {
		var received packet
		if err := decoder.Decode(&received); err != nil {
			return
		}
		peer = received.From.Process
		p.deliver(received)
	}
}

func (p *Process) write(record environment.Record) {
	p.logging.Lock()
	defer p.logging.Unlock()
	_ = p.log.Encode(record) // a log that cannot be written must not stop the engine
}
