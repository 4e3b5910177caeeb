package network

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// frontFormat is the loopback address at which the network listens in front of a process. Its last
// two numbers are those of the process's own address.
const frontFormat = "127.78.%d.%d"

// Place is where the network stands in front of a process that cannot dial through a SOCKS5 server,
// such as a JVM. The process listens at Behind, and tells the others that it listens at Front.
type Place struct {
	Front, Behind string // hosts
}

// NewPlace returns a place for a process. A process that replaces another one can have its place.
func (n *Network) NewPlace() Place {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.places++
	high, low := n.places>>8, n.places&0xff
	return Place{Front: fmt.Sprintf(frontFormat, high, low), Behind: fmt.Sprintf(hostFormat, 0x80|high, low)}
}

// Occupy says which process is at a place from now on.
func (n *Network) Occupy(place Place, process string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.processes[place.Behind] = process
}

// Front makes the network listen at a new port of a place, and returns the port. The process must
// listen at the same port. The function dialer returns the name of the process that has dialed, or
// the empty name if the network does not know the process. No fault touches its connections then.
func (n *Network) Front(place Place, dialer func(client net.Addr) string) (port int, err error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(place.Front, "0"))
	if err != nil {
		return 0, err
	}
	n.mu.Lock()
	n.servers = append(n.servers, listener)
	n.mu.Unlock()
	port = listener.Addr().(*net.TCPAddr).Port
	go n.serve(listener, net.JoinHostPort(place.Behind, strconv.Itoa(port)), dialer)
	return port, nil
}

// serve forwards each connection to the given address, until the listener is closed.
func (n *Network) serve(listener net.Listener, address string, dialer func(net.Addr) string) {
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		go n.forward(near, address, dialer)
	}
}

// forward connects a connection with the given address, as a connection of the process that dialed.
func (n *Network) forward(near net.Conn, address string, dialer func(net.Addr) string) {
	defer func() { _ = near.Close() }() // whoever dialed sees the end of the connection
	far, err := n.dialFor(dialer(near.RemoteAddr()), address)
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }() // as above
	var both sync.WaitGroup
	for _, way := range []struct{ to, from net.Conn }{{near, far}, {far, near}} {
		both.Go(func() {
			_, err := io.Copy(way.to, way.from)
			if half, ok := way.to.(*net.TCPConn); ok && err == nil {
				_ = half.CloseWrite() // the other way goes on
				return
			}
			_, _ = near.Close(), far.Close() // one way is broken, so the connection is
		})
	}
	both.Wait()
}

// dialFor dials as a process does. If the network does not know the process, it dials directly.
func (n *Network) dialFor(process, address string) (net.Conn, error) {
	if process == "" {
		return net.Dial("tcp", address)
	}
	return n.dial(context.Background(), process, address)
}

// Owner returns which of the given processes of this machine has the client's end of a TCP
// connection. It returns 0 if none of them has it.
func Owner(client net.Addr, processes []int) int {
	inode, err := inodeOf(client.(*net.TCPAddr))
	if err != nil || inode == "" {
		return 0
	}
	for _, process := range processes {
		handles, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", process))
		if err != nil {
			continue
		}
		for _, handle := range handles {
			if to, err := os.Readlink(handle); err == nil && to == "socket:["+inode+"]" {
				return process
			}
		}
	}
	return 0
}

// inodeOf returns the kernel's number of the socket with the given local address. It returns nothing
// if no such socket exists. A JVM may use a socket of IPv6 also for an address of IPv4.
func inodeOf(local *net.TCPAddr) (string, error) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(data)) {
			fields := strings.Fields(line)
			if len(fields) > 9 && strings.HasSuffix(fields[1], kernelAddress(local)) {
				return fields[9], nil
			}
		}
	}
	return "", nil
}

// kernelAddress returns an address as the kernel writes it: the number of the host as it is in
// memory, and the port, in hexadecimal digits.
func kernelAddress(address *net.TCPAddr) string {
	host := address.IP.To4()
	return fmt.Sprintf("%02X%02X%02X%02X:%04X", host[3], host[2], host[1], host[0], address.Port)
}
