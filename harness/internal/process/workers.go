package process

import (
	"errors"
	"fmt"
	"slices"
)

// Worker is a process of a cluster, on this machine or in a container.
type Worker interface {
	Name() string

	// Kill ends the process as SIGKILL does, and waits for its end. If the process has already
	// ended, Kill returns no error.
	Kill() error

	// Pause stops the process until it is resumed.
	Pause() error

	// Slow lets the process run only for the given percentage of the time, until the process is
	// resumed.
	Slow(percent int64) error

	// Resume lets the process run at full speed again.
	Resume() error

	// Ended returns an error that says how the process ended. It returns nil while the process
	// runs.
	Ended() error
}

// Workers holds the processes of one kind in a cluster.
type Workers struct {
	Kind    string // the names of the processes begin with this text
	running []Worker
	started int // number of processes of this kind that were started so far
}

// Fill starts processes until n processes run. Each new process gets a name that no other process
// had before.
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

// Names returns the names of the processes that were not killed.
func (w *Workers) Names() []string {
	var names []string
	for _, p := range w.running {
		names = append(names, p.Name())
	}
	return names
}

// Ended returns an error if a process has ended although nobody killed it.
func (w *Workers) Ended() error {
	for _, p := range w.running {
		if err := p.Ended(); err != nil {
			return err
		}
	}
	return nil
}

// Cluster holds the processes that scenarios kill, pause and slow down.
type Cluster struct {
	JobManagers, TaskManagers Workers
	Brokers                   Workers // the Kafka broker beside the cluster

	hampered []Worker // the processes that are paused or slow
}

// NewCluster returns a cluster without processes.
func NewCluster() Cluster {
	return Cluster{JobManagers: Workers{Kind: "jobmanager"}, TaskManagers: Workers{Kind: "taskmanager"}, Brokers: Workers{Kind: "broker"}}
}

// Successor returns a cluster without processes. Its processes get names that no process of this
// cluster had.
func (c *Cluster) Successor() Cluster {
	next := NewCluster()
	next.JobManagers.started, next.TaskManagers.started = c.JobManagers.started, c.TaskManagers.started
	return next
}

// Ended returns an error if a process has ended although nobody killed it.
func (c *Cluster) Ended() error {
	return errors.Join(c.JobManagers.Ended(), c.TaskManagers.Ended(), c.Brokers.Ended())
}

func (c *Cluster) find(name string) (*Workers, int, error) {
	for _, workers := range []*Workers{&c.JobManagers, &c.TaskManagers, &c.Brokers} {
		if at := slices.Index(workers.Names(), name); at >= 0 {
			return workers, at, nil
		}
	}
	return nil, 0, fmt.Errorf("no process %s runs", name)
}

// Kill kills the process with the given name.
func (c *Cluster) Kill(name string) error {
	p, err := c.Release(name)
	if err != nil {
		return err
	}
	return p.Kill()
}

// Release returns the process with the given name, and forgets the process. From now on the process
// may end.
func (c *Cluster) Release(name string) (Worker, error) {
	workers, at, err := c.find(name)
	if err != nil {
		return nil, err
	}
	p := workers.running[at]
	workers.running = slices.Delete(workers.running, at, at+1)
	return p, nil
}

// Pause stops the process with the given name until it is resumed.
func (c *Cluster) Pause(name string) error { return c.hamper(name, Worker.Pause) }

// Slow lets the process with the given name run only for the given percentage of the time.
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

// Resume lets the process with the given name run at full speed again, if it is paused or slow.
func (c *Cluster) Resume(name string) error {
	workers, at, err := c.find(name)
	if err != nil {
		return err
	}
	w := workers.running[at]
	if !slices.Contains(c.hampered, w) {
		return nil
	}
	c.hampered = slices.DeleteFunc(c.hampered, func(other Worker) bool { return other == w })
	return w.Resume()
}
