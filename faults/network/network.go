// Package network stands between the real processes of a cluster. Each process dials through a
// separate SOCKS5 server. A proxy of the library toxiproxy stands between each two processes that
// talk to each other. So the network knows both ends of every connection, and can cut, break and
// delay it. The processes do not notice the network.
//
// A process that cannot dial through a SOCKS5 server has a place instead (front.go): the network
// listens in front of the process, and finds out from the kernel which process has dialed.
//
// Each process listens at a separate loopback address, by which the network recognizes it. On
// Linux, every address in 127.0.0.0/8 is a loopback address. An address that belongs to no process
// belongs to storage.
//
// The network is no packet filter. If connections are cut, the network still accepts new
// connections, but lets no data through. When the cut is healed, the connection ends. All data sent
// in the meantime are lost, as after a timeout of TCP.
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
	global "github.com/rs/zerolog/log"

	"github.com/snapback/snapback/faults"
)

// Environment is the environment variable that tells a process through which server it must dial.
const Environment = "ALL_PROXY"

const loopback = "127.0.0.1:0"

// hostFormat is the loopback address of a process. Its last two numbers are the two bytes of the
// number of the process.
const hostFormat = "127.77.%d.%d"

// Network holds the connections of one cluster. Several goroutines may use it.
type Network struct {
	server *toxiproxy.ApiServer

	mu        sync.Mutex
	processes map[string]string // the names of the processes; the key is the host at which a process listens
	servers   []net.Listener    // the SOCKS5 servers through which the processes dial, and the fronts
	places    int               // number of all places so far
	joined    int               // number of all processes that have joined so far
	outside   map[string]bool   // addresses that no fault touches
	links     map[link]*toxiproxy.Proxy
	bad       map[string]condition // the effects of faults; the key is the name of a process, or storage
	healed    chan struct{}        // this channel is closed when the cuts are healed
}

// condition is the effect of faults on connections.
type condition struct {
	cut   bool
	lag   time.Duration
	limit int64 // largest number of kilobytes a second; 0: no limit
}

// link stands for all connections from one process, or from all processes, to one address.
type link struct {
	from string // the name of the process that dials; empty: all processes
	to   string // the name of the process that is dialed, or storage
	at   string // the dialed address, as host:port
}

// New returns a network without processes. When toxiproxy limits a connection, it logs through the
// global logger of its logging library. New silences this logger, because nothing else here uses
// it.
func New() *Network {
	global.Logger = zerolog.Nop()
	return &Network{
		server:    toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
		processes: map[string]string{}, outside: map[string]bool{},
		links: map[link]*toxiproxy.Proxy{}, bad: map[string]condition{}, healed: make(chan struct{}),
	}
}

// Join adds a process. The process must listen at the returned host, and must dial through the
// returned server: the harness sets the variable [Environment] to the server's URL. If the process
// replaces another process, inPlaceAt is the host of the other process. Otherwise inPlaceAt is
// empty.
func (n *Network) Join(process, inPlaceAt string) (host, through string, err error) {
	listener, err := net.Listen("tcp", loopback)
	if err != nil {
		return "", "", err
	}
	dialer, err := socks5.New(&socks5.Config{
		Logger: log.New(io.Discard, "", 0), // no log: if a connection fails, the process itself reports this
		Dial:   func(ctx context.Context, _, address string) (net.Conn, error) { return n.dial(ctx, process, address) },
	})
	if err != nil {
		return "", "", errors.Join(err, listener.Close())
	}
	go func() { _ = dialer.Serve(listener) }() // Serve returns when the listener is closed
	n.mu.Lock()
	defer n.mu.Unlock()
	n.servers = append(n.servers, listener)
	n.joined++
	number := n.joined
	host = cmp.Or(inPlaceAt, fmt.Sprintf(hostFormat, number>>8, number&0xff))
	n.processes[host] = process
	return host, "socks5://" + listener.Addr().String(), nil
}

// Outside tells the network that an address does not belong to the cluster. No fault touches
// connections to it.
func (n *Network) Outside(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.outside[address] = true
}

// Storage makes the network stand before the storage that listens at the given address. It returns
// another address. A process that dials the returned address reaches the storage through the
// network. This is for processes that ignore the variable [Environment].
func (n *Network) Storage(address string) (string, error) {
	return n.through(link{to: string(faults.Storage), at: address})
}

// dial connects a process to an address.
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

// whose returns the name of the process that listens at an address. If the address belongs to no
// process, it returns "storage". It returns false if no fault touches the address.
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

// untilHealed waits while a link is cut. During this time the dialing process gets no answer.
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

// through returns the address at which a link's proxy listens. If the link has no proxy yet, it
// starts one.
func (n *Network) through(l link) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if proxy := n.links[l]; proxy != nil {
		return proxy.Listen, nil
	}
	proxy := toxiproxy.NewProxy(n.server, l.from+" to "+l.to, loopback, l.at)
	if err := proxy.Start(); err != nil {
		return "", fmt.Errorf("start a proxy before %s: %w", l.at, err)
	}
	n.links[l] = proxy
	return proxy.Listen, n.apply(l)
}

// touches says whether a fault touches the link. The fault affects the connections of the process,
// or of storage, with the given name. Only a fault that affects the connections of storage touches
// a link to storage.
func (l link) touches(name string) bool {
	if l.to == string(faults.Storage) {
		return name == l.to
	}
	return name == l.from || name == l.to
}

// condition returns the combined effect of all faults that touch a link.
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

// apply makes all faults that touch a link take effect on it.
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
		add("timeout", "timeout", 0) // with timeout 0, no data pass, the connection never ends, and neither side gets an error
	}
	return failed
}

// Do applies a fault to the connections of the process with this name, or of storage. Neither side
// of a cut connection gets an error. When the cut is healed, the connection is closed, and its data
// are lost. A broken connection is closed, and can be opened again at once.
func (n *Network) Do(fault faults.Fault, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	c, change := n.bad[name], n.apply
	switch action := fault.Action.(type) {
	case faults.Cut:
		c.cut = true
	case faults.Lag:
		c.lag = action.Delay
	case faults.Limit:
		c.limit = action.KilobytesPerSecond
	case faults.Break:
		change = func(l link) error {
			n.links[l].Stop()
			return n.links[l].Start() // the proxy listens at the same address again
		}
	case faults.Heal:
		return n.heal()
	default:
		return fmt.Errorf("%s is not a fault of connections", fault)
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

// heal ends all faults of connections.
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
