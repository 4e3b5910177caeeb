package reference

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/simulation"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

// Simulated is the reference engine in the simulator: one seed decides
// everything, and time is virtual.
type Simulated struct {
	Storage Storage // in memory too: another scheme than file stands for an object store
}

// Describe implements [harness.Target].
func (s Simulated) Describe() history.Target { return describe("simulated", s.Storage) }

// Features implements [harness.Target].
func (Simulated) Features() []scenarios.Feature { return features() }

const (
	simulatedRoot       = "/checkpoints"
	simulatedWork       = "/jobs"
	simulatedJobManager = reference.JobManagerTask
)

// Start implements [harness.Target].
func (s Simulated) Start(ctx context.Context, spec harness.ClusterSpec) (harness.Cluster, error) {
	files := filesystem.NewMemory()
	root := cmp.Or(s.Storage.root, simulatedRoot)
	for _, dir := range []string{root, simulatedWork} {
		if err := files.MkdirAll(dir); err != nil {
			return nil, err
		}
	}
	c := &simulated{
		files:      files,
		root:       root,
		jobManager: environment.Address{Process: simulatedJobManager, Task: simulatedJobManager},
		wanted:     spec.TaskManagers,
	}
	c.world = simulation.New(spec.Seed, files, func(_ time.Duration, _ environment.Address, r environment.Record) {
		if event, ok := observed(r); ok {
			spec.Observe(event)
		}
	})
	c.world.Start(simulatedJobManager, func(env environment.Environment) {
		reference.JobManager(env, clusterOf(spec, s.Storage))
	})
	return c, c.StartTaskManagers(ctx)
}

type simulated struct {
	world        *simulation.World
	files        *filesystem.Memory
	root         string
	jobManager   environment.Address
	wanted       int
	taskManagers []string
	started      int // TaskManagers ever
	calls        int
}

func (c *simulated) Now() time.Duration           { return c.world.Now() }
func (c *simulated) Files() filesystem.FileSystem { return c.files }
func (c *simulated) Root() string                 { return c.root }
func (c *simulated) Work() string                 { return simulatedWork }
func (c *simulated) TaskManagers() []string       { return c.taskManagers }

func (c *simulated) Step(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !c.world.Step() {
		return errors.New("simulation: nothing will ever happen again")
	}
	return nil
}

func (c *simulated) Submit(ctx context.Context, submission harness.Submission) (id string, err error) {
	err = c.ask(ctx, func(client reference.Client) error {
		id = environment.NewID(client.Env)
		return client.Submit(jobOf(submission, id, c.root))
	})
	return id, err
}

func (c *simulated) Cancel(ctx context.Context, id string) error {
	return c.ask(ctx, func(client reference.Client) error { return client.Cancel(id) })
}

func (c *simulated) Checkpoint(ctx context.Context, id string) (checkpoint int64, err error) {
	err = c.ask(ctx, func(client reference.Client) error {
		checkpoint, err = client.Checkpoint(id, checkpointTimeout)
		return err
	})
	return checkpoint, err
}

// ask runs a client in a process of its own until it has its answer.
func (c *simulated) ask(ctx context.Context, question func(reference.Client) error) error {
	var answer error
	answered := false
	c.calls++
	c.world.Start(fmt.Sprintf("client-%d", c.calls), func(env environment.Environment) {
		answer = question(reference.Client{Env: env, JobManager: c.jobManager})
		answered = true
	})
	for !answered {
		if err := c.Step(ctx); err != nil {
			return err
		}
	}
	return refused(answer)
}

func (c *simulated) Kill(_ context.Context, taskManager string) error {
	c.world.Kill(taskManager)
	c.taskManagers = slices.DeleteFunc(c.taskManagers, func(name string) bool { return name == taskManager })
	return nil
}

func (c *simulated) StartTaskManagers(context.Context) error {
	for len(c.taskManagers) < c.wanted {
		c.started++
		name := fmt.Sprintf("taskmanager-%d", c.started)
		c.world.Start(name, func(env environment.Environment) { reference.TaskManager(env, c.jobManager, 1) })
		c.taskManagers = append(c.taskManagers, name)
	}
	return nil
}

func (c *simulated) Close() error {
	for _, name := range append(c.taskManagers, simulatedJobManager) {
		c.world.Kill(name)
	}
	return nil
}
