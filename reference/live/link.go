package live

import (
	"context"
	"encoding/gob"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"golang.org/x/net/proxy"

	"github.com/snapback/snapback/reference/environment"
)

// packet is a message on a connection.
type packet struct {
	From    environment.Address
	To      string
	Message environment.Message
}

// dialed is a connection on which this process sends messages to another process. Nothing is
// received on it.
type dialed struct {
	connection net.Conn
	encoder    *gob.Encoder
	gone       chan struct{} // closed when the peer is gone
}

func (d *dialed) broken() bool {
	select {
	case <-d.gone:
		return true
	default:
		return false
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

// forward sends the messages of one link, which is the queue of all messages to one process. If the
// connection breaks, the messages on it are lost, and so are all messages until there is a new
// connection.
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
		_ = to.connection.SetWriteDeadline(time.Now().Add(writeTimeout)) // if this fails, the write fails too
		if err := to.encoder.Encode(next); err != nil {
			_ = to.connection.Close()
			to = nil
		}
	}
}

// dial connects to the process at an address. If the environment variable ALL_PROXY names a proxy,
// the connection passes through this proxy. The result is nil if the connection is refused. The
// peer never writes to the connection, so a read ends only when the peer is gone.
func (p *Process) dial(address string) *dialed {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	connection, err := proxy.Dial(ctx, "tcp", address)
	if err != nil {
		return nil
	}
	made := &dialed{connection: connection, encoder: gob.NewEncoder(connection), gone: make(chan struct{})}
	go func() {
		_, _ = io.Copy(io.Discard, connection) // the reason why the copy ends does not matter
		_ = connection.Close()
		close(made.gone)
		p.unreachable(address)
	}()
	return made
}

func (p *Process) accept() {
	for {
		connection, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // only this connection failed
		}
		go p.read(connection)
	}
}

// read delivers the messages of one peer until the peer stops or sends invalid data.
func (p *Process) read(connection net.Conn) {
	p.mu.Lock()
	p.accepted[connection] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.accepted, connection)
		p.mu.Unlock()
		_ = connection.Close() // an error does not matter, because the connection was only read
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

func (p *Process) watch(task, process string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.watchers[process], task) {
		p.watchers[process] = append(p.watchers[process], task)
	}
}

// unreachable tells all watchers of a process that the connection to the process is broken.
func (p *Process) unreachable(process string) {
	p.mu.Lock()
	watchers := p.watchers[process]
	delete(p.watchers, process)
	p.mu.Unlock()
	for _, watcher := range watchers {
		p.deliver(packet{From: environment.Address{Process: process}, To: watcher, Message: environment.Unreachable{Process: process}})
	}
}
