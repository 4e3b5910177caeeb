package flink

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/process"
	"github.com/snapback/snapback/scenarios"
)

// Place is where the JobManager and the TaskManagers of a cluster run.
type Place interface {
	// Describe says what the place is called as a runtime, and which image is used there.
	Describe() (runtime, image string)

	// Features are what can be done to processes there, besides killing them.
	Features() []scenarios.Feature

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

	// Perturb does to a process what Kill, Pause and Slow do not.
	Perturb(fault faults.Fault, name string) error

	Close() error
}

// here is this machine.
type here struct{}

func (here) Describe() (runtime, image string) { return "processes", "" }

func (here) Features() []scenarios.Feature { return nil }

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

func (machine) Perturb(fault faults.Fault, _ string) error {
	return fmt.Errorf("%s: processes have no such fault", fault)
}
