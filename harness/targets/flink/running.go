package flink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/internal/process"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// RunningRuntime is the name of the runtime for clusters that somebody else started.
const RunningRuntime = "running"

const (
	connectTimeout = 5 * time.Second
	observeEvery   = 200 * time.Millisecond // not shorter, because Flink sends the whole log each time
)

// Running is a session cluster that somebody else started. The harness knows the URL of its REST
// API, and reads the JobManager's log through that API. After a run the cluster is as it was before
// the run. During a run nobody else may start jobs on the cluster.
type Running struct {
	Target
	rest     *rest
	root     string // path of the checkpoint directory
	retained int
}

// Connect connects to the cluster with the given URL. The cluster's checkpoint directory must be a
// directory of this machine.
func Connect(ctx context.Context, at string, say func(string)) (Running, error) {
	parsed, err := url.Parse(at)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return Running{}, harness.Usagef("--rest: want a URL such as http://localhost:8081, got %q", at)
	}
	r := Running{rest: newREST(strings.TrimSuffix(at, "/"))}
	limited, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var about struct {
		Version string `json:"flink-version"`
	}
	if err := r.rest.call(limited, http.MethodGet, "/config", nil, &about); err != nil {
		return Running{}, harness.Usagef("--rest: no Flink answers at %s: %w", at, err)
	}
	if err := r.readConfiguration(limited); err != nil {
		return Running{}, err
	}
	r.Target, err = Provision(ctx, Options{Version: about.Version}, say)
	return r, err
}

// readConfiguration reads where the cluster stores its checkpoints, and how many checkpoints it
// retains.
func (r *Running) readConfiguration(ctx context.Context) error {
	var entries []struct{ Key, Value string }
	if err := r.rest.call(ctx, http.MethodGet, "/jobmanager/config", nil, &entries); err != nil {
		return err
	}
	configured := map[string]string{}
	for _, entry := range entries {
		configured[entry.Key] = entry.Value
	}
	first := func(keys ...string) string {
		for _, key := range keys {
			if value, ok := configured[key]; ok {
				return strings.Trim(value, `"`)
			}
		}
		return ""
	}
	r.retained = 1
	if text := first("execution.checkpointing.num-retained", "state.checkpoints.num-retained"); text != "" {
		number, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("the cluster's execution.checkpointing.num-retained is %q", text)
		}
		r.retained = number
	}
	dir := first("execution.checkpointing.dir", "state.checkpoints.dir")
	if dir == "" {
		return harness.Usagef("--rest: the cluster has no execution.checkpointing.dir; set it to a directory of this machine, such as file:///tmp/checkpoints")
	}
	root, err := storage.ParseDir(dir)
	if err != nil {
		return harness.Usagef("--rest: %w", err)
	}
	r.root = root
	return nil
}

// Describe implements [target.Target].
func (r Running) Describe() history.Target {
	return history.Target{Name: Name, Runtime: RunningRuntime, Version: r.version}
}

// Claims implements [target.Target].
func (Running) Claims() []scenarios.Feature {
	return []scenarios.Feature{scenarios.Resume, scenarios.Retention, scenarios.Workloads}
}

// Honours implements [target.Target]. Somebody else has configured the cluster.
func (r Running) Honours(f target.Field) bool {
	return f.Name != target.ClusterSettings && r.Target.Honours(f)
}

// Cluster implements [target.Target]. The cluster has no capabilities, because the harness does not
// touch processes that it did not start.
func (Running) Cluster() target.Cluster { return (*runningCluster)(nil) }

// Start implements [target.Target]. It starts no process. It checks that the cluster is suitable
// for the scenario.
func (r Running) Start(ctx context.Context, spec target.Spec) (target.Cluster, error) {
	if r.retained != spec.Retained {
		return nil, fmt.Errorf("the scenario needs a cluster that retains %d checkpoints, but this cluster retains %d (execution.checkpointing.num-retained)", spec.Retained, r.retained)
	}
	free, err := r.rest.freeSlots(ctx)
	if err != nil {
		return nil, err
	}
	if free < spec.TaskManagers {
		return nil, fmt.Errorf("the scenario needs %d free slots, but the cluster has %d", spec.TaskManagers, free)
	}
	dir, err := filepath.Abs(spec.Dir)
	if err != nil {
		return nil, err
	}
	c := &runningCluster{
		client:  client{target: r.Target, rest: r.rest, starter: process.NewStarter(), dir: dir, root: r.root},
		running: r, spec: spec, work: filepath.Join(dir, "work"), began: time.Now(),
	}
	c.watcher = newWatcher(func(id string, number int64) string {
		return savepointAt(c.Files(), r.root, id, number)
	})
	c.step = c.Step
	for _, made := range []string{c.work, r.root} {
		if err := os.MkdirAll(made, 0o755); err != nil {
			return nil, err
		}
	}
	// Flink's command line needs only these two keys, the address and the port of the REST API, to
	// find the cluster.
	at, err := url.Parse(r.rest.url)
	if err != nil {
		return nil, err
	}
	if err := c.writeConfig(fmt.Sprintf("rest.address: %s\nrest.port: %s\n", at.Hostname(), cmp.Or(at.Port(), "80"))); err != nil {
		return nil, err
	}
	_, c.seen, err = r.rest.log(ctx, 0) // skips what was logged before the run
	if err != nil {
		return nil, harness.Usagef("--rest: the cluster must serve its JobManager's log: %w", err)
	}
	return c, c.upload(ctx)
}

// runningCluster is a running cluster during one scenario.
type runningCluster struct {
	client
	running Running
	spec    target.Spec
	work    string
	began   time.Time
	watcher watcher
	jobs    []string // ids of the submitted jobs
	seen    int64    // number of bytes of the JobManager's log that were read so far
}

func (c *runningCluster) Now() time.Duration           { return time.Since(c.began) }
func (c *runningCluster) Files() filesystem.FileSystem { return filesystem.Local{} }
func (c *runningCluster) Root() string                 { return c.running.root }
func (c *runningCluster) Work() string                 { return c.work }

// Log implements [target.Logged].
func (c *runningCluster) Log() string { return c.rest.url + "/jobmanager/log" }

// Submit submits a job. If the job still runs when the cluster is closed, Close cancels the job.
func (c *runningCluster) Submit(ctx context.Context, submission target.Submission) (string, error) {
	id, err := c.client.Submit(ctx, submission)
	if err == nil {
		c.jobs = append(c.jobs, id)
	}
	return id, err
}

// Close cancels the scenario's jobs that still run, and deletes the workload's jar. Afterwards the
// cluster is as it was before the run.
func (c *runningCluster) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	failed := c.starter.Close()
	for _, id := range c.jobs {
		var ended *target.RefusedError
		if err := c.Cancel(ctx, id); err != nil && !errors.As(err, &ended) {
			failed = errors.Join(failed, err)
		}
	}
	return errors.Join(failed, c.rest.call(ctx, http.MethodDelete, "/jars/"+c.jarID, nil, nil))
}

// Step waits a moment, and reads what the JobManager logged in this time.
func (c *runningCluster) Step(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(observeEvery):
	}
	lines, seen, err := c.rest.log(ctx, c.seen)
	if err != nil {
		return err
	}
	c.seen = seen
	c.watcher.observe(lines, c.spec.Observe)
	return nil
}
