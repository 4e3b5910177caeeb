package reference

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/internal/layout"
	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/simulation"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
)

// Simulated is the reference engine in the simulator. One seed decides everything, and time is
// virtual.
type Simulated struct {
	// Storage is simulated in memory. A scheme other than file means that an object store is
	// simulated.
	Storage Storage

	survived *survived // what an earlier cluster left when it lost its power; nil if no power was lost
}

// survived is what stays after a power loss. It includes the time and the highly available store,
// which runs on other machines.
type survived struct {
	files          *filesystem.Memory
	world          *simulation.World
	started, calls int // the numbers of started TaskManagers and of client calls in the earlier cluster
}

// Describe implements [target.Target].
func (s Simulated) Describe() history.Target {
	described := describe("simulated", s.Storage)
	described.Promises = append(described.Promises, history.Subtasks)
	return described
}

// Claims implements [target.Target].
func (Simulated) Claims() []scenarios.Feature { return claims() }

// Honours implements [target.Target].
func (Simulated) Honours(f target.Field) bool { return honours(f) }

// View implements [target.Viewer]. All operations of the engine pass through the tap. The files of a
// workload are local files on every storage.
func (s Simulated) View() tap.View {
	view := tap.View{Kinds: []faults.Kind{
		faults.Create, faults.Read, faults.Write, faults.Sync, faults.Close, faults.Rename, faults.Remove, faults.Mkdir,
		faults.SyncDir, faults.Stat, faults.List,
	}}
	if s.Storage.simulatesObjects() {
		view.Kinds = append(view.Kinds, faults.Put, faults.Get, faults.Delete)
	}
	if s.Storage.jobManager {
		view.Phases = []faults.Phase{faults.Begin, faults.Metadata, faults.Publish, faults.Discard}
	}
	return view
}

// Cluster implements [target.Target].
func (Simulated) Cluster() target.Cluster { return (*simulated)(nil) }

const (
	simulatedRoot       = "/checkpoints"
	simulatedWork       = "/jobs"
	simulatedJobManager = reference.JobManagerTask
)

// The simulator loses the answer to a write to the highly available store with the probability
// 1/lostAnswers. The write itself may be done or not.
const lostAnswers = 20

// Start implements [target.Target].
func (s Simulated) Start(ctx context.Context, spec target.Spec) (target.Cluster, error) {
	c := &simulated{
		target: s, files: filesystem.NewMemory(), root: cmp.Or(s.Storage.root, simulatedRoot), wanted: spec.TaskManagers,
		paused: map[string]bool{}, slowed: map[string]int64{}, tap: tap.New(layout.Flink{}),
	}
	if s.survived != nil {
		c.files, c.started, c.calls = s.survived.files, s.survived.started, s.survived.calls
	}
	for _, dir := range []string{c.root, simulatedWork} { // these directories exist before the engine starts
		if err := filesystem.MkdirDurably(c.files, dir); err != nil {
			return nil, err
		}
	}
	log := func(_ time.Duration, from environment.Address, r environment.Record) {
		if r.Event == protocol.EventLeader && r.Status == "elected" {
			c.leader = from.Process
			spec.Observe(history.Event{Kind: history.Leads, Process: c.leader})
		}
		// With high availability, only records of the JobManager that leads count. After a pause,
		// an earlier leader may still log.
		if event, ok := observed(r); ok && (event.Kind == history.Subtask || spec.JobManagers == 0 || from.Process == c.leader) {
			spec.Observe(event)
		}
	}
	if s.survived != nil {
		c.world = s.survived.world.Successor(spec.Seed, c.files, log)
	} else {
		c.world = simulation.New(spec.Seed, c.files, log)
		if spec.JobManagers > 0 {
			c.world.AddStore(lostAnswers)
		}
	}
	c.world.Mount(func(process string, wait func(time.Duration)) filesystem.FileSystem {
		return c.tap.Files(c.files, process, wait)
	})
	c.configuration = clusterOf(spec, s.Storage)
	c.jobManagersWanted = max(1, spec.JobManagers)
	if err := c.StartJobManagers(ctx); err != nil {
		return nil, err
	}
	return c, c.StartTaskManagers(ctx)
}

type simulated struct {
	target            Simulated
	world             *simulation.World
	tap               *tap.Tap
	files             *filesystem.Memory
	root              string
	configuration     configuration.Configuration
	wanted            int // number of TaskManagers that should run
	jobManagersWanted int
	jobManagers       []string
	leader            string // the JobManager that was elected last
	paused            map[string]bool
	slowed            map[string]int64 // the percentage of the time for which each slowed process runs
	taskManagers      []string
	started           int // number of all TaskManagers that were started so far
	calls             int
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
	if len(c.slowed) > 0 {
		c.throttle()
	}
	if !c.world.Step() {
		return errors.New("simulation: no process can make progress any more")
	}
	return nil
}

// slice is the period of a slowed process. The process runs for a part of each period, and is
// paused for the rest.
const slice = 10 * time.Millisecond

// throttle pauses and resumes the slowed processes, so that each gets its percentage of the time.
func (c *simulated) throttle() {
	for _, process := range slices.Sorted(maps.Keys(c.slowed)) {
		if c.paused[process] {
			continue
		}
		if c.world.Now()%slice < slice*time.Duration(c.slowed[process])/100 {
			c.world.Resume(process)
		} else {
			c.world.Pause(process)
		}
	}
}

func (c *simulated) Submit(ctx context.Context, submission target.Submission) (id string, err error) {
	err = c.ask(ctx, func(client reference.Client) error {
		id = cmp.Or(submission.ID, environment.NewID(client.Env))
		wanted, err := jobOf(submission, id, c.root)
		if err != nil {
			return err
		}
		return client.Submit(wanted)
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

// ask starts a client in a simulated process of its own, and runs the simulation until the client
// has its answer.
func (c *simulated) ask(ctx context.Context, question func(reference.Client) error) error {
	var answer error
	answered := false
	c.calls++
	c.world.Start(fmt.Sprintf("client-%d", c.calls), func(env environment.Environment) {
		answer = question(reference.Client{Env: env, JobManager: environment.Address{Process: c.JobManager(), Task: simulatedJobManager}})
		answered = true
	})
	for !answered {
		if err := c.Step(ctx); err != nil {
			return err
		}
		if len(c.jobManagers)+len(c.taskManagers) == 0 {
			return errors.New("every process was killed meanwhile")
		}
	}
	return refused(answer)
}

func (c *simulated) Kill(_ context.Context, process string) error {
	c.world.Kill(process)
	same := func(name string) bool { return name == process }
	c.taskManagers = slices.DeleteFunc(c.taskManagers, same)
	c.jobManagers = slices.DeleteFunc(c.jobManagers, same)
	delete(c.paused, process)
	return nil
}

func (c *simulated) StartTaskManagers(context.Context) error {
	for len(c.taskManagers) < c.wanted {
		c.started++
		name := fmt.Sprintf("taskmanager-%d", c.started)
		jobManager := environment.Address{Process: simulatedJobManager, Task: simulatedJobManager}
		c.world.Start(name, func(env environment.Environment) { reference.TaskManager(env, jobManager, 1) })
		c.taskManagers = append(c.taskManagers, name)
	}
	return nil
}

// StartJobManagers implements [target.JobManagerKiller]. Without high availability the JobManager
// returns under its old name, because the TaskManagers know no other name.
func (c *simulated) StartJobManagers(context.Context) error {
	for i := 1; len(c.jobManagers) < c.jobManagersWanted; i++ {
		name := simulatedJobManager
		if c.jobManagersWanted > 1 {
			name = fmt.Sprintf("%s-%d", simulatedJobManager, i)
		}
		if slices.Contains(c.jobManagers, name) {
			continue
		}
		c.world.StartTask(environment.Address{Process: name, Task: simulatedJobManager}, func(env environment.Environment) {
			reference.JobManager(env, c.configuration)
		})
		c.jobManagers = append(c.jobManagers, name)
	}
	return nil
}

// Tap implements [target.Tapped].
func (c *simulated) Tap() *tap.Tap { return c.tap }

// Disk implements [target.Durable].
func (c *simulated) Disk(look func(*filesystem.Memory)) { look(c.files) }

// AfterPowerLoss implements [target.Durable].
func (c *simulated) AfterPowerLoss(left *filesystem.Memory) target.Target {
	after := c.target
	after.survived = &survived{files: left, world: c.world.Successor(0, nil, nil), started: c.started, calls: c.calls}
	return after
}

// Jump implements [target.ClockSetter].
func (c *simulated) Jump(_ context.Context, process string, by time.Duration) error {
	c.world.Jump(process, by)
	return nil
}

// Drift implements [target.ClockSetter].
func (c *simulated) Drift(_ context.Context, process string, percent int64) error {
	c.world.Drift(process, percent)
	return nil
}

// Slow implements [target.Slower].
func (c *simulated) Slow(_ context.Context, process string, percent int64) error {
	c.slowed[process] = percent
	return nil
}

// Cut implements [target.Partitioner].
func (c *simulated) Cut(_ context.Context, process string) error {
	c.world.Cut(process)
	return nil
}

// Break implements [target.Disturber].
func (c *simulated) Break(_ context.Context, process string) error {
	c.world.Break(process)
	return nil
}

// Lag implements [target.Disturber].
func (c *simulated) Lag(_ context.Context, process string, delay time.Duration) error {
	c.world.Lag(process, delay)
	return nil
}

// Heal implements [target.Healer].
func (c *simulated) Heal(context.Context) error {
	c.world.Heal()
	return nil
}

// StorageEnd implements [target.Remote].
func (c *simulated) StorageEnd() string { return string(faults.Storage) }

// JobManagers implements [target.JobManagerKiller].
func (c *simulated) JobManagers() []string { return c.jobManagers }

// JobManager implements [target.JobManagerKiller].
func (c *simulated) JobManager() string {
	if slices.Contains(c.jobManagers, c.leader) {
		return c.leader
	}
	if len(c.jobManagers) > 0 {
		return c.jobManagers[0]
	}
	return ""
}

// Pause implements [target.Pauser].
func (c *simulated) Pause(_ context.Context, process string) error {
	c.world.Pause(process)
	c.paused[process] = true
	return nil
}

// Resume implements [target.Pauser].
func (c *simulated) Resume(_ context.Context, process string) error {
	if _, slow := c.slowed[process]; slow || c.paused[process] {
		c.world.Resume(process)
	}
	delete(c.paused, process)
	delete(c.slowed, process)
	return nil
}

// Savepoint implements [target.Savepointer].
func (c *simulated) Savepoint(ctx context.Context, id string, stop scenarios.Stop) (path string, err error) {
	err = c.ask(ctx, func(client reference.Client) error {
		path, err = client.Savepoint(id, savepointDir(c.root), stopOf(stop), checkpointTimeout)
		return err
	})
	return path, err
}

// Suspend implements [target.Suspender].
func (c *simulated) Suspend(ctx context.Context, id string) error {
	return c.ask(ctx, func(client reference.Client) error { return client.Suspend(id) })
}

func (c *simulated) Close() error {
	for _, name := range append(c.taskManagers, c.jobManagers...) {
		c.world.Kill(name)
	}
	return nil
}
