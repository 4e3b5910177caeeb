// Package network stands between the real processes of a cluster: each dials through a
// SOCKS5 server of its own, and what it dials is reached through a toxiproxy, one for each
// two that talk. So every connection is known by who is on either side, and can be cut,
// broken and delayed while the processes know nothing of it.
//
// A process listens at a loopback address of its own, which is how it is recognised
// (Linux has all of 127.0.0.0/8). What is dialed at an address that is no process's is
// storage. It is no packet filter: a connection that is cut is accepted before nothing
// comes through it any more, and what was sent meanwhile is lost with it when the cut is
// healed, as after a time-out of TCP.
//
// Start with [New].
package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/armon/go-socks5"
	"github.com/rs/zerolog"

	"github.com/snapback/snapback/faults"
)

// Environment is the variable by which a process learns through whom it is to dial.
const Environment = "ALL_PROXY"

const loopback = "127.0.0.1:0"

// hostFormat makes the loopback address of the n-th process.
const hostFormat = "127.77.%d.%d"

// Network is the connections of one cluster. It may be used by several goroutines.
type Network struct {
	server *toxiproxy.ApiServer

	mu        sync.Mutex
	processes map[string]string // by the host they listen at
	servers   []net.Listener    // through which they dial
	outside   map[string]bool   // addresses of those to whom nothing is done
	links     map[link]*toxiproxy.Proxy
	bad       map[string]condition // by process, or storage
	healed    chan struct{}        // closed when what was cut is healed
}

// condition is what is done to connections.
type condition struct {
	cut   bool
	lag   time.Duration
	limit int64 // kilobytes a second; 0: none
}

// link is the connections that one process, or all, has to an address.
type link struct {
	from string // a process; empty: all
	to   string // a process, or storage
	at   string // host:port
}

// New returns a network without processes.
func New() *Network {
	return &Network{
		server:    toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
		processes: map[string]string{}, outside: map[string]bool{},
		links: map[link]*toxiproxy.Proxy{}, bad: map[string]condition{}, healed: make(chan struct{}),
	}
}

// Join lets a process take part. It is to listen at host, which is that of another in
// whose place it comes unless that is empty, and to dial as through says, which is what
// [Environment] is to be.
func (n *Network) Join(process, inPlaceAt string) (host, through string, err error) {
	listener, err := net.Listen("tcp", loopback)
	if err != nil {
		return "", "", err
	}
	dialer, err := socks5.New(&socks5.Config{
		Logger: log.New(io.Discard, "", 0), // a connection that fails is its process's to report
		Dial:   func(ctx context.Context, _, address string) (net.Conn, error) { return n.dial(ctx, process, address) },
	})
	if err != nil {
		return "", "", errors.Join(err, listener.Close())
	}
	go func() { _ = dialer.Serve(listener) }() // until it is closed
	n.mu.Lock()
	defer n.mu.Unlock()
	n.servers = append(n.servers, listener)
	number := len(n.servers)
	host = cmp.Or(inPlaceAt, fmt.Sprintf(hostFormat, number>>8, number&0xff))
	n.processes[host] = process
	return host, "socks5://" + listener.Addr().String(), nil
}

// Outside says that who listens at an address is no part of the cluster: nothing is done
// to connections to it.
func (n *Network) Outside(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.outside[address] = true
}

// Storage returns the address at which all processes are to look for storage that
// listens elsewhere, for those which do not dial as they are told.
func (n *Network) Storage(address string) (string, error) {
	return n.through(link{to: string(faults.Storage), at: address})
}

// dial connects a process with an address.
func (n *Network) dial(ctx context.Context, process, address string) (net.Conn, error) {
	to, inside := n.whose(address)
	if !inside || to == process {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	l := link{process, to, address}
	if err := n.untilHealed(ctx, l); err != nil {
		return nil, err
	}
	proxy, err := n.through(l)
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", proxy)
}

// whose names the process that listens at an address, or storage.
func (n *Network) whose(address string) (name string, inside bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.outside[address] {
		return "", false
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", false
	}
	if process, ok := n.processes[host]; ok {
		return process, true
	}
	return string(faults.Storage), true
}

// untilHealed waits while a link is cut: who dials is not answered.
func (n *Network) untilHealed(ctx context.Context, l link) error {
	for {
		n.mu.Lock()
		cut, healed := n.condition(l).cut, n.healed
		n.mu.Unlock()
		if !cut {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-healed:
		}
	}
}

// through returns the address of a link's proxy.
func (n *Network) through(l link) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if proxy := n.links[l]; proxy != nil {
		return proxy.Listen, nil
	}
	proxy := toxiproxy.NewProxy(n.server, l.from+" to "+l.to, loopback, l.at)
	if err := proxy.Start(); err != nil {
		return "", fmt.Errorf("a proxy before %s: %w", l.at, err)
	}
	n.links[l] = proxy
	return proxy.Listen, n.apply(l)
}

// touches says whether a fault of one name meets a link. Of the links to storage only
// storage's own faults do.
func (l link) touches(name string) bool {
	if l.to == string(faults.Storage) {
		return name == l.to
	}
	return name == l.from || name == l.to
}

// condition is what is done to a link, at either end.
func (n *Network) condition(l link) (all condition) {
	for name, c := range n.bad {
		if !l.touches(name) {
			continue
		}
		all.cut = all.cut || c.cut
		all.lag += c.lag
		if all.limit == 0 || (c.limit > 0 && c.limit < all.limit) {
			all.limit = c.limit
		}
	}
	return all
}

// apply brings a link into its condition.
func (n *Network) apply(l link) error {
	toxics, c := n.links[l].Toxics, n.condition(l)
	toxics.ResetToxics(context.Background())
	var failed error
	add := func(kind, attribute string, value int64) {
		for _, direction := range []string{"upstream", "downstream"} {
			text := fmt.Sprintf(`{"type":%q,"stream":%q,"attributes":{%q:%d}}`, kind, direction, attribute, value)
			_, err := toxics.AddToxicJson(strings.NewReader(text))
			failed = errors.Join(failed, err)
		}
	}
	if c.lag > 0 {
		add("latency", "latency", c.lag.Milliseconds())
	}
	if c.limit > 0 {
		add("bandwidth", "rate", c.limit)
	}
	if c.cut {
		add("timeout", "timeout", 0) // never: nothing comes through, and nobody is told
	}
	return failed
}

// Do makes a fault of connections happen: to those from and to a process, or to storage.
// What is cut tells nobody; once it is healed it is closed, and what was sent on it is
// lost. What is broken is closed, and can be made anew at once.
func (n *Network) Do(fault faults.Fault, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	c, change := n.bad[name], n.apply
	switch fault.Action {
	case faults.Cut:
		c.cut = true
	case faults.Lag:
		c.lag = time.Duration(fault.Amount)
	case faults.Limit:
		c.limit = fault.Amount
	case faults.Break:
		change = func(l link) error {
			n.links[l].Stop()
			return n.links[l].Start() // at the same address
		}
	case faults.Heal:
		return n.heal()
	default:
		return fmt.Errorf("%s is not done to connections", fault)
	}
	n.bad[name] = c
	var failed error
	for l := range n.links {
		if l.touches(name) {
			failed = errors.Join(failed, change(l))
		}
	}
	return failed
}

// heal lets everything through again.
func (n *Network) heal() error {
	clear(n.bad)
	close(n.healed)
	n.healed = make(chan struct{})
	var failed error
	for l := range n.links {
		failed = errors.Join(failed, n.apply(l))
	}
	return failed
}

// Close ends all connections.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var failed error
	for _, server := range n.servers {
		failed = errors.Join(failed, server.Close())
	}
	for _, proxy := range n.links {
		proxy.Stop()
	}
	return failed
}
