package flink

import (
	"context"
	"os/exec"

	"github.com/snapback/snapback/harness/internal/process"
)

// ContainersRuntime is the runtime of a Flink whose processes run in Docker containers.
const ContainersRuntime = "containers"

// Place is where clusters run: this machine or Docker. Each cluster has a [Room] there.
type Place interface {
	// Describe returns the name of the place as a runtime, and the image that it uses, if any.
	Describe() (runtime, image string)

	// Isolates says whether its rooms are [Isolating].
	Isolates() bool

	// Open opens a room for a cluster. The cluster's files are in dir, and the cluster must
	// also be able to read files.
	Open(ctx context.Context, dir string, files ...string) (Room, error)
}

// Room is where the processes of one cluster run.
type Room interface {
	// Lib is the directory of Flink's jars in the room; empty: the jars on this machine.
	Lib() string

	// Address returns the address at which a process listens, and the address at which other
	// processes reach it.
	Address(name string) (listen, at string)

	// Start starts a process. Other processes reach it by the name in host. The harness reaches
	// it at the port. If port is empty, the harness cannot reach it.
	Start(ctx context.Context, name, host, port string, command *exec.Cmd) (process.Worker, error)

	// Close ends the processes, and deletes everything else in the room.
	Close() error
}

// Isolating is a room whose processes can be paused and cut off from each other.
type Isolating interface {
	Room

	// Cut cuts a process off.
	Cut(name string) error

	// Heal connects all processes again.
	Heal() error
}

// here is this machine as a place.
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
