package reference

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/process"
	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/live"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/schemes"
)

const (
	pollEvery         = time.Millisecond
	startTimeout      = 30 * time.Second
	checkpointTimeout = time.Minute
	loopback          = "127.0.0.1:0"
)

// Processes is the reference engine as operating system processes on loopback.
type Processes struct {
	Binary  string // path of the snapback program, which is also the engine's
	Storage Storage
}

// Describe implements [harness.Target].
func (p Processes) Describe() history.Target { return describe("processes", p.Storage) }

// Features implements [harness.Target].
func (Processes) Features() []scenarios.Feature { return features() }

// Start implements [harness.Target].
func (p Processes) Start(ctx context.Context, spec harness.ClusterSpec) (_ harness.Cluster, err error) {
	dir, err := filepath.Abs(spec.Dir)
	if err != nil {
		return nil, err
	}
	c := &processes{
		binary: p.Binary, spec: spec, dir: dir, began: time.Now(),
		starter: process.NewStarter(), cluster: process.Cluster{Workers: process.Workers{Kind: "taskmanager"}},
		files: schemes.New(), root: filepath.Join(dir, "checkpoints"), work: filepath.Join(dir, "work"),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if p.Storage.root != "" { // others may use it too, and this run's seed again
		c.root = filesystem.Join(p.Storage.root, fmt.Sprintf("run-%x-%016x", time.Now().UnixNano(), spec.Seed))
	}
	for _, made := range []string{c.root, c.work} {
		if err := c.files.MkdirAll(made); err != nil {
			return nil, err
		}
	}
	if c.client, err = live.Listen(loopback, c.files, io.Discard); err != nil {
		return nil, err
	}
	arguments := []string{"jobmanager", "--listen", loopback}
	for key, value := range clusterOf(spec, p.Storage) {
		arguments = append(arguments, "-D", key+"="+value)
	}
	jobManager := c.command(arguments...)
	if c.cluster.Master, err = c.starter.Start(dir, "jobmanager", jobManager); err != nil {
		return nil, err
	}
	c.cluster.Log = process.NewTail(c.cluster.Master.Log)
	if err := c.until(ctx, "the JobManager to listen", func() bool { return c.address != "" }); err != nil {
		return nil, err
	}
	return c, c.StartTaskManagers(ctx)
}

type processes struct {
	binary  string
	spec    harness.ClusterSpec
	dir     string
	files   filesystem.FileSystem
	root    string
	work    string
	began   time.Time
	starter *process.Starter
	client  *live.Process
	calls   int

	cluster    process.Cluster
	address    string // of the JobManager
	registered int    // TaskManagers ever
}

func (c *processes) Now() time.Duration           { return time.Since(c.began) }
func (c *processes) Files() filesystem.FileSystem { return c.files }
func (c *processes) Root() string                 { return c.root }
func (c *processes) Work() string                 { return c.work }

func (c *processes) TaskManagers() []string { return c.cluster.Workers.Names() }

func (c *processes) command(arguments ...string) *exec.Cmd {
	return exec.Command(c.binary, append([]string{"reference"}, arguments...)...)
}

// Step waits a little, and reads what the JobManager logged.
func (c *processes) Step(ctx context.Context) error {
	lines, err := c.cluster.Lines(ctx, pollEvery)
	if err != nil {
		return err
	}
	for _, line := range lines {
		var record environment.Record
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			return fmt.Errorf("the JobManager logged %q: %w", line, err)
		}
		c.observe(record)
	}
	return nil
}

func (c *processes) observe(record environment.Record) {
	switch {
	case record.Event == protocol.EventListening:
		c.address = record.Path
	case record.Event == protocol.EventTaskManager && record.Status == "registered":
		c.registered++
	}
	if event, ok := observed(record); ok {
		c.spec.Observe(event)
	}
}

func (c *processes) until(ctx context.Context, what string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !holds() {
		if err := c.Step(ctx); err != nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
	}
	return nil
}

func (c *processes) Submit(_ context.Context, submission harness.Submission) (id string, err error) {
	err = c.ask(func(client reference.Client) error {
		id = environment.NewID(client.Env)
		return client.Submit(jobOf(submission, id, c.root))
	})
	return id, err
}

func (c *processes) Cancel(_ context.Context, id string) error {
	return c.ask(func(client reference.Client) error { return client.Cancel(id) })
}

func (c *processes) Checkpoint(_ context.Context, id string) (checkpoint int64, err error) {
	err = c.ask(func(client reference.Client) error {
		checkpoint, err = client.Checkpoint(id, checkpointTimeout)
		return err
	})
	return checkpoint, err
}

func (c *processes) ask(question func(reference.Client) error) error {
	var answer error
	c.calls++
	c.client.Run(fmt.Sprintf("client-%d", c.calls), func(env environment.Environment) {
		to := environment.Address{Process: c.address, Task: reference.JobManagerTask}
		answer = question(reference.Client{Env: env, JobManager: to})
	})
	return refused(answer)
}

func (c *processes) Kill(_ context.Context, taskManager string) error {
	return c.cluster.Workers.Kill(taskManager)
}

func (c *processes) StartTaskManagers(ctx context.Context) error {
	wanted := c.registered + c.spec.TaskManagers - len(c.TaskManagers())
	err := c.cluster.Workers.Fill(c.spec.TaskManagers, func(name string) (*process.Process, error) {
		return c.starter.Start(c.dir, name, c.command("taskmanager", "--listen", loopback, "--jobmanager", c.address))
	})
	if err != nil {
		return err
	}
	return c.until(ctx, "the TaskManagers to register", func() bool { return c.registered >= wanted })
}

func (c *processes) Close() error {
	if c.client != nil {
		c.client.Close()
	}
	return c.starter.Close()
}
