package flink

import (
	"context"
	"os/exec"

	"github.com/snapback/snapback/harness/internal/process"
)

// ContainersRuntime is the runtime of a Flink whose processes run in Docker containers.
const ContainersRuntime = "containers"

// Place is where the JobManager and the TaskManagers of a cluster run.
type Place interface {
	// Describe says what the place is called as a runtime, and which image is used there.
	Describe() (runtime, image string)

	// Isolates says whether its rooms are [Isolating].
	Isolates() bool

	// Open makes room for a cluster whose files are in a directory, and which needs to
	// read others.
	Open(ctx context.Context, dir string, files ...string) (Room, error)
}

// Room is where the processes of one cluster run.
type Room interface {
	// Lib is a directory of Flink's jars to use there; empty: the machine's.
	Lib() string

	// Address is where a process listens, and where others find it who know it by a name.
	Address(name string) (listen, at string)

	// Start starts a process which others know by a name of its kind, host, and which the
	// harness reaches at a port.
	Start(ctx context.Context, name, host, port string, command *exec.Cmd) (process.Worker, error)

	// Close ends the processes, and removes everything else of the room.
	Close() error
}

// Isolating is a room whose processes can be paused, and cut off from each other.
type Isolating interface {
	Room

	// Cut cuts a process off.
	Cut(name string) error

	// Heal connects all processes again.
	Heal() error
}

// here is this machine.
type here struct{}

func (here) Describe() (runtime, image string) { return "processes", "" }

func (here) Isolates() bool { return false }

func (here) Open(_ context.Context, dir string, _ ...string) (Room, error) {
	return machine{process.NewStarter(), dir}, nil
}

type machine struct {
	*process.Starter
	dir string
}

const loopback = "127.0.0.1"

func (machine) Lib() string { return "" }

func (machine) Address(string) (listen, at string) { return loopback, loopback }

func (m machine) Start(_ context.Context, name, _, _ string, command *exec.Cmd) (process.Worker, error) {
	return m.Starter.Start(m.dir, name, command)
}
