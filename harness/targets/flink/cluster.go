package flink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/process"
	"github.com/snapback/snapback/storage/filesystem"
)

// How long is waited for what, and how often looked.
const (
	pollEvery    = 2 * time.Millisecond
	startTimeout = 90 * time.Second
)

// cluster is one session cluster: a JobManager and TaskManagers of one slot each.
type cluster struct {
	client
	spec  harness.ClusterSpec
	root  string
	work  string
	began time.Time

	processes process.Cluster
	watcher   watcher
}

func start(ctx context.Context, t Target, spec harness.ClusterSpec) (_ harness.Cluster, err error) {
	dir, err := filepath.Abs(spec.Dir)
	if err != nil {
		return nil, err
	}
	c := &cluster{
		client: client{target: t, starter: process.NewStarter(), dir: dir},
		spec:   spec, root: filepath.Join(dir, "checkpoints"), work: filepath.Join(dir, "work"),
		began: time.Now(), watcher: watcher{registered: map[string]bool{}},
		processes: process.Cluster{
			Log:     process.NewTail(filepath.Join(dir, "jobmanager.flink.log")),
			Workers: process.Workers{Kind: "taskmanager"},
		},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	c.step = c.Step
	if err := c.configure(); err != nil {
		return nil, err
	}
	c.processes.Master, err = c.start("jobmanager", []string{"-Xmx256m"},
		"org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint", "--configDir", c.configDir())
	if err != nil {
		return nil, err
	}
	if err := c.StartTaskManagers(ctx); err != nil {
		return nil, err
	}
	return c, c.upload(ctx)
}

// configure makes the cluster's directories and writes its configuration.
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
	c.rest = newREST("http://127.0.0.1:" + strconv.Itoa(restPort))
	var text strings.Builder
	values := map[string]any{
		"Dir": c.dir, "Root": "file://" + c.root, "RPCPort": rpcPort, "RESTPort": restPort, "Retained": c.spec.Retained,
	}
	if err := configTemplate.Execute(&text, values); err != nil {
		return err
	}
	return c.writeConfig(text.String())
}

// freePort asks the kernel for a port that nobody uses now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

func (c *cluster) start(name string, options []string, mainClass string, arguments ...string) (*process.Process, error) {
	command, err := c.java(name, options, mainClass, arguments...)
	if err != nil {
		return nil, err
	}
	return c.starter.Start(c.dir, name, command)
}

// URL is where the cluster's REST API answers.
func (c *cluster) URL() string { return c.rest.url }

func (c *cluster) Now() time.Duration           { return time.Since(c.began) }
func (c *cluster) Files() filesystem.FileSystem { return filesystem.Local{} }
func (c *cluster) Root() string                 { return c.root }
func (c *cluster) Work() string                 { return c.work }

func (c *cluster) TaskManagers() []string { return c.processes.Workers.Names() }

// Step waits a little, and reads what the JobManager logged.
func (c *cluster) Step(ctx context.Context) error {
	lines, err := c.processes.Lines(ctx, pollEvery)
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

func (c *cluster) StartTaskManagers(ctx context.Context) error {
	err := c.processes.Workers.Fill(c.spec.TaskManagers, func(name string) (*process.Process, error) {
		return c.start(name, []string{"-Xmx224m", "-XX:MaxDirectMemorySize=128m"},
			"org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
			"--configDir", c.configDir(), "-D", "taskmanager.resource-id="+name)
	})
	if err != nil {
		return err
	}
	return c.until(ctx, "the TaskManagers to register", startTimeout, func() bool {
		return !slices.ContainsFunc(c.TaskManagers(), func(name string) bool { return !c.watcher.registered[name] })
	})
}

func (c *cluster) Kill(_ context.Context, taskManager string) error {
	return c.processes.Workers.Kill(taskManager)
}

// Close kills every process, and removes what only they had a use for.
func (c *cluster) Close() error {
	return errors.Join(c.starter.Close(), c.removeLitter())
}
