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
	// Describe returns the name of the place as a runtime. It also returns the Docker image that
	// the place uses, or the empty text if it uses no image.
	Describe() (runtime, image string)

	// Isolates says whether the rooms of this place implement [Isolating].
	Isolates() bool

	// Open opens a room for a cluster. The directory dir holds the files of the cluster. The
	// cluster must also be able to read the paths in files.
	Open(ctx context.Context, dir string, files ...string) (Room, error)
}

// Room is where the processes of one cluster run.
type Room interface {
	// Lib returns the directory of Flink's jars in the room. If Lib is empty, the room uses the
	// jars on this machine.
	Lib() string

	// Address returns two addresses of a process: listen is the address at which the process
	// listens, and at is the address at which other processes reach it.
	Address(name string) (listen, at string)

	// Start starts a process. Other processes reach the process by the name in host. The harness
	// reaches the process at the given port. If port is empty, the harness cannot reach the
	// process.
	Start(ctx context.Context, name, host, port string, command *exec.Cmd) (process.Worker, error)

	// Close ends the processes, and deletes everything else in the room.
	Close() error
}

// Isolating is a room whose processes can be cut off from each other.
type Isolating interface {
	Room

	// Cut cuts a process off from the other processes.
	Cut(name string) error

	// Heal connects all processes again.
	Heal() error
}

// here is the place that stands for this machine.
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
