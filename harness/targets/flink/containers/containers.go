// Package containers runs Flink clusters in Docker: each JobManager and TaskManager is a
// container. Docker kills, pauses, slows and cuts off the containers.
//
// Start with [Place].
package containers

import (
	"context"
	"os/exec"
	"slices"
	"strings"

	"github.com/snapback/snapback/harness/internal/container"
	"github.com/snapback/snapback/harness/internal/process"
	"github.com/snapback/snapback/harness/targets/flink"
)

// lib is the directory of Flink's jars in its images.
const lib = "/opt/flink/lib"

// anywhere is the address at which a process listens on all its networks.
const anywhere = "0.0.0.0"

// Place is a Docker daemon.
type Place struct {
	Image string // an image with Flink in /opt/flink/lib and java on its PATH, such as flink:2.3.0
}

// Describe implements [flink.Place].
func (p Place) Describe() (runtime, image string) { return flink.ContainersRuntime, p.Image }

// Isolates implements [flink.Place].
func (Place) Isolates() bool { return true }

// Open implements [flink.Place].
func (p Place) Open(ctx context.Context, dir string, files ...string) (flink.Room, error) {
	group, err := container.Open(ctx)
	if err != nil {
		return nil, err
	}
	return room{group, p.Image, dir, append(files, dir)}, nil
}

type room struct {
	*container.Group
	image string
	dir   string
	binds []string
}

// Lib implements [flink.Room].
func (room) Lib() string { return lib }

// Address implements [flink.Room].
func (room) Address(name string) (listen, at string) { return anywhere, name }

// Start implements [flink.Room].
func (r room) Start(ctx context.Context, name, host, port string, command *exec.Cmd) (process.Worker, error) {
	// A restarted JobManager has another address. So Java must not keep addresses for long.
	java := append([]string{"java", "-Dsun.net.inetaddr.ttl=1"}, command.Args[1:]...)
	return r.Group.Start(ctx, name, container.Spec{
		Image: r.image, Host: host, Command: java, Dir: r.dir, Binds: r.binds, Publish: port,
		Environment: slices.DeleteFunc(slices.Clone(command.Env), func(pair string) bool { return !strings.HasPrefix(pair, "FLINK_") }),
	})
}
