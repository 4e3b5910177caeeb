//go:build !simulated

package reference

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/network"
	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/internal/process"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/live"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/schemes"
)

const (
	pollEvery    = time.Millisecond
	startTimeout = 30 * time.Second
	loopback     = "127.0.0.1:0"
)

// Processes is the reference engine as operating system processes that listen on loopback.
type Processes struct {
	Binary  string // path of the snapback program, which contains the engine
	Storage Storage
}

// Describe implements [target.Target].
func (p Processes) Describe() history.Target { return describe("processes", p.Storage) }

// Claims implements [target.Target].
func (p Processes) Claims() []scenarios.Feature { return claims() }

// Honours implements [target.Target].
func (Processes) Honours(f target.Field) bool { return honours(f) }

// Cluster implements [target.Target]. Connections between processes can be disturbed only on Linux.
// Connections to storage can be disturbed only for some storages.
func (p Processes) Cluster() target.Cluster { return p.equip(nil) }

// equip adds to a cluster the capabilities that are possible on this machine.
func (p Processes) equip(c *processes) target.Cluster {
	switch {
	case runtime.GOOS != "linux":
		return c
	case p.Storage.remote():
		return remote{networked{c}}
	}
	return networked{c}
}

// Start implements [target.Target].
func (p Processes) Start(ctx context.Context, spec target.Spec) (_ target.Cluster, err error) {
	dir, err := filepath.Abs(spec.Dir)
	if err != nil {
		return nil, err
	}
	c := &processes{
		binary: p.Binary, spec: spec, dir: dir, began: time.Now(),
		starter: process.NewStarter(), processes: process.NewCluster(),
		files: schemes.New(), root: filepath.Join(dir, "checkpoints"), work: filepath.Join(dir, "work"),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if p.Storage.root != "" { // other runs may use the same storage, and even the same seed
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
	if slices.ContainsFunc(spec.Needs, func(f scenarios.Feature) bool {
		return slices.Contains([]scenarios.Feature{scenarios.Partition, scenarios.Bandwidth, scenarios.Network, scenarios.Remote}, f)
	}) {
		if err := c.connect(p.Storage); err != nil {
			return nil, err
		}
	}
	for key, value := range clusterOf(spec, p.Storage) {
		c.configuration = append(c.configuration, "-D="+key+"="+value)
	}
	slices.Sort(c.configuration)
	if err := c.startStore(ctx); err != nil {
		return nil, err
	}
	if err := c.StartJobManagers(ctx); err != nil {
		return nil, err
	}
	return p.equip(c), c.StartTaskManagers(ctx)
}

// processes is a running cluster of processes.
type processes struct {
	binary  string
	spec    target.Spec
	dir     string
	files   filesystem.FileSystem
	root    string
	work    string
	began   time.Time
	starter *process.Starter
	network *network.Network // disturbs connections; nil: no connection can be disturbed
	objects string           // URL at which the processes find S3; empty: they use the same URL as the harness
	client  *live.Process
	calls   int

	configuration []string // flags of the JobManagers
	store         *process.Process
	storeLog      *process.Tail
	endpoint      string // URL of the highly available store; empty if there is no store
	processes     process.Cluster
	logs          []*jobManagerLog
	leader        *jobManagerLog // the JobManager that was elected last; without high availability, the only JobManager
	registered    int            // number of all TaskManagers that have registered
}

// jobManagerLog is the log of a JobManager, and the address at which the JobManager listens.
type jobManagerLog struct {
	name    string
	tail    *process.Tail
	address string
}

// startStore starts an etcd if the cluster needs high availability.
func (c *processes) startStore(ctx context.Context) (err error) {
	if c.spec.JobManagers == 0 {
		return nil
	}
	if c.store, err = c.start("etcd", "", []string{"etcd", "--dir", filepath.Join(c.dir, "etcd")}); err != nil {
		return err
	}
	c.storeLog = process.NewTail(c.store.Log)
	return c.until(ctx, "etcd to listen", func() bool { return c.endpoint != "" })
}

func (c *processes) Now() time.Duration           { return time.Since(c.began) }
func (c *processes) Files() filesystem.FileSystem { return c.files }
func (c *processes) Root() string                 { return c.root }
func (c *processes) Work() string                 { return c.work }

func (c *processes) TaskManagers() []string { return c.processes.TaskManagers.Names() }

// connect creates a network that can disturb the connections of all processes that start later.
func (c *processes) connect(s Storage) (err error) {
	c.network = network.New()
	c.network.Outside(c.client.Address())
	endpoint := os.Getenv(s3Endpoint)
	if !strings.HasPrefix(s.root, "s3://") || endpoint == "" {
		return nil
	}
	// The processes dial through a SOCKS5 server of this network, which the environment variable
	// ALL_PROXY names. But an S3 client ignores this variable, because Go's HTTP client does not
	// read it. So the S3 client gets another endpoint: an address at which this network itself
	// listens and from which it forwards everything to S3.
	at, err := url.Parse(endpoint)
	if err != nil {
		return harness.Usagef("%s: %w", s3Endpoint, err)
	}
	at.Host, err = c.network.Storage(at.Host)
	c.objects = at.String()
	return err
}

// start starts a process that listens at the given address. If the address is empty, the process
// chooses an address.
func (c *processes) start(name, address string, arguments []string) (*process.Process, error) {
	command := exec.Command(c.binary, append([]string{"reference"}, arguments...)...)
	listenAt := cmp.Or(address, loopback)
	if c.network != nil {
		var inPlaceAt string
		if address != "" {
			inPlaceAt, _, _ = net.SplitHostPort(address) // this cannot fail, because a process has listened at this address
		}
		host, through, err := c.network.Join(name, inPlaceAt)
		if err != nil {
			return nil, err
		}
		listenAt = cmp.Or(address, net.JoinHostPort(host, "0"))
		command.Env = append(os.Environ(), network.Environment+"="+through)
		if c.objects != "" {
			command.Env = append(command.Env, s3Endpoint+"="+c.objects)
		}
	}
	command.Args = append(command.Args, "--listen", listenAt)
	return c.starter.Start(c.dir, name, command)
}

// Step waits a moment, and reads what the JobManagers logged in this time.
func (c *processes) Step(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pollEvery):
	}
	if err := c.processes.Ended(); err != nil {
		return err
	}
	if c.storeLog != nil && c.endpoint == "" {
		if err := cmp.Or(c.store.Ended(), c.read(c.storeLog, func(r environment.Record) { c.endpoint = "http://" + r.Path })); err != nil {
			return err
		}
	}
	for _, log := range c.logs {
		if err := c.read(log.tail, func(r environment.Record) { c.observe(log, r) }); err != nil {
			return err
		}
	}
	return nil
}

func (c *processes) read(tail *process.Tail, observe func(environment.Record)) error {
	lines, err := tail.Lines()
	if err != nil {
		return err
	}
	for _, line := range lines {
		var record environment.Record
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			return fmt.Errorf("a process logged %q: %w", line, err)
		}
		observe(record)
	}
	return nil
}

// observe handles a record that a JobManager logged. It ignores records of an earlier leader: after
// a pause, an earlier leader may still log.
func (c *processes) observe(log *jobManagerLog, record environment.Record) {
	switch {
	case record.Event == protocol.EventListening:
		log.address = record.Path
	case record.Event == protocol.EventLeader && record.Status == "elected":
		c.leader = log
		c.spec.Observe(history.Event{Kind: history.Leads, Process: log.name})
	case record.Event == protocol.EventTaskManager && record.Status == "registered":
		c.registered++
	}
	if event, ok := observed(record); ok && log == c.leader {
		c.spec.Observe(event)
	}
}

// Log implements [target.Logged].
func (c *processes) Log() string {
	if c.leader == nil {
		return ""
	}
	return c.leader.tail.Name()
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

func (c *processes) Submit(_ context.Context, submission target.Submission) (id string, err error) {
	err = c.ask(func(client reference.Client) error {
		id = cmp.Or(submission.ID, environment.NewID(client.Env))
		wanted, err := jobOf(submission, id, c.root)
		if err != nil {
			return err
		}
		return client.Submit(wanted)
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
		to := environment.Address{Process: c.leader.address, Task: reference.JobManagerTask}
		answer = question(reference.Client{Env: env, JobManager: to})
	})
	return refused(answer)
}

func (c *processes) Kill(_ context.Context, name string) error {
	return c.processes.Kill(name)
}

func (c *processes) StartTaskManagers(ctx context.Context) error {
	wanted := c.registered + c.spec.TaskManagers - len(c.TaskManagers())
	err := c.processes.TaskManagers.Fill(c.spec.TaskManagers, func(name string) (process.Worker, error) {
		to := []string{"--jobmanager", c.leader.address}
		if c.endpoint != "" {
			to = []string{"--ha", c.endpoint}
		}
		return c.start(name, "", append([]string{"taskmanager"}, to...))
	})
	if err != nil {
		return err
	}
	return c.until(ctx, "the TaskManagers to register", func() bool { return c.registered >= wanted })
}

// StartJobManagers implements [target.JobManagerKiller]. Without high availability the JobManager
// returns at its old address, because the TaskManagers know no other address.
func (c *processes) StartJobManagers(ctx context.Context) error {
	listenAt := ""
	if c.spec.JobManagers == 0 && c.leader != nil {
		listenAt = c.leader.address
	}
	var started []*jobManagerLog
	err := c.processes.JobManagers.Fill(max(1, c.spec.JobManagers), func(name string) (process.Worker, error) {
		arguments := append([]string{"jobmanager"}, c.configuration...)
		if c.endpoint != "" {
			arguments = append(arguments, "--ha", c.endpoint)
		}
		p, err := c.start(name, listenAt, arguments)
		if err != nil {
			return nil, err
		}
		log := &jobManagerLog{name: name, tail: process.NewTail(p.Log)}
		c.logs = append(c.logs, log)
		started = append(started, log)
		if c.endpoint == "" {
			c.leader = log
		}
		return p, nil
	})
	if err != nil {
		return err
	}
	return c.until(ctx, "the JobManagers to listen and to elect a leader", func() bool {
		return c.leader != nil && !slices.ContainsFunc(started, func(log *jobManagerLog) bool { return log.address == "" })
	})
}

// JobManagers implements [target.JobManagerKiller].
func (c *processes) JobManagers() []string { return c.processes.JobManagers.Names() }

// JobManager implements [target.JobManagerKiller].
func (c *processes) JobManager() string {
	if names := c.processes.JobManagers.Names(); !slices.Contains(names, c.leader.name) {
		return ""
	}
	return c.leader.name
}

// Pause implements [target.Pauser].
func (c *processes) Pause(_ context.Context, name string) error { return c.processes.Pause(name) }

// Slow implements [target.Slower].
func (c *processes) Slow(_ context.Context, name string, percent int64) error {
	return c.processes.Slow(name, percent)
}

// Resume implements [target.Pauser].
func (c *processes) Resume(_ context.Context, name string) error { return c.processes.Resume(name) }

// Savepoint implements [target.Savepointer].
func (c *processes) Savepoint(_ context.Context, id string, stop scenarios.Stop) (path string, err error) {
	err = c.ask(func(client reference.Client) error {
		path, err = client.Savepoint(id, savepointDir(c.root), stopOf(stop), checkpointTimeout)
		return err
	})
	return path, err
}

// Suspend implements [target.Suspender].
func (c *processes) Suspend(_ context.Context, id string) error {
	return c.ask(func(client reference.Client) error { return client.Suspend(id) })
}

func (c *processes) Close() error {
	if c.client != nil {
		c.client.Close()
	}
	failed := c.starter.Close()
	if c.network != nil {
		failed = errors.Join(failed, c.network.Close())
	}
	return failed
}

// networked is a cluster whose connections between processes can be disturbed.
type networked struct{ *processes }

// Cut implements [target.Partitioner].
func (c networked) Cut(_ context.Context, name string) error {
	return c.network.Do(faults.Fault{Action: faults.Cut{}}, name)
}

// Break implements [target.Disturber].
func (c networked) Break(_ context.Context, name string) error {
	return c.network.Do(faults.Fault{Action: faults.Break{}}, name)
}

// Lag implements [target.Disturber].
func (c networked) Lag(_ context.Context, name string, delay time.Duration) error {
	return c.network.Do(faults.Fault{Action: faults.Lag{Delay: delay}}, name)
}

// Limit implements [target.Limiter].
func (c networked) Limit(_ context.Context, name string, kilobytesPerSecond int64) error {
	return c.network.Do(faults.Fault{Action: faults.Limit{KilobytesPerSecond: kilobytesPerSecond}}, name)
}

// Heal implements [target.Healer].
func (c networked) Heal(context.Context) error {
	return c.network.Do(faults.Fault{Action: faults.Heal{}}, "")
}

// remote is a cluster whose connections to storage can also be disturbed.
type remote struct{ networked }

// StorageEnd implements [target.Remote].
func (remote) StorageEnd() string { return string(faults.Storage) }
