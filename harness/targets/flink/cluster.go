package flink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/internal/process"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

const (
	pollEvery    = 2 * time.Millisecond
	startTimeout = 90 * time.Second
)

// cluster is one session cluster. It has a JobManager and several TaskManagers with one slot each.
type cluster struct {
	client
	spec     target.Spec
	root     string
	work     string
	began    time.Time
	restPort string

	room      Room
	processes process.Cluster
	log       *process.Tail // the log of the JobManager that was started last
	watcher   watcher
}

func start(ctx context.Context, t Target, spec target.Spec) (_ *cluster, err error) {
	dir, err := filepath.Abs(spec.Dir)
	if err != nil {
		return nil, err
	}
	c := &cluster{
		client: client{target: t, starter: process.NewStarter(), dir: dir},
		spec:   spec, root: filepath.Join(dir, "checkpoints"), work: filepath.Join(dir, "work"),
		began: time.Now(), watcher: watcher{registered: map[string]bool{}}, processes: process.NewCluster(),
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
	if err := c.configure(); err != nil {
		return nil, err
	}
	if err := c.StartJobManagers(ctx); err != nil {
		return nil, err
	}
	if err := c.StartTaskManagers(ctx); err != nil {
		return nil, err
	}
	// A slot becomes known only after its TaskManager has registered.
	return c, c.until(ctx, "the slots to be free", startTimeout, func() bool {
		free, err := c.rest.freeSlots(ctx)
		return err == nil && free >= c.spec.TaskManagers
	})
}

// configure creates the cluster's directories and writes its configuration.
func (c *cluster) configure() error {
	for _, dir := range []string{c.root, c.work, filepath.Join(c.dir, "tmp")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	rpcPort, err := freePort()
	if err != nil {
		return err
	}
	restPort, err := freePort()
	if err != nil {
		return err
	}
	c.restPort = strconv.Itoa(restPort)
	c.rest = newREST("http://" + net.JoinHostPort(loopback, c.restPort))
	listen, at := c.room.Address(string(faults.JobManager))
	var text strings.Builder
	values := map[string]any{
		"Dir": c.dir, "Root": "file://" + c.root, "RPCPort": rpcPort, "RESTPort": restPort, "Retained": c.spec.Retained,
		"Listen": listen, "JobManager": at, "Patience": patience(c.spec),
	}
	if err := configTemplate.Execute(&text, values); err != nil {
		return err
	}
	return c.writeConfig(text.String())
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

// freePort asks the kernel for a port that no process uses now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

// start starts a process of the cluster.
func (c *cluster) start(ctx context.Context, name, host, port string, options []string, mainClass string, arguments ...string) (process.Worker, error) {
	command, err := c.java(name, c.room.Lib(), options, mainClass, append([]string{"--configDir", c.configDir()}, arguments...)...)
	if err != nil {
		return nil, err
	}
	return c.room.Start(ctx, name, host, port, command)
}

// URL returns the URL of the cluster's REST API.
func (c *cluster) URL() string { return c.rest.url }

func (c *cluster) Now() time.Duration           { return time.Since(c.began) }
func (c *cluster) Files() filesystem.FileSystem { return filesystem.Local{} }
func (c *cluster) Root() string                 { return c.root }
func (c *cluster) Work() string                 { return c.work }

// Log implements [target.Logged].
func (c *cluster) Log() string { return c.log.Name() }

func (c *cluster) TaskManagers() []string { return c.processes.TaskManagers.Names() }

// Step waits a moment, and reads what the JobManager logged in this time.
func (c *cluster) Step(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pollEvery):
	}
	if err := c.processes.Ended(); err != nil {
		return err
	}
	lines, err := c.log.Lines()
	if err != nil {
		return err
	}
	c.watcher.observe(lines, c.spec.Observe)
	return nil
}

func (c *cluster) until(ctx context.Context, what string, limit time.Duration, holds func() bool) error {
	limited, cancel := context.WithTimeout(ctx, limit)
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
		return c.start(ctx, name, name, "", []string{"-Xmx224m", "-XX:MaxDirectMemorySize=128m"},
			"org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
			"-D", "taskmanager.resource-id="+name, "-D", "taskmanager.host="+at, "-D", "taskmanager.bind-host="+listen)
	})
	if err != nil {
		return err
	}
	return c.until(ctx, "the TaskManagers to register", startTimeout, func() bool {
		return !slices.ContainsFunc(c.TaskManagers(), func(name string) bool { return !c.watcher.registered[name] })
	})
}

// StartJobManagers implements [target.JobManagerKiller]. A new JobManager runs no job.
func (c *cluster) StartJobManagers(ctx context.Context) error {
	before := len(c.JobManagers())
	err := c.processes.JobManagers.Fill(1, func(name string) (process.Worker, error) {
		c.log = process.NewTail(c.logOf(name))
		// The REST API finds the log by the property log.file. TaskManagers do not get the
		// property, because RocksDB would derive the name of its own log from the property. That
		// name is too long for a file.
		return c.start(ctx, name, string(faults.JobManager), c.restPort, []string{"-Xmx256m", "-Dlog.file=" + c.logOf(name)},
			"org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint")
	})
	if err != nil || before > 0 {
		return err
	}
	clear(c.watcher.registered) // these TaskManagers registered with an earlier JobManager
	if err := c.until(ctx, "the JobManager to listen", startTimeout, func() bool {
		return c.rest.call(ctx, http.MethodGet, "/config", nil, nil) == nil
	}); err != nil {
		return err
	}
	return c.upload(ctx)
}

// JobManagers implements [target.JobManagerKiller].
func (c *cluster) JobManagers() []string { return c.processes.JobManagers.Names() }

// JobManager implements [target.JobManagerKiller].
func (c *cluster) JobManager() string {
	if names := c.JobManagers(); len(names) > 0 {
		return names[0]
	}
	return ""
}

// Kill implements [target.Killer].
func (c *cluster) Kill(_ context.Context, name string) error { return c.processes.Kill(name) }

// Slow implements [target.Slower].
func (c *cluster) Slow(_ context.Context, name string, percent int64) error {
	return c.processes.Slow(name, percent)
}

// Close kills every process, and deletes the files that nobody needs afterwards.
func (c *cluster) Close() error {
	return errors.Join(c.room.Close(), c.starter.Close(), c.removeLitter())
}

// isolated is a cluster whose [Room] can pause the cluster's processes and cut them off from each
// other.
type isolated struct {
	*cluster
	isolation Isolating // the cluster's room
}

// Pause implements [target.Pauser].
func (c isolated) Pause(_ context.Context, name string) error { return c.processes.Pause(name) }

// Resume implements [target.Pauser].
func (c isolated) Resume(context.Context) error { return c.processes.Resume() }

// Cut implements [target.Partitioner].
func (c isolated) Cut(_ context.Context, name string) error { return c.isolation.Cut(name) }

// Heal implements [target.Healer].
func (c isolated) Heal(context.Context) error { return c.isolation.Heal() }
