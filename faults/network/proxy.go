package network

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Bounds for each direction of a connection.
const (
	chunkMax  = 32 << 10 // bytes that are read at once
	chunksMax = 1024     // that wait, while the connection is slow

	partMilliseconds = 100 // of a limited connection: how long one write stands for
)

// proxy passes connections on to another address, in a condition that may change at any
// time. (Toxiproxy's own proxy comes with an HTTP server and Prometheus, which every process
// of the reference would initialize at its start.)
type proxy struct {
	listener net.Listener
	to       string

	mu      sync.Mutex
	now     condition
	changed chan struct{} // closed when now changes
	open    map[net.Conn]bool
}

// startProxy starts a proxy before an address.
func startProxy(to string) (*proxy, error) {
	listener, err := net.Listen("tcp", loopback)
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: listener, to: to, changed: make(chan struct{}), open: map[net.Conn]bool{}}
	go p.accept()
	return p, nil
}

// address is where the proxy listens.
func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go p.connect(client)
		}
	}
}

// connect passes one connection on until both of its ends have closed it.
func (p *proxy) connect(client net.Conn) {
	defer p.forget(client)
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer p.forget(server)
	p.mu.Lock()
	p.open[client], p.open[server] = true, true
	p.mu.Unlock()
	var directions sync.WaitGroup
	directions.Go(func() { p.pass(client, server) })
	directions.Go(func() { p.pass(server, client) })
	directions.Wait()
}

func (p *proxy) forget(connection net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, connection)
	_ = connection.Close() // its ends have closed it, or it is broken
}

// chunk is bytes on their way.
type chunk struct {
	data []byte
	read time.Time
}

// pass passes on what comes from one side, until that side has no more or the other side
// takes no more.
func (p *proxy) pass(from, to net.Conn) {
	chunks := make(chan chunk, chunksMax)
	go func() {
		defer close(chunks)
		for {
			data := make([]byte, chunkMax)
			n, err := from.Read(data)
			if n > 0 {
				chunks <- chunk{data[:n], time.Now()}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range chunks {
		if err := p.send(c, to); err != nil {
			_ = from.Close() // ends the reader, too
		}
	}
	p.untilHealed() // nobody is told that a connection ended that is cut
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite() // the other direction may go on
	}
}

// send writes a chunk when its time has come. What is sent while the connection is cut is
// lost.
func (p *proxy) send(c chunk, to net.Conn) error {
	for len(c.data) > 0 {
		now, changed := p.condition()
		if now.cut {
			return nil
		}
		part, wait := c.data, max(0, time.Until(c.read.Add(now.lag)))
		if now.limit > 0 {
			part = part[:min(int64(len(part)), now.limit*partMilliseconds)]
			wait += time.Duration(len(part)) * time.Millisecond / time.Duration(now.limit)
		}
		if wait > 0 {
			select {
			case <-time.After(wait):
			case <-changed:
				continue
			}
		}
		if _, err := to.Write(part); err != nil {
			return err
		}
		c.data = c.data[len(part):]
	}
	return nil
}

// condition returns the condition, and a channel that is closed when it changes.
func (p *proxy) condition() (condition, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now, p.changed
}

func (p *proxy) untilHealed() {
	for now, changed := p.condition(); now.cut; now, changed = p.condition() {
		<-changed
	}
}

// set changes the condition. Connections that were cut are broken once they are healed: some
// of what was sent on them is lost.
func (p *proxy) set(c condition) {
	p.mu.Lock()
	healed := p.now.cut && !c.cut
	p.now = c
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
	if healed {
		p.breakAll()
	}
}

// breakAll closes all connections. New ones can be made at once.
func (p *proxy) breakAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for connection := range p.open {
		_ = connection.Close() // it may be closed already
	}
}

// close ends the proxy and all connections.
func (p *proxy) close() error {
	err := p.listener.Close()
	p.set(condition{})
	p.breakAll()
	return err
}
