package network_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"golang.org/x/net/proxy"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/network"
)

// patience is how long a test waits for something that must come. silence is how long it waits for
// something that must not come.
const (
	patience = 10 * time.Second
	silence  = 100 * time.Millisecond
)

// two is a network with two processes. The first process dials. The second process sends back what
// it receives.
type two struct {
	*network.Network
	t    *testing.T
	from proxy.ContextDialer
	at   string // the address of the second process
}

func newTwo(t *testing.T) two {
	t.Helper()
	n := network.New()
	_, through, err := n.Join("taskmanager-1", "")
	if err != nil {
		t.Fatal(err)
	}
	host, _, err := n.Join("jobmanager", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	at, err := url.Parse(through)
	if err != nil {
		t.Fatal(err)
	}
	from, err := proxy.FromURL(at, nil)
	if err != nil {
		t.Fatal(err)
	}
	return two{n, t, from.(proxy.ContextDialer), echo(t, host)}
}

// echo starts a server that sends back what it receives, and returns its address.
func echo(t *testing.T, host string) string {
	t.Helper()
	return echoAt(t, net.JoinHostPort(host, "0"))
}

// echoAt starts the same server at the given address.
func echoAt(t *testing.T, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(connection, connection)
				_ = connection.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func (p two) dial(within time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return p.from.DialContext(ctx, "tcp", p.at)
}

func (p two) connect() net.Conn {
	p.t.Helper()
	connection, err := p.dial(patience)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// ask sends a byte, and returns the time that passes until the answer arrives.
func ask(connection net.Conn, within time.Duration) (time.Duration, error) {
	began := time.Now()
	if err := connection.SetDeadline(began.Add(within)); err != nil {
		return 0, err
	}
	if _, err := connection.Write([]byte("x")); err != nil {
		return 0, err
	}
	_, err := io.ReadFull(connection, make([]byte, 1))
	return time.Since(began), err
}

func (p two) do(fault faults.Fault, name string) {
	p.t.Helper()
	if err := p.Do(fault, name); err != nil {
		p.t.Fatal(err)
	}
}

func mustAnswer(t *testing.T, connection net.Conn) {
	t.Helper()
	if _, err := ask(connection, patience); err != nil {
		t.Fatalf("no answer: %v", err)
	}
}

func TestNothingComesThroughWhatIsCut(t *testing.T) {
	for _, end := range []string{"taskmanager-1", "jobmanager"} {
		p := newTwo(t)
		before := p.connect()
		mustAnswer(t, before)
		p.do(faults.Fault{Action: faults.Cut{}}, end)
		if _, err := ask(before, silence); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s cut: want silence, got %v", end, err)
		}
		if _, err := p.dial(silence); err == nil {
			t.Errorf("%s cut: a new connection was made", end)
		}
		p.do(faults.Fault{Action: faults.Heal{}}, "")
		mustAnswer(t, p.connect())
		_ = before.SetDeadline(time.Now().Add(patience))
		if _, err := before.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s healed: want the old connection closed, got %v", end, err)
		}
	}
}

func TestAnotherProcessIsNotCut(t *testing.T) {
	p := newTwo(t)
	p.do(faults.Fault{Action: faults.Cut{}}, "taskmanager-2")
	mustAnswer(t, p.connect())
	p.do(faults.Fault{Action: faults.Cut{}}, string(faults.Storage))
	mustAnswer(t, p.connect())
}

func TestWhatIsDelayedIsLate(t *testing.T) {
	p := newTwo(t)
	connection := p.connect()
	const late = 30 * time.Millisecond
	p.do(faults.Fault{Action: faults.Lag{Delay: late}}, "jobmanager")
	for _, c := range []net.Conn{connection, p.connect()} {
		if took, err := ask(c, patience); err != nil || took < 2*late {
			t.Errorf("want an answer after %s there and back, got it after %s, %v", late, took, err)
		}
	}
	p.do(faults.Fault{Action: faults.Heal{}}, "")
	mustAnswer(t, connection)
}

func TestWhatIsNarrowTakesItsTime(t *testing.T) {
	p := newTwo(t)
	const kilobytes, rate = 20, 100
	pass := func(connection net.Conn) time.Duration {
		began := time.Now()
		_ = connection.SetDeadline(began.Add(patience))
		go func() { _, _ = connection.Write(make([]byte, kilobytes<<10)) }()
		if _, err := io.ReadFull(connection, make([]byte, kilobytes<<10)); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	p.do(faults.Fault{Action: faults.Limit{KilobytesPerSecond: rate}}, "jobmanager")
	connection := p.connect()
	// The fault limits both directions of the connection. The answer begins to flow when some of
	// the data have arrived, so both directions pass data at the same time.
	if took := pass(connection); took < kilobytes*time.Second/rate {
		t.Errorf("%d KB at %d KB/s took %s", kilobytes, rate, took)
	}
	p.do(faults.Fault{Action: faults.Heal{}}, "")
	pass(connection) // without the limit, data still pass
}

func TestWhatIsBrokenIsClosedAndMadeAnew(t *testing.T) {
	p := newTwo(t)
	connection := p.connect()
	mustAnswer(t, connection)
	p.do(faults.Fault{Action: faults.Break{}}, "jobmanager")
	if _, err := ask(connection, patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("want a broken connection, got %v", err)
	}
	mustAnswer(t, p.connect())
}

func TestStorageIsCutOfAllProcesses(t *testing.T) {
	p := newTwo(t)
	elsewhere := echo(t, "127.0.0.1")
	through, err := p.Storage(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	direct, err := net.Dial("tcp", through)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = direct.Close() }()
	p.at = elsewhere
	dialed := p.connect()
	p.do(faults.Fault{Action: faults.Cut{}}, "taskmanager-1") // the connection to storage is not cut
	mustAnswer(t, direct)
	mustAnswer(t, dialed)
	p.do(faults.Fault{Action: faults.Cut{}}, string(faults.Storage))
	for _, c := range []net.Conn{direct, dialed} {
		if _, err := ask(c, silence); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("want silence, got %v", err)
		}
	}
	p.do(faults.Fault{Action: faults.Heal{}}, "")
	mustAnswer(t, p.connect())
}

func TestNothingIsDoneToWhoIsOutside(t *testing.T) {
	p := newTwo(t)
	p.at = echo(t, "127.0.0.1")
	p.Outside(p.at)
	p.do(faults.Fault{Action: faults.Cut{}}, string(faults.Storage))
	p.do(faults.Fault{Action: faults.Cut{}}, "taskmanager-1")
	mustAnswer(t, p.connect())
}
