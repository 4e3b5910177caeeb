// Package coordinator coordinates the checkpoints of one job. It decides when a checkpoint begins
// and when it is complete, keeps as many checkpoints as the configuration says, assigns the state
// of a checkpoint to subtasks, and cleans up after the job.
//
// The master of the job makes all calls from one task, so no two calls overlap. The coordinator
// does not decide whether a failed job restarts. It only names the checkpoint from which the job
// recovers.
//
// Start with [Coordinator]. A checkpoint passes through trigger (schedule.go), Acknowledge for
// each subtask (pending.go), and complete (complete.go).
package coordinator

import (
	"fmt"
	"time"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/configuration"
)

// stateBackend is the engine's only state backend. It keeps keyed state in memory.
const stateBackend = "hashmap"

// Journal records the checkpoints of a job, so that another JobManager finds them. If one of its
// methods fails, this JobManager may have lost leadership, and then it must delete nothing. The
// error [environment.ErrDeposed] says that nothing was recorded. After any other error, it is
// unknown whether something was recorded.
type Journal interface {
	// NextID returns an id that no checkpoint of the job ever had.
	NextID() (int64, error)

	// Leads returns an error if this JobManager does not lead any more.
	Leads() error

	// Keep records the checkpoints that are kept from now on, oldest first, and the files and
	// directories that will be deleted next, in the order of their deletion.
	Keep(kept []storage.Completed, deletions []string) error
}

// Coordinator is the checkpoint coordinator of one job.
type Coordinator struct {
	env       environment.Environment
	job       job.Job
	graph     dataflow.Graph
	groups    int // number of key groups
	storage   checkpoints.Storage
	completed *checkpoints.Registry
	journal   Journal

	tasks    []*task
	running  bool       // whether all subtasks run
	requests []Request  // the requests that wait for a checkpoint
	pending  []*pending // the checkpoints in progress, oldest first
	aborted  []*pending // aborted checkpoints; each is deleted as soon as no subtask writes to it any more
	subsumed []subsumed // subsumed checkpoints; each is discarded as soon as no checkpoint in progress may use its files

	nextPeriodic time.Duration
	pausedUntil  time.Duration // no periodic checkpoint begins before this time
	retryAt      time.Duration // set when a checkpoint is aborted: before this time, no requested checkpoint and no last checkpoint of the job begins
	newest       int64         // id of the newest complete checkpoint
	failures     int           // number of checkpoints that failed in a row
	stopped      string        // location of the savepoint with which the job stopped
	statistics   statistics
}

// New returns the coordinator of a job. The parameter `groups` is the job's number of key groups,
// and `origin` is the checkpoint from which the job resumes, or nil. New writes nothing. If the job
// claims this checkpoint, New reads the checkpoints that may share files with it.
func New(env environment.Environment, j job.Job, groups int, cluster configuration.Configuration, journal Journal, origin *storage.Completed) (*Coordinator, error) {
	place, err := checkpoints.Select(env.Files(), cluster, j.Configuration, j.ID)
	if err != nil {
		return nil, err
	}
	if backend := configuration.Merge(cluster, j.Configuration).Text(configuration.StateBackend); backend != stateBackend {
		return nil, fmt.Errorf("%s: the reference has %s, got %q", configuration.StateBackend.Key, stateBackend, backend)
	}
	retained, err := cluster.Int(configuration.NumRetained)
	if err != nil {
		return nil, err
	}
	graph, err := j.Workload.Graph()
	if err != nil {
		return nil, err
	}
	c := &Coordinator{
		env: env, job: j, graph: graph, groups: groups, storage: place, journal: journal,
		completed:  checkpoints.NewRegistry(env.Files(), max(1, retained)), // like Flink, this treats 0 as 1
		statistics: newStatistics(),
	}
	if origin == nil {
		return c, nil
	}
	c.newest = origin.Checkpoint.ID
	return c, c.completed.Restore(*origin, j.Restore.ClaimMode)
}

// Recover takes over the checkpoints that the earlier leader recorded in the journal, oldest
// first. The earlier leader may have published a checkpoint and died before it recorded the
// checkpoint. Recover discards such a checkpoint.
func (c *Coordinator) Recover(kept []storage.Completed) error {
	if err := c.storage.DiscardOthers(kept); err != nil {
		return err
	}
	for _, checkpoint := range kept {
		c.newest = max(c.newest, checkpoint.Checkpoint.ID)
	}
	return c.completed.Recover(kept)
}

// Prepare creates the directories of a new job, and records the checkpoint from which the job
// resumes. It fails if the directory holds checkpoints of an earlier run, since these checkpoints
// belong to that run.
func (c *Coordinator) Prepare() error {
	earlier, err := c.storage.Find()
	if err != nil {
		return err
	}
	if len(earlier) > 0 {
		return fmt.Errorf("%s exists; it belongs to an earlier run of the job, or to another: take another job id or directory", earlier[0].Location)
	}
	if err := c.storage.Prepare(); err != nil {
		return err
	}
	return c.journal.Keep(c.completed.Kept(), nil)
}

// Restore returns the checkpoint from which failed subtasks are restored now; ok is false if there
// is none.
func (c *Coordinator) Restore() (latest storage.Completed, ok bool) {
	if latest, ok = c.completed.Latest(); ok {
		c.statistics.total.Restored = latest.Checkpoint.ID
	}
	return latest, ok
}

// Stopped returns the location of the savepoint with which the job stopped.
func (c *Coordinator) Stopped() (path string, stopped bool) { return c.stopped, c.stopped != "" }

// Statistics returns the figures of the job's checkpoints.
func (c *Coordinator) Statistics() protocol.Statistics { return c.statistics.report(len(c.pending)) }

// Run lets checkpoints begin. Call it when all subtasks run.
func (c *Coordinator) Run() {
	c.running, c.nextPeriodic = true, c.env.Now()+c.job.Checkpoints.Interval
	c.finish() // some subtasks could not finish before the failure
}

// Failover aborts all checkpoints in progress. No checkpoint begins until the failed subtasks run
// again. Acknowledgements that arrive later cannot complete a checkpoint.
func (c *Coordinator) Failover(why string) {
	c.running = false
	for len(c.pending) > 0 {
		_ = c.abort(c.pending[0], jobFailover, why) // this reason never makes the job fail
	}
	c.Refuse(why)
}

func (c *Coordinator) answer(requests []Request, answer protocol.Answer) {
	for _, r := range requests {
		if r.Client != (environment.Address{}) {
			c.env.Send(r.Client, answer)
		}
	}
}
