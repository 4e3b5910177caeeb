// Package container runs the processes of a cluster in Docker containers, on a network of their
// own. It can kill and pause a container, slow it down, and cut it off from the network.
//
// No other package outside the suites knows Docker. A lease removes everything that this package
// started, when the group is closed or when this process ends in any way. The package needs the
// docker command.
//
// Start with [Open].
package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strings"

	"github.com/google/uuid"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
	dockernetwork "github.com/testcontainers/testcontainers-go/network"

	"github.com/snapback/snapback/faults/lease"
)

// leaseLabel is the label of all containers and networks that are removed together with a group.
const leaseLabel = "com.github.snapback.lease"

// subnetTries is the greatest number of subnets that are tried until one is free.
const subnetTries = 20

// cpuPeriod is the period of a slow container's processor quota, in microseconds.
const cpuPeriod = 20_000

// Group holds the containers of one cluster. Only one goroutine may use a group.
type Group struct {
	docker  *testcontainers.DockerClient
	id      string // the value of leaseLabel for this group
	lease   *lease.Lease
	inside  *testcontainers.DockerNetwork // connects the containers, except those that are cut off
	members map[string]*Container
}

// Container is one process in a container of its own. It implements process.Worker.
type Container struct {
	group   *Group
	name    string
	host    string
	id      string
	address netip.Addr // address on the inside network
	cut     bool
	ended   chan struct{}
	how     string // how the container ended; set before ended is closed
}

// Spec says what a container runs.
type Spec struct {
	Image       string
	Host        string   // the name by which other containers reach this container
	Command     []string // program and arguments
	Environment []string // NAME=value
	Dir         string   // working directory
	Binds       []string // paths of this machine that the container sees under the same names
	Publish     string   // port of the container that this machine reaches at 127.0.0.1; empty if no port is published
}

// Open creates a group, with a network for its containers.
func Open(ctx context.Context) (_ *Group, err error) {
	// Our lease removes the containers. Testcontainers' own reaper (ryuk) would need an image
	// from a registry.
	if err := os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true"); err != nil {
		return nil, err
	}
	g := &Group{id: uuid.NewString(), members: map[string]*Container{}}
	if g.docker, err = testcontainers.NewDockerClientWithOpts(ctx); err != nil {
		return nil, fmt.Errorf("no Docker daemon answers: %w; install Docker, for example by apt-get install docker.io, and start dockerd", err)
	}
	if g.lease, err = takeLease(g.Label()); err != nil {
		return nil, errors.Join(err, g.docker.Close())
	}
	if g.inside, err = g.network(ctx); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// Label returns the label of all containers and networks that are removed with the group. The label
// has the form of Docker's filters.
func (g *Group) Label() string { return leaseLabel + "=" + g.id }

// network creates a Docker network with a subnet that this package chooses. Only on such a network
// does Docker give a reconnected container a chosen address, so a container that was cut off can
// get its old address again.
func (g *Group) network(ctx context.Context) (made *testcontainers.DockerNetwork, err error) {
	for range subnetTries {
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(200 + rand.IntN(50)), byte(rand.IntN(256)), 0}), 24)
		made, err = dockernetwork.New(ctx, dockernetwork.WithLabels(map[string]string{leaseLabel: g.id}),
			dockernetwork.WithIPAM(&network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: subnet}}}))
		if err == nil || !strings.Contains(err.Error(), "overlaps") {
			return made, err
		}
	}
	return nil, fmt.Errorf("no free subnet found for a network of containers: %w", err)
}

// Start starts a container. A container with a published port gets a second network of its own. So
// this machine reaches the container even while the container is cut off from the others.
func (g *Group) Start(ctx context.Context, name string, spec Spec) (*Container, error) {
	networks := []string{g.inside.Name}
	if spec.Publish != "" {
		control, err := g.network(ctx)
		if err != nil {
			return nil, err
		}
		networks = append(networks, control.Name)
	}
	request := testcontainers.ContainerRequest{
		Image: spec.Image, Entrypoint: spec.Command, Labels: map[string]string{leaseLabel: g.id},
		Networks: networks, NetworkAliases: map[string][]string{g.inside.Name: {spec.Host}},
		ConfigModifier: func(c *container.Config) {
			c.User = fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()) // we own the files that it writes
			c.WorkingDir, c.Env, c.Hostname = spec.Dir, append(c.Env, spec.Environment...), spec.Host
		},
		HostConfigModifier: func(h *container.HostConfig) {
			for _, path := range spec.Binds {
				h.Binds = append(h.Binds, path+":"+path)
			}
			if port, err := network.ParsePort(spec.Publish + "/tcp"); err == nil {
				h.PortBindings = network.PortMap{port: {{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: spec.Publish}}}
			}
		},
	}
	if spec.Publish != "" {
		request.ExposedPorts = []string{spec.Publish + "/tcp"}
	}
	started, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{ContainerRequest: request, Started: true, Logger: log.NewNoopLogger()})
	if err != nil {
		return nil, fmt.Errorf("start container %s of image %s: %w", name, spec.Image, err)
	}
	c := &Container{group: g, name: name, host: spec.Host, id: started.GetContainerID(), ended: make(chan struct{})}
	about, err := g.docker.ContainerInspect(ctx, c.id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, err
	}
	c.address = about.Container.NetworkSettings.Networks[g.inside.Name].IPAddress
	go c.wait()
	g.members[name] = c
	return c, nil
}

// wait waits until the container ends, and records how it ended.
func (c *Container) wait() {
	defer close(c.ended)
	waiting := c.group.docker.ContainerWait(context.Background(), c.id, client.ContainerWaitOptions{})
	select {
	case result := <-waiting.Result:
		c.how = fmt.Sprintf("exit status %d", result.StatusCode)
	case err := <-waiting.Error: // the container or the Docker daemon no longer exists
		c.how = err.Error()
	}
}

// Name implements process.Worker.
func (c *Container) Name() string { return c.name }

// ID is Docker's id of the container.
func (c *Container) ID() string { return c.id }

// Address is the address at which the other containers reach this one.
func (c *Container) Address() string { return c.address.String() }

// Kill implements process.Worker.
func (c *Container) Kill() error {
	_, err := c.group.docker.ContainerRemove(context.Background(), c.id, client.ContainerRemoveOptions{Force: true})
	if err != nil {
		return fmt.Errorf("kill container %s: %w", c.name, err)
	}
	delete(c.group.members, c.name)
	<-c.ended
	return nil
}

// Pause implements process.Worker.
func (c *Container) Pause() error {
	_, err := c.group.docker.ContainerPause(context.Background(), c.id, client.ContainerPauseOptions{})
	return err
}

// Slow implements process.Worker.
func (c *Container) Slow(percent int64) error { return c.quota(cpuPeriod * percent / 100) }

// Resume implements process.Worker.
func (c *Container) Resume() error {
	about, err := c.group.docker.ContainerInspect(context.Background(), c.id, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	if about.Container.State.Paused {
		if _, err := c.group.docker.ContainerUnpause(context.Background(), c.id, client.ContainerUnpauseOptions{}); err != nil {
			return err
		}
	}
	if about.Container.HostConfig.CPUQuota <= 0 {
		return nil
	}
	return c.quota(-1) // no quota
}

func (c *Container) quota(microseconds int64) error {
	_, err := c.group.docker.ContainerUpdate(context.Background(), c.id, client.ContainerUpdateOptions{
		Resources: &container.Resources{CPUPeriod: cpuPeriod, CPUQuota: microseconds},
	})
	return err
}

// Ended implements process.Worker.
func (c *Container) Ended() error {
	select {
	case <-c.ended:
	default:
		return nil
	}
	said := "its output cannot be read"
	logs, err := c.group.docker.ContainerLogs(context.Background(), c.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: "5"})
	if err == nil {
		data, _ := io.ReadAll(io.LimitReader(logs, 4<<10)) // a part of the output is enough
		said = string(bytes.ToValidUTF8(data, nil))
		_ = logs.Close() // nothing was written to it
	}
	return fmt.Errorf("container %s ended (%s):\n%s", c.name, c.how, said)
}

// Cut disconnects a container from the network that it shares with the others. The container's
// connections stay open, so its process sees no error.
func (g *Group) Cut(name string) error {
	c := g.members[name]
	if c == nil || c.cut {
		return nil
	}
	_, err := g.docker.NetworkDisconnect(context.Background(), g.inside.ID, client.NetworkDisconnectOptions{Container: c.id})
	if err != nil {
		return fmt.Errorf("cut off container %s: %w", name, err)
	}
	c.cut = true
	return nil
}

// Heal reconnects all containers that were cut off, at their old addresses.
func (g *Group) Heal() error {
	var failed error
	for name, c := range g.members {
		if !c.cut {
			continue
		}
		_, err := g.docker.NetworkConnect(context.Background(), g.inside.ID, client.NetworkConnectOptions{
			Container:      c.id,
			EndpointConfig: &network.EndpointSettings{Aliases: []string{c.host}, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: c.address}},
		})
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("connect container %s to its network again: %w", name, err))
			continue
		}
		c.cut = false
	}
	return failed
}

// Close removes all containers and networks of the group.
func (g *Group) Close() error { return errors.Join(g.lease.End(), g.docker.Close()) }

// letGo is a shell script that removes all containers and networks with a label.
const letGo = `
containers=$(docker ps --all --quiet --filter "label=$1")
[ -z "$containers" ] || docker rm --force --volumes $containers >/dev/null
networks=$(docker network ls --quiet --filter "label=$1")
[ -z "$networks" ] || docker network rm $networks >/dev/null
`

func takeLease(label string) (*lease.Lease, error) {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil, errors.New("the command docker is not on the PATH; install it, for example by apt-get install docker.io")
	}
	return lease.Take(letGo, label)
}
