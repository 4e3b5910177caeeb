package flink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/fuse"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/internal/process"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/schemes"
)

// MiniclusterRuntime is the runtime of a Flink in one JVM.
const MiniclusterRuntime = "minicluster"

// Minicluster is a Flink that runs in one JVM. Its checkpoints go through a FUSE mount, which sees
// every operation and knows what a power loss would leave. If a scenario needs neither, they are in
// a plain directory. On S3 they go through a proxy before the server; see [Target.OnStorage].
type Minicluster struct {
	Target

	survived *minicluster       // the cluster before a power loss or an upgrade, whose storage is used again; nil: there was none
	left     *filesystem.Memory // the files that the power loss left on that mount
}

// Describe implements [target.Target].
func (m Minicluster) Describe() history.Target {
	return history.Target{Name: Name, Runtime: MiniclusterRuntime, Version: m.version, Next: m.next, Storage: m.describeStorage()}
}

// Claims implements [target.Target]. One JVM has one JobManager.
func (Minicluster) Claims() []scenarios.Feature { return claims() }

// Cluster implements [target.Target].
func (m Minicluster) Cluster() target.Cluster { return m.equip(nil) }

// equip adds to a cluster the capabilities that its storage gives.
func (m Minicluster) equip(c *minicluster) target.Cluster {
	switch {
	case m.Hadoop != nil:
		return c
	case m.Objects != nil:
		return tapped{c}
	}
	return mounted{tapped{c}}
}

// minicluster is a running [Minicluster]. Its only process, the JVM, counts as the JobManager. Its
// TaskManagers are parts of the JVM, so the harness cannot kill them, but lets the JVM terminate
// them.
type minicluster struct {
	client
	target Minicluster
	pool   *Pool           // the pool that lends the JVM; nil: the cluster has a JVM of its own
	stop   <-chan struct{} // is closed when the run is told to stop
	spec   target.Spec
	began  time.Time
	taps   *tap.Tap
	mount  *fuse.Mount  // nil if checkpoints are in a plain directory or in an object store
	proxy  *http.Server // stands before the object store; nil if there is none
	files  filesystem.FileSystem
	work   string

	host, dying  *host // the JVM, and the JVM that was killed
	log          *process.Tail
	watcher      watcher
	taskManagers []string
	started      int               // number of all TaskManagers that were started so far
	before       int               // number of TaskManagers that were started in earlier JVMs; each cluster counts from 0
	handedOver   bool              // a later cluster owns the mount
	upgraded     bool              // a later cluster of another release also owns the tap, with the armed faults
	settings     map[string]string // further keys of the configuration
	sets         chan func()       // functions of faults that fire during an operation; Step runs them
}

// Start implements [target.Target].
func (m Minicluster) Start(ctx context.Context, spec target.Spec) (target.Cluster, error) {
	return m.start(ctx, spec, nil)
}

// start starts a cluster, in a JVM of the pool if there is one.
func (m Minicluster) start(ctx context.Context, spec target.Spec, pool *Pool) (_ target.Cluster, err error) {
	dir, err := filepath.Abs(spec.Dir)
	if err != nil {
		return nil, err
	}
	c := &minicluster{
		client: client{target: m.Target, starter: process.NewStarter(), dir: dir}, target: m, pool: pool, stop: ctx.Done(),
		spec: spec, began: time.Now(), work: filepath.Join(dir, "work"),
	}
	c.taps, c.sets = newTap()
	c.step = c.Step
	if err := c.open(m, dir); err != nil {
		return nil, errors.Join(err, c.starter.Close())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	return m.equip(c), c.startJVM(ctx)
}

// open prepares a place for checkpoints. Operations on this place pass through the tap.
func (c *minicluster) open(m Minicluster, dir string) (err error) {
	s := m.survived
	if s != nil {
		c.began, c.started, c.mount = s.began, s.started, s.mount
		if s.upgraded {
			c.taps, c.sets = s.taps, s.sets
		}
	}
	switch {
	case m.Objects != nil || m.Hadoop != nil:
		return c.openRemote()
	case c.mount != nil:
		if m.left != nil {
			c.mount.Replace(m.left)
		}
		c.mount.Tap(c.taps)
	case !slices.Contains(c.spec.Needs, scenarios.Tap) && !slices.Contains(c.spec.Needs, scenarios.PowerLoss):
		c.root, c.files = filepath.Join(dir, "checkpoints"), filesystem.Local{}
		return os.MkdirAll(c.root, 0o755)
	default:
		if c.mount, err = fuse.New(filepath.Join(dir, "checkpoints"), c.taps, thread); err != nil {
			return err
		}
	}
	c.root = c.mount.Dir
	// The harness reads files on the FUSE mount directly from the memory of the mount. It does not
	// go through the kernel and the tap, so its own reads never fire a fault.
	c.files = split{FileSystem: filesystem.Local{}, mounted: c.mount.Files(), dir: c.mount.Dir}
	return nil
}

// openRemote prepares a directory on S3 or HDFS.
func (c *minicluster) openRemote() (err error) {
	c.root, c.files = c.client.target.newRoot(), schemes.New()
	objects := c.client.target.Objects
	switch {
	case objects == nil:
		return nil
	case objects.Direct:
		c.settings = objects.settings(objects.Endpoint)
	default:
		c.proxy, c.settings, err = objects.proxied(c.taps)
	}
	return err
}

// thread returns the kind of process, JobManager or TaskManager, to which a thread of the JVM would
// belong in a real cluster. The parameter id is the kernel's id of the thread. The name of the
// thread shows the kind.
func thread(id int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", id))
	if err == nil && (strings.HasPrefix(string(name), "jobmanager") || strings.HasPrefix(string(name), "flink-pekko") || strings.HasPrefix(string(name), "flink-akka")) {
		return jvmName
	}
	return string(faults.TaskManager)
}

func (c *minicluster) startJVM(ctx context.Context) error {
	for _, dir := range []string{c.work, filepath.Join(c.dir, "tmp")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := c.configure("0"); err != nil {
		return err
	}
	c.before = c.started
	name := fmt.Sprintf("minicluster-%d", c.started)
	c.log = process.NewTail(c.logOf(name))
	c.watcher = newWatcher(func(id string, number int64) string {
		return savepointAt(c.files, c.root, id, number)
	})
	var err error
	if c.pool != nil {
		c.host, err = c.pool.take(ctx)
	} else {
		c.host, err = startHost(ctx, &c.client, name)
	}
	if err != nil {
		return err
	}
	if err := c.beginCluster(ctx, c.logOf(name)); err != nil {
		return err
	}
	for range c.spec.TaskManagers {
		c.begin()
	}
	at, err := url.Parse(c.rest.url)
	if err != nil {
		return err
	}
	// Flink's command line reads the cluster's address from the file that configure writes.
	return errors.Join(c.configure(at.Port()), c.upload(ctx))
}

// beginCluster lets the JVM start the cluster, and waits until the cluster listens.
func (c *minicluster) beginCluster(ctx context.Context, log string) error {
	type answer struct {
		url string
		err error
	}
	answered := make(chan answer, 1)
	go func(h *host) {
		url, err := h.command(ctx, "/begin", c.configDir(), fmt.Sprint(c.spec.TaskManagers), log)
		answered <- answer{url, err}
	}(c.host)
	return c.until(ctx, "the cluster to listen", func() (bool, error) {
		select {
		case a := <-answered:
			c.rest = newREST(a.url)
			c.rest.sets = c.sets
			return true, a.err
		default:
			return false, nil
		}
	})
}

func (c *minicluster) configure(restPort string) error {
	values := map[string]any{
		"Dir": c.dir, "Root": filesystem.URL(c.Root()), "RPCPort": 0, "RESTPort": restPort, "Retained": c.spec.Retained,
		"Listen": loopback, "JobManager": loopback, "Patience": patience(c.spec),
	}
	settings := clusterSettings(c.spec.Cluster, filesystem.URL(c.Root()))
	maps.Copy(settings, c.settings)
	return c.writeCluster(values, settings)
}

// until waits until holds() returns true. While it waits, it also carries out the faults that fire
// at operations on storage.
func (c *minicluster) until(ctx context.Context, what string, holds func() (bool, error)) error {
	limited, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		done, err := holds()
		if err == nil && !done {
			err = c.Step(limited)
		}
		if err != nil {
			return fmt.Errorf("wait for %s: %w; see the logs in %s", what, err, c.dir)
		}
		if done {
			return nil
		}
	}
}

// Submit implements [target.Cluster]. On a pool it submits all jobs through the REST API, because
// the command `flink run` would need a JVM for each job. In release 1.16 there is no other way.
func (c *minicluster) Submit(ctx context.Context, submission target.Submission) (string, error) {
	if c.pool == nil || !c.target.since(1, 17) {
		return c.client.Submit(ctx, submission)
	}
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	return c.post(ctx, submission, c.target.named(configuration(submission)))
}

// Step implements [target.Cluster].
func (c *minicluster) Step(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case set := <-c.sets:
		set()
	case <-time.After(pollEvery):
	}
	if c.host == nil {
		return nil
	}
	if err := c.host.jvm.Ended(); err != nil {
		return err
	}
	lines, err := c.log.Lines()
	if err != nil {
		return err
	}
	c.watcher.observe(lines, c.spec.Observe)
	return nil
}

func (c *minicluster) Now() time.Duration { return time.Since(c.began) }
func (c *minicluster) Root() string       { return c.root }
func (c *minicluster) Work() string       { return c.work }

// Log implements [target.Logged].
func (c *minicluster) Log() string { return c.log.Name() }

// Files implements [target.Cluster].
func (c *minicluster) Files() filesystem.FileSystem { return c.files }

// TaskManagers implements [target.Killer].
func (c *minicluster) TaskManagers() []string { return c.taskManagers }

// Kill implements [target.Killer].
func (c *minicluster) Kill(ctx context.Context, name string) error {
	if name == jvmName {
		// The JVM may be in the middle of an operation on the mount. Then the JVM cannot end before
		// that operation ends. So Kill does not wait for the end of the JVM.
		c.dying, c.host, c.taskManagers = c.host, nil, nil
		return c.dying.jvm.Signal(syscall.SIGKILL)
	}
	var index int
	if _, err := fmt.Sscanf(name, "taskmanager-%d", &index); err != nil || !slices.Contains(c.taskManagers, name) {
		return fmt.Errorf("terminate %s: no TaskManager of this name runs", name)
	}
	c.taskManagers = slices.DeleteFunc(c.taskManagers, func(other string) bool { return other == name })
	_, err := c.host.command(ctx, "/terminate", fmt.Sprint(index-1-c.before))
	return err
}

// jvmName is the name under which scenarios kill the JVM. It is the name of a JobManager.
const jvmName = string(faults.JobManager)

// begin adds a name for a TaskManager that was just started.
func (c *minicluster) begin() {
	c.started++
	c.taskManagers = append(c.taskManagers, fmt.Sprintf("taskmanager-%d", c.started))
}

// StartTaskManagers implements [target.Killer].
func (c *minicluster) StartTaskManagers(ctx context.Context) error {
	for len(c.taskManagers) < c.spec.TaskManagers {
		if _, err := c.host.command(ctx, "/start"); err != nil {
			return err
		}
		c.begin()
	}
	return nil
}

// JobManager implements [target.JobManagerKiller].
func (c *minicluster) JobManager() string {
	if c.host == nil {
		return ""
	}
	return jvmName
}

// JobManagers implements [target.JobManagerKiller].
func (c *minicluster) JobManagers() []string {
	if c.host == nil {
		return nil
	}
	return []string{jvmName}
}

// StartJobManagers implements [target.JobManagerKiller]. It starts another JVM, in which no job
// runs.
func (c *minicluster) StartJobManagers(ctx context.Context) error {
	if c.host != nil {
		return nil
	}
	if err := c.endKilled(); err != nil {
		return err
	}
	c.rest = nil
	return c.startJVM(ctx)
}

// endKilled waits for the end of the JVM that was killed. No pool can use it again.
func (c *minicluster) endKilled() error {
	dying := c.dying
	switch c.dying = nil; {
	case dying == nil:
		return nil
	case c.pool != nil:
		return dying.starter.Close()
	}
	return dying.jvm.Kill()
}

// tapped is a minicluster whose operations on checkpoints pass through a tap.
type tapped struct{ *minicluster }

// Tap implements [target.Tapped].
func (c tapped) Tap() *tap.Tap { return c.taps }

// mounted is a minicluster whose checkpoints are on the mount.
type mounted struct{ tapped }

// Disk implements [target.Durable].
func (c mounted) Disk(look func(*filesystem.Memory)) { c.mount.Disk(look) }

// AfterPowerLoss implements [target.Durable].
func (c mounted) AfterPowerLoss(left *filesystem.Memory) target.Target {
	c.handedOver = true
	after := c.target
	after.survived, after.left = c.minicluster, left
	return after
}

// Close implements [target.Cluster].
func (c *minicluster) Close() error {
	if c.pool != nil && !c.upgraded {
		c.taps.Disarm() // the cluster ends in order, and no fault may fire meanwhile
	}
	var failed error
	serve(c.sets, func() { failed = c.endJVM() })
	if !c.upgraded {
		c.taps.Disarm()
	}
	switch {
	case c.proxy != nil:
		failed = errors.Join(failed, c.proxy.Close())
	case c.mount != nil && (!c.handedOver || failed != nil):
		failed = errors.Join(failed, c.mount.Close())
	}
	return errors.Join(failed, c.removeLitter())
}

// endJVM ends the cluster's JVM, or returns it to the pool.
func (c *minicluster) endJVM() error {
	failed := errors.Join(c.endKilled(), c.starter.Close())
	if c.pool != nil && c.host != nil {
		failed = errors.Join(failed, c.pool.give(c.host, c.stop))
	}
	return failed
}

// split is the file system of this machine, with one exception: it reads files on the mount
// directly from the mount.
type split struct {
	filesystem.FileSystem
	mounted filesystem.FileSystem
	dir     string
}

func (s split) of(name string) filesystem.FileSystem {
	if _, below := filesystem.Relative(s.dir, name); below || name == s.dir {
		return s.mounted
	}
	return s.FileSystem
}

func (s split) Create(name string) (filesystem.File, error)  { return s.of(name).Create(name) }
func (s split) Open(name string) (io.ReadCloser, error)      { return s.of(name).Open(name) }
func (s split) Rename(oldName, newName string) error         { return s.of(oldName).Rename(oldName, newName) }
func (s split) Remove(name string) error                     { return s.of(name).Remove(name) }
func (s split) MkdirAll(name string) error                   { return s.of(name).MkdirAll(name) }
func (s split) List(name string) ([]filesystem.Entry, error) { return s.of(name).List(name) }
func (s split) Stat(name string) (filesystem.Entry, error)   { return s.of(name).Stat(name) }
func (s split) SyncDir(name string) error                    { return s.of(name).SyncDir(name) }
