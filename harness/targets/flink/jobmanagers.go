package flink

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/network"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/internal/process"
	"github.com/snapback/snapback/harness/target"
)

// jobManager is a JobManager that was started, and its log.
type jobManager struct {
	name      string
	url       string // URL of its REST API
	log       *process.Tail
	watcher   watcher
	listening bool // whether its REST API listens
}

// These patterns match lines that each JobManager logs.
var (
	electedLine     = regexp.MustCompile(`was granted leadership with (?:leaderSessionID|fencing token|leader id)`)
	restListensLine = regexp.MustCompile(`Rest endpoint listening at `)
)

// StartJobManagers implements [target.JobManagerKiller]. Without high availability a new JobManager
// runs no job.
func (c *cluster) StartJobManagers(ctx context.Context) error {
	for _, worker := range c.dying {
		if err := worker.Kill(); err != nil { // waits for the end, so that its ports are free again
			return err
		}
	}
	c.dying = nil
	var started []*jobManager
	err := c.processes.JobManagers.Fill(max(1, c.spec.JobManagers), func(name string) (process.Worker, error) {
		jm, worker, err := c.startJobManager(ctx, name)
		started = append(started, jm)
		return worker, err
	})
	if err != nil || len(started) == 0 {
		return err
	}
	if err := c.until(ctx, "the JobManagers to listen, and one to lead", func() bool {
		return c.JobManager() != "" && !slices.ContainsFunc(started, func(jm *jobManager) bool { return !jm.listening })
	}); err != nil {
		return err
	}
	if !slices.Contains(started, c.leader) {
		return nil
	}
	return c.upload(ctx)
}

// startJobManager starts a JobManager. With high availability, each has a REST API of its own.
func (c *cluster) startJobManager(ctx context.Context, name string) (*jobManager, process.Worker, error) {
	restPort, host := c.restPort, string(faults.JobManager)
	settings := map[string]string{}
	if c.spec.JobManagers > 0 {
		var err error
		if restPort, err = network.FreePort(); err != nil {
			return nil, nil, err
		}
		host = name
		if settings, err = c.behind(host, "jobmanager.rpc.address", "jobmanager.bind-host", "high-availability.jobmanager.port", "blob.server.port"); err != nil {
			return nil, nil, err
		}
		settings["rest.port"] = restPort
	}
	jm := &jobManager{name: name, url: "http://" + net.JoinHostPort(loopback, restPort), log: process.NewTail(c.logOf(name))}
	jm.watcher = newWatcher(func(id string, number int64) string {
		return savepointAt(c.Files(), c.root, id, number)
	})
	c.jobManagers = append(c.jobManagers, jm)
	// The REST API finds the log by the property log.file. TaskManagers do not get the
	// property, because RocksDB would derive the name of its own log from the property. That
	// name is too long for a file.
	worker, err := c.start(ctx, name, host, restPort, []string{"-Xmx256m", "-Dlog.file=" + c.logOf(name)},
		"org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint", options(settings)...)
	return jm, worker, err
}

// read reads what a JobManager logged since the last call of read. It ignores the events of a
// JobManager that does not lead any more: after a pause, such a JobManager may still log.
func (c *cluster) read(jm *jobManager) error {
	lines, err := jm.log.Lines()
	if err != nil {
		return err
	}
	for _, line := range lines {
		jm.listening = jm.listening || restListensLine.MatchString(line)
		if electedLine.MatchString(line) {
			c.leader, c.rest.url = jm, jm.url
		}
		jm.watcher.observe([]string{line}, func(event history.Event) {
			if jm == c.leader {
				c.spec.Observe(event)
			}
		})
	}
	return nil
}

// Suspend implements [target.Suspender]. Users of Flink cannot suspend one job. A JobManager suspends
// its jobs when it is asked to end. So Suspend ends the JobManager that leads.
func (c local) Suspend(ctx context.Context, id string) error {
	leader := c.leader
	worker, err := c.processes.Release(leader.name)
	if err != nil {
		return &target.RefusedError{Why: fmt.Sprintf("suspend job %s: no JobManager leads", id)}
	}
	asked, ok := worker.(*process.Process)
	if !ok {
		return fmt.Errorf("suspend job %s: %s is a %T, not a process of this machine", id, worker.Name(), worker)
	}
	if err := asked.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for worker.Ended() == nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to end: %w; see %s", leader.name, ctx.Err(), c.logOf(leader.name))
		case <-time.After(pollEvery):
		}
	}
	// The log is read before another JobManager leads, because only the leader's events count.
	return c.read(leader)
}

// led waits until a running JobManager leads. Without high availability it does not wait, because
// nobody takes the place of a killed JobManager.
func (c *cluster) led(ctx context.Context) error {
	if c.spec.JobManagers == 0 {
		return nil
	}
	return c.until(ctx, "a JobManager to lead", func() bool { return c.JobManager() != "" })
}

// JobManagers implements [target.JobManagerKiller].
func (c *cluster) JobManagers() []string { return c.processes.JobManagers.Names() }

// JobManager implements [target.JobManagerKiller].
func (c *cluster) JobManager() string {
	if c.leader == nil || !slices.Contains(c.JobManagers(), c.leader.name) {
		return ""
	}
	return c.leader.name
}
