package process

import (
	"errors"
	"fmt"
	"slices"
)

// Worker is a process of a cluster, wherever it runs.
type Worker interface {
	Name() string

	// Kill ends it as SIGKILL does, and waits for the end. That it has ended is no error.
	Kill() error

	// Pause makes it stand still, Slow leaves it a share of its time, in percent. Resume
	// is the inverse of both.
	Pause() error
	Slow(percent int64) error
	Resume() error

	// Ended returns an error that says how it ended; nil while it runs.
	Ended() error
}

// Workers are the processes of one kind, of which a cluster has a number.
type Workers struct {
	Kind    string // what their names begin with
	running []Worker
	started int // ever
}

// Fill starts as many as are missing to n. Each has a name that none had before.
func (w *Workers) Fill(n int, start func(name string) (Worker, error)) error {
	for len(w.running) < n {
		w.started++
		p, err := start(fmt.Sprintf("%s-%d", w.Kind, w.started))
		if err != nil {
			return err
		}
		w.running = append(w.running, p)
	}
	return nil
}

// Names returns the names of those that were not killed.
func (w *Workers) Names() []string {
	var names []string
	for _, p := range w.running {
		names = append(names, p.Name())
	}
	return names
}

// Ended returns an error if one of them ended by itself.
func (w *Workers) Ended() error {
	for _, p := range w.running {
		if err := p.Ended(); err != nil {
			return err
		}
	}
	return nil
}

// Cluster is the processes that scenarios do things to.
type Cluster struct {
	JobManagers, TaskManagers Workers

	hampered []Worker // that stand still or are slow
}

// NewCluster returns a cluster without processes.
func NewCluster() Cluster {
	return Cluster{JobManagers: Workers{Kind: "jobmanager"}, TaskManagers: Workers{Kind: "taskmanager"}}
}

// Ended returns an error if one of the processes ended by itself.
func (c *Cluster) Ended() error {
	return errors.Join(c.JobManagers.Ended(), c.TaskManagers.Ended())
}

func (c *Cluster) find(name string) (*Workers, int, error) {
	for _, workers := range []*Workers{&c.JobManagers, &c.TaskManagers} {
		if at := slices.Index(workers.Names(), name); at >= 0 {
			return workers, at, nil
		}
	}
	return nil, 0, fmt.Errorf("there is no process %s", name)
}

// Kill kills the process with the given name.
func (c *Cluster) Kill(name string) error {
	workers, at, err := c.find(name)
	if err != nil {
		return err
	}
	p := workers.running[at]
	workers.running = slices.Delete(workers.running, at, at+1)
	return p.Kill()
}

// Pause makes the process with the given name stand still.
func (c *Cluster) Pause(name string) error { return c.hamper(name, Worker.Pause) }

// Slow leaves the process with the given name a share of its time, in percent.
func (c *Cluster) Slow(name string, percent int64) error {
	return c.hamper(name, func(w Worker) error { return w.Slow(percent) })
}

func (c *Cluster) hamper(name string, how func(Worker) error) error {
	workers, at, err := c.find(name)
	if err != nil {
		return err
	}
	c.hampered = append(c.hampered, workers.running[at])
	return how(workers.running[at])
}

// Resume lets go on whatever stands still or is slow, and still runs.
func (c *Cluster) Resume() error {
	var failed error
	for _, w := range c.hampered {
		if w.Ended() == nil {
			failed = errors.Join(failed, w.Resume())
		}
	}
	c.hampered = nil
	return failed
}
