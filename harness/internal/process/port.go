package process

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports from which [FreePort] chooses. The kernel takes none of them for a connection that a
// process opens, or for a listener that asks for any port: those begin at 32768. So a port is still
// free when the process that gets it binds it, seconds later.
const (
	portLeast = 12_000
	portMost  = 31_999
	portTries = 100
)

// FreePort returns a port of 127.0.0.1 on which no process listens now.
func FreePort() (int, error) {
	var failed error
	for range portTries {
		port := portLeast + rand.IntN(portMost-portLeast+1)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if failed = err; err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("find a free port from %d to %d in %d tries: %w", portLeast, portMost, portTries, failed)
}
