package network_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"testing"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/network"
)

// fronted is a network with a process behind a front, which sends back what it receives.
func fronted(t *testing.T, dialer func(net.Addr) string) two {
	t.Helper()
	n := network.New()
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	place := n.NewPlace()
	n.Occupy(place, "jobmanager")
	port, err := n.Front(place, dialer)
	if err != nil {
		t.Fatal(err)
	}
	echoAt(t, net.JoinHostPort(place.Behind, strconv.Itoa(port)))
	return two{Network: n, t: t, from: &net.Dialer{}, at: net.JoinHostPort(place.Front, strconv.Itoa(port))}
}

// The test is itself the process that dials: the network finds it by its number.
func TestTheKernelSaysWhoDialed(t *testing.T) {
	p := fronted(t, func(client net.Addr) string {
		switch network.Owner(client, []int{os.Getppid(), os.Getpid()}) {
		case os.Getpid():
			return "taskmanager-1"
		default:
			return ""
		}
	})
	connection := p.connect()
	mustAnswer(t, connection)
	p.do(faults.Fault{Action: faults.Cut{}}, "taskmanager-1")
	if _, err := ask(connection, silence); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("want silence, got %v", err)
	}
	p.do(faults.Fault{Action: faults.Heal{}}, "")
	mustAnswer(t, p.connect())
}

func TestABrokenConnectionEndsInFrontOfAProcess(t *testing.T) {
	p := fronted(t, func(net.Addr) string { return "taskmanager-1" })
	connection := p.connect()
	mustAnswer(t, connection)
	p.do(faults.Fault{Action: faults.Break{}}, "jobmanager")
	if _, err := ask(connection, patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("want the end of the connection, got %v", err)
	}
	mustAnswer(t, p.connect())
}

func TestNothingIsDoneToAProcessThatNobodyKnows(t *testing.T) {
	p := fronted(t, func(net.Addr) string { return "" })
	connection := p.connect()
	p.do(faults.Fault{Action: faults.Cut{}}, "jobmanager")
	mustAnswer(t, connection)
	if half, ok := connection.(*net.TCPConn); !ok || half.CloseWrite() != nil {
		t.Error("the connection cannot be closed by half")
	}
	if _, err := io.ReadAll(connection); err != nil {
		t.Errorf("want the end of what was sent, got %v", err)
	}
}
