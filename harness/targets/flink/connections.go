package flink

import (
	"context"
	"maps"
	"net"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/network"
	"github.com/snapback/snapback/harness/internal/process"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
)

// connections disturbs the connections between the processes of a cluster on this machine. The JVMs
// notice nothing of the network: each listens at an address of its own, and tells the others an
// address at which the network listens.
type connections struct {
	network *network.Network
	places  map[string]network.Place // the keys are hosts

	mu    sync.Mutex
	names map[int]string // the names of the processes; the keys are their numbers
}

// connect creates a network if the scenario disturbs connections. A room that isolates its processes
// cuts them off by itself, and needs no network.
func (c *cluster) connect() {
	if c.target.where().Isolates() || !slices.ContainsFunc(c.spec.Needs, func(f scenarios.Feature) bool {
		return slices.Contains([]scenarios.Feature{scenarios.Partition, scenarios.Network, scenarios.Bandwidth}, f)
	}) {
		return
	}
	c.connections = &connections{network: network.New(), places: map[string]network.Place{}, names: map[int]string{}}
}

// place returns the place of a host. A process that replaces another one of the same host has the
// same place.
func (n *connections) place(host string) network.Place {
	if _, known := n.places[host]; !known {
		n.places[host] = n.network.NewPlace()
	}
	return n.places[host]
}

// dialer returns the name of the process that has dialed.
func (n *connections) dialer(client net.Addr) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.names[network.Owner(client, slices.Collect(maps.Keys(n.names)))]
}

// started tells the network that a process runs at the place of a host.
func (n *connections) started(name, host string, worker process.Worker) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.network.Occupy(n.place(host), name)
	if p, ok := worker.(*process.Process); ok {
		n.names[p.ID()] = name
	}
}

// behind returns the settings that make a process listen behind the network. The parameters name the
// keys of the address that the process tells the others, of the address at which it listens, and of
// its ports. Without a network there are no such settings.
func (c *cluster) behind(host, address, bind string, ports ...string) (map[string]string, error) {
	settings := map[string]string{}
	if c.connections == nil {
		return settings, nil
	}
	place := c.connections.place(host)
	settings[address], settings[bind] = place.Front, place.Behind
	for _, key := range ports {
		port, err := c.connections.network.Front(place, c.connections.dialer)
		if err != nil {
			return nil, err
		}
		settings[key] = strconv.Itoa(port)
	}
	return settings, nil
}

// options returns settings as arguments of a program of Flink.
func options(settings map[string]string) []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		all = append(all, "-D", key+"="+settings[key])
	}
	return all
}

// local is a cluster of processes of this machine. Its connections can be disturbed.
type local struct{ brokered }

// Cut implements [target.Partitioner].
func (c local) Cut(_ context.Context, name string) error {
	return c.connections.network.Do(faults.Fault{Action: faults.Cut{}}, name)
}

// Break implements [target.Disturber].
func (c local) Break(_ context.Context, name string) error {
	return c.connections.network.Do(faults.Fault{Action: faults.Break{}}, name)
}

// Lag implements [target.Disturber].
func (c local) Lag(_ context.Context, name string, delay time.Duration) error {
	return c.connections.network.Do(faults.Fault{Action: faults.Lag{Delay: delay}}, name)
}

// Limit implements [target.Limiter].
func (c local) Limit(_ context.Context, name string, kilobytesPerSecond int64) error {
	return c.connections.network.Do(faults.Fault{Action: faults.Limit{KilobytesPerSecond: kilobytesPerSecond}}, name)
}

// Heal implements [target.Healer].
func (c local) Heal(context.Context) error {
	return c.connections.network.Do(faults.Fault{Action: faults.Heal{}}, "")
}

// equip adds to a cluster the capabilities of the place where it runs.
func (t Target) equip(c *cluster) target.Cluster {
	switch {
	case t.where().Isolates() && c != nil:
		return isolated{c, c.room.(Isolating)}
	case t.where().Isolates():
		return isolated{}
	case runtime.GOOS == "linux" && t.Hadoop != nil: // only Linux has a loopback address for each process
		return local{brokered{c}}
	case runtime.GOOS == "linux":
		return localTapped{local{brokered{c}}}
	}
	return brokered{c}
}
