package network

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
)

// The ports from which [FreePort] chooses. The kernel takes none of them for a connection that a
// process opens, or for a listener that asks for any port: by default those begin at 32768. So a port
// is still free when the server that gets it binds it, seconds later.
const (
	portLeast = 12_000
	portMost  = 31_999
	portTries = 100
)

// tried counts the ports that this process has tried, from a random one on. So FreePort does not
// return a port again before its server has bound it.
var tried atomic.Uint32

func init() { tried.Store(rand.Uint32N(portMost - portLeast + 1)) }

// FreePort returns a port of 127.0.0.1 on which nothing listens now. It is for a server that is
// started later, and cannot choose a port itself.
func FreePort() (string, error) {
	var failed error
	for range portTries {
		port := strconv.Itoa(portLeast + int(tried.Add(1)%(portMost-portLeast+1)))
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if failed = err; err == nil {
			return port, listener.Close()
		}
	}
	return "", fmt.Errorf("find a free port from %d to %d in %d tries: %w", portLeast, portMost, portTries, failed)
}
