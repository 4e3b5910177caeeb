package flink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/fuse"
	"github.com/snapback/snapback/faults/network"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness/internal/process"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

const (
	pollEvery    = 2 * time.Millisecond
	startTimeout = 90 * time.Second
)

// cluster is one session cluster. It has one or several JobManagers, and several TaskManagers with
// one slot each.
type cluster struct {
	client
	spec  target.Spec
	work  string
	began time.Time

	room        Room
	processes   process.Cluster
	jobManagers []*jobManager // all JobManagers that were started so far
	files       filesystem.FileSystem
	mount       *fuse.Mount       // the operations on checkpoints pass through it; nil: no fault happens at an operation
	proxy       *http.Server      // stands before the S3 server; nil: no fault happens at a request
	stored      map[string]string // the settings with which Flink finds its storage
	taps        *tap.Tap          // nil without a mount and without a proxy
	sets        chan func()       // functions of faults that fire during an operation; Step runs them
	dying       []process.Worker  // the processes that were killed, perhaps in the middle of an operation
	connections *connections      // disturbs the connections; nil: no connection can be disturbed
	leader      *jobManager       // the JobManager that was elected last; nil before the first election
	restPort    string            // the port of the REST API; without high availability, each JobManager has it
	filled      bool              // whether the broker has the input of the workload
	handedOver  bool              // a later cluster owns the mount, and the tap with the armed faults
	held        time.Duration     // the longest time for which an open transaction can hide output in the broker
}

func start(ctx context.Context, t Target, spec target.Spec) (_ *cluster, err error) {
	dir, err := filepath.Abs(spec.Dir)
	if err != nil {
		return nil, err
	}
	c := &cluster{
		client: client{target: t, starter: process.NewStarter(), rest: newREST(""), dir: dir, root: filepath.Join(dir, "checkpoints")},
		spec:   spec, work: filepath.Join(dir, "work"), began: time.Now(), processes: process.NewCluster(),
		files: filesystem.Local{},
	}
	if s := t.survived; s != nil {
		c.began, c.processes = s.began, s.processes.Successor()
	}
	c.step = c.Step
	if c.room, err = t.where().Open(ctx, dir, t.jar); err != nil {
		return nil, errors.Join(err, c.starter.Close())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := c.openStorage(); err != nil {
		return nil, err
	}
	c.connect()
	if err := c.configure(ctx); err != nil {
		return nil, err
	}
	if slices.Contains(spec.Needs, scenarios.Kafka) {
		if err := c.openBroker(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.StartJobManagers(ctx); err != nil {
		return nil, err
	}
	if err := c.StartTaskManagers(ctx); err != nil {
		return nil, err
	}
	// A slot becomes known only after its TaskManager has registered.
	return c, c.until(ctx, "the slots to be free", func() bool {
		free, err := c.rest.freeSlots(ctx)
		return err == nil && free >= c.spec.TaskManagers
	})
}

// configure creates the cluster's directories and writes its configuration.
func (c *cluster) configure(ctx context.Context) error {
	for _, dir := range []string{c.work, filepath.Join(c.dir, "tmp")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	var err error
	if c.restPort, err = network.FreePort(); err != nil {
		return err
	}
	c.rest.url = "http://" + net.JoinHostPort(loopback, c.restPort)
	c.rest.ready, c.rest.sets = c.led, c.sets
	rpcPort, err := network.FreePort()
	if err != nil {
		return err
	}
	settings := clusterSettings(c.spec.Cluster, filesystem.URL(c.root))
	maps.Copy(settings, c.stored)
	if c.spec.JobManagers > 0 {
		err = c.startZooKeeper(ctx, settings)
	} else {
		var behind map[string]string
		behind, err = c.behind(string(faults.JobManager), "jobmanager.rpc.address", "jobmanager.bind-host", "jobmanager.rpc.port", "blob.server.port")
		maps.Copy(settings, behind)
	}
	if err != nil {
		return err
	}
	listen, at := c.room.Address(string(faults.JobManager))
	return c.writeCluster(map[string]any{
		"Dir": c.dir, "Root": filesystem.URL(c.root), "RPCPort": rpcPort, "RESTPort": c.restPort, "Retained": c.spec.Retained,
		"Listen": listen, "JobManager": at, "Patience": patience(c.spec),
	}, settings)
}

// patience is the time after which Flink takes a silent process for dead. It is long, because the
// process may only be slow. It is shorter if the scenario pauses or cuts off processes. Then Flink
// must notice the silence before the scenario ends the silence.
func patience(spec target.Spec) time.Duration {
	if slices.Contains(spec.Needs, scenarios.Partition) || slices.Contains(spec.Needs, scenarios.Pause) {
		return 2 * time.Second
	}
	return 10 * time.Second
}

// start starts a process of the cluster.
func (c *cluster) start(ctx context.Context, name, host, port string, options []string, mainClass string, arguments ...string) (process.Worker, error) {
	command, err := c.java(name, c.room.Lib(), options, mainClass, append([]string{"--configDir", c.configDir()}, arguments...)...)
	if err != nil {
		return nil, err
	}
	worker, err := c.room.Start(ctx, name, host, port, command)
	if err == nil && c.connections != nil {
		c.connections.started(name, host, worker)
	}
	return worker, err
}

func (c *cluster) Now() time.Duration           { return time.Since(c.began) }
func (c *cluster) Files() filesystem.FileSystem { return c.files }
func (c *cluster) Root() string                 { return c.root }
func (c *cluster) Work() string                 { return c.work }

// Log implements [target.Logged].
func (c *cluster) Log() string {
	if c.leader == nil {
		return ""
	}
	return c.leader.log.Name()
}

func (c *cluster) TaskManagers() []string { return c.processes.TaskManagers.Names() }

// Step waits a moment, and reads what the JobManagers logged in this time.
func (c *cluster) Step(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case set := <-c.sets:
		set()
	case <-time.After(pollEvery):
	}
	if err := c.processes.Ended(); err != nil {
		return err
	}
	for _, jm := range c.jobManagers {
		if err := c.read(jm); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) until(ctx context.Context, what string, holds func() bool) error {
	limited, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !holds() {
		if err := c.Step(limited); err != nil {
			return fmt.Errorf("wait for %s: %w; see the logs in %s", what, err, c.dir)
		}
	}
	return nil
}

// StartTaskManagers implements [target.Killer].
func (c *cluster) StartTaskManagers(ctx context.Context) error {
	err := c.processes.TaskManagers.Fill(c.spec.TaskManagers, func(name string) (process.Worker, error) {
		listen, at := c.room.Address(name)
		settings := map[string]string{"taskmanager.resource-id": name, "taskmanager.host": at, "taskmanager.bind-host": listen}
		behind, err := c.behind(name, "taskmanager.host", "taskmanager.bind-host", "taskmanager.rpc.port", "taskmanager.data.port")
		if err != nil {
			return nil, err
		}
		maps.Copy(settings, behind)
		return c.start(ctx, name, name, "", []string{"-Xmx224m", "-XX:MaxDirectMemorySize=128m"},
			"org.apache.flink.runtime.taskexecutor.TaskManagerRunner", options(settings)...)
	})
	if err != nil {
		return err
	}
	return c.until(ctx, "the TaskManagers to register", func() bool {
		return !slices.ContainsFunc(c.TaskManagers(), func(name string) bool { return !c.leader.watcher.registered[name] })
	})
}

// Kill implements [target.Killer].
func (c *cluster) Kill(_ context.Context, name string) error {
	if c.mount != nil {
		return c.killInOperation(name)
	}
	return c.processes.Kill(name)
}

// Pause implements [target.Pauser].
func (c *cluster) Pause(_ context.Context, name string) error { return c.processes.Pause(name) }

// Resume implements [target.Pauser].
func (c *cluster) Resume(_ context.Context, name string) error { return c.processes.Resume(name) }

// Slow implements [target.Slower].
func (c *cluster) Slow(_ context.Context, name string, percent int64) error {
	return c.processes.Slow(name, percent)
}

// Close kills every process, and deletes the files that nobody needs afterwards.
func (c *cluster) Close() error {
	if c.broker != nil {
		c.broker.Close()
	}
	end := func() error { return errors.Join(c.room.Close(), c.starter.Close()) }
	var failed error
	switch {
	case c.mount != nil && c.handedOver:
		serve(c.sets, func() { failed = end() })
		if failed != nil {
			failed = errors.Join(failed, c.mount.Close())
		}
	case c.mount != nil:
		failed = errors.Join(c.closeTap(end), c.mount.Close())
	case c.proxy != nil:
		failed = errors.Join(c.closeTap(end), c.proxy.Close())
	default:
		failed = end()
	}
	if c.connections != nil {
		failed = errors.Join(failed, c.connections.network.Close())
	}
	return errors.Join(failed, c.removeLitter())
}

// isolated is a cluster whose [Room] can cut the cluster's processes off from each other.
type isolated struct {
	*cluster
	isolation Isolating // the cluster's room
}

// Cut implements [target.Partitioner].
func (c isolated) Cut(_ context.Context, name string) error { return c.isolation.Cut(name) }

// Heal implements [target.Healer].
func (c isolated) Heal(context.Context) error { return c.isolation.Heal() }
