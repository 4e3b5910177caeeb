package reference_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/operators"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/simulation"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
)

var jobManager = environment.Address{Process: "jobmanager", Task: reference.JobManagerTask}

// cluster is a simulated JobManager with two TaskManagers.
type cluster struct {
	*simulation.World
	files *filesystem.Memory
	log   []string // the events of jobs and checkpoints so far
	calls int

	cluster configuration.Configuration
	aborted []string // the reasons why checkpoints were aborted
}

func newCluster(seed uint64) *cluster {
	c := &cluster{files: filesystem.NewMemory(), cluster: configuration.Configuration{}}
	c.World = simulation.New(seed, c.files, func(_ time.Duration, _ environment.Address, r environment.Record) {
		switch r.Event {
		case protocol.EventJob:
			c.log = append(c.log, r.Status)
		case protocol.EventCheckpointAborted:
			c.aborted = append(c.aborted, r.Error)
		case protocol.EventCheckpointCompleted, protocol.EventRestored:
			c.log = append(c.log, fmt.Sprintf("%s %d", r.Event, r.Checkpoint))
		}
	})
	c.Start("jobmanager", func(env environment.Environment) { reference.JobManager(env, c.cluster) })
	for i := range 2 {
		c.startTaskManager(fmt.Sprintf("taskmanager-%d", i+1))
	}
	return c
}

func (c *cluster) startTaskManager(name string) {
	c.Start(name, func(env environment.Environment) { reference.TaskManager(env, jobManager, 1) })
}

// cleanUp runs the world for one second, so that a job that has ended is cleaned up.
func (c *cluster) cleanUp() {
	for until := c.Now() + time.Second; c.Now() < until; {
		c.Step()
	}
}

// ask runs a client until it has an answer.
func (c *cluster) ask(question func(reference.Client) error) error {
	var answer error
	answered := false
	c.calls++
	c.Start(fmt.Sprintf("client-%d", c.calls), func(env environment.Environment) {
		answer = question(reference.Client{Env: env, JobManager: jobManager})
		answered = true
	})
	for !answered {
		c.Step()
	}
	return answer
}

func (c *cluster) submit(j job.Job) error {
	return c.ask(func(client reference.Client) error { return client.Submit(j) })
}

// until runs the world until the last logged event is the wanted event.
func (c *cluster) until(t *testing.T, want string) {
	t.Helper()
	for len(c.log) == 0 || c.log[len(c.log)-1] != want {
		if c.Now() > time.Minute {
			t.Fatalf("waited for %q in vain: %q", want, c.log)
		}
		c.Step()
	}
}

func aJob(id byte) job.Job {
	j := job.Defaults()
	j.ID, j.Parallelism = strings.Repeat(string(id), 32), 2
	j.Configuration = configuration.Configuration{configuration.Dir.Key: "file:///checkpoints", configuration.InlineMax.Key: "0"}
	j.Checkpoints.Interval, j.Checkpoints.Timeout = 100*time.Millisecond, time.Minute
	j.Restart = job.RestartStrategy{Kind: job.FixedDelay, Attempts: 1}
	j.Workload = operators.Parameters{Name: "counts", Splits: 2, Records: 500, Keys: 8, Pause: time.Millisecond, Dir: "/jobs"}
	return j
}

func TestBadSubmissionsAreRefusedAndChangeNothing(t *testing.T) {
	c := newCluster(1)
	must(t, c.submit(aJob('a')))
	c.until(t, "checkpoint completed 1")
	must(t, c.ask(func(client reference.Client) error { return client.Cancel(aJob('a').ID) }))
	c.until(t, "CANCELED")
	c.cleanUp()
	before := tree(t, c.files)
	retained := "/checkpoints/" + aJob('a').ID + "/chk-1"

	id := 0
	for want, change := range map[string]func(*job.Job){
		"was submitted before":                                         func(j *job.Job) { j.ID = aJob('a').ID },
		"parallelism: want 1 to 128, got 0":                            func(j *job.Job) { j.Parallelism = 0 },
		"cannot find checkpoint \"/nowhere\"":                          func(j *job.Job) { j.Restore.Path = "/nowhere" },
		"cannot find meta data file '_metadata'":                       func(j *job.Job) { j.Restore.Path = retained + "/../shared" },
		`checkpoint directory "/x": the scheme is mi`:                  func(j *job.Job) { j.Configuration = configuration.Configuration{configuration.Dir.Key: "/x"} },
		`state.backend.type: the reference has hashmap, got "rocksdb"`: func(j *job.Job) { j.Configuration = configuration.Configuration{"state.backend": "rocksdb"} },
		"execution.checkpointing.storage is filesyst": func(j *job.Job) {
			j.Configuration = configuration.Configuration{configuration.Storage.Key: "filesystem"}
		},
		"maximum parallelism 128, the job 64":               func(j *job.Job) { j.Restore.Path, j.ParallelismMax = retained, 64 },
		"above the checkpoint's maximum parallelism of 128": func(j *job.Job) { j.Restore.Path, j.Parallelism = retained, 129 },
		"state of operator counter, which":                  func(j *job.Job) { j.Restore.Path, j.Workload.Name = retained, "windows" },
		"the checkpoint is of another input":                func(j *job.Job) { j.Restore.Path, j.Workload.Seed = retained, 7 },
		"there is no workload \"x\"":                        func(j *job.Job) { j.Workload.Name = "x" },
	} {
		bad := aJob('b')
		bad.ID = fmt.Sprintf("%032x", id)
		id++
		change(&bad)
		var refused *reference.RefusedError
		if err := c.submit(bad); !errors.As(err, &refused) || !strings.Contains(refused.Why, want) {
			t.Errorf("want a refusal with %q, got %v", want, err)
		}
		if after := tree(t, c.files); after != before {
			t.Errorf("%s: storage has changed:\n%s\n%s", want, before, after)
		}
	}
}

func TestTwoJobsOnOneDirectoryAreRefused(t *testing.T) {
	c := newCluster(1)
	must(t, c.submit(aJob('a')))
	c.until(t, "checkpoint completed 1")
	output := aJob('b') // this job has the same output directory as the other job
	if err := c.submit(output); err == nil || err.Error() != fmt.Sprintf("job %s puts its output into /jobs already", aJob('a').ID) {
		t.Errorf("got %v", err)
	}
	flat := aJob('c')
	flat.Workload.Dir = "/jobs2"
	flat.Configuration = configuration.Configuration{configuration.Dir.Key: "file:///checkpoints/" + aJob('a').ID, configuration.CreateSubdir.Key: "false"}
	if err := c.submit(flat); err == nil || !strings.Contains(err.Error(), "belongs to an earlier run of the job, or to another") {
		t.Errorf("got %v", err)
	}
	if after := tree(t, c.files); strings.Contains(after, output.ID) || strings.Contains(after, "jobs2") {
		t.Errorf("something was made:\n%s", after)
	}
}

// When one region fails, the other region continues. So only the split of the failed region is read
// again.
func TestOnlyTheRegionThatFailedRestarts(t *testing.T) {
	c := newCluster(1)
	j := aJob('a')
	j.Workload.Name = "splits"
	must(t, c.submit(j))
	c.until(t, "checkpoint completed 2")
	c.Kill("taskmanager-2")
	c.startTaskManager("taskmanager-3")
	c.until(t, "FINISHED")
	begun := map[string]int{} // how often a source began to read a split; the key names the split
	must(t, filesystem.Walk(c.files, "/jobs/progress", func(name string, _ filesystem.Entry) error {
		begun[name[:len("split-0")]]++
		return nil
	}))
	if begun["split-0"]+begun["split-1"] != 3 {
		t.Errorf("want one split read once and the other twice, got %v", begun)
	}
}

func TestAHighlyAvailableJobOutlivesItsJobManager(t *testing.T) {
	log := []string{}
	files := filesystem.NewMemory()
	world := simulation.New(1, files, func(_ time.Duration, from environment.Address, r environment.Record) {
		if r.Event == protocol.EventJob || r.Event == protocol.EventRestored {
			log = append(log, fmt.Sprintf("%s %s%d", from.Process, r.Status, r.Checkpoint))
		}
	})
	world.AddStore(0)
	for _, name := range []string{"jobmanager-1", "jobmanager-2"} {
		world.StartTask(environment.Address{Process: name, Task: reference.JobManagerTask}, func(env environment.Environment) {
			reference.JobManager(env, configuration.Configuration{})
		})
	}
	for i := range 2 {
		world.Start(fmt.Sprintf("taskmanager-%d", i+1), func(env environment.Environment) { reference.TaskManager(env, environment.Address{}, 1) })
	}
	world.Start("client", func(env environment.Environment) {
		must(t, reference.Client{Env: env, JobManager: environment.Address{Process: "jobmanager-2", Task: reference.JobManagerTask}}.Submit(aJob('a')))
	})
	for world.Now() < 700*time.Millisecond {
		world.Step()
	}
	world.Kill(strings.Fields(log[0])[0]) // this process is the leader
	for world.Now() < 10*time.Second {
		world.Step()
	}
	if last := log[len(log)-1]; !strings.Contains(strings.Join(log, ","), "CREATED") || !strings.HasSuffix(last, "FINISHED0") || strings.Fields(last)[0] == strings.Fields(log[0])[0] {
		t.Errorf("got %q", log)
	}
}

func TestRequestsForWhatIsNotThereAreRefused(t *testing.T) {
	c := newCluster(1)
	for what, ask := range map[string]func(reference.Client) error{
		"cancel":     func(client reference.Client) error { return client.Cancel("x") },
		"checkpoint": func(client reference.Client) error { _, err := client.Checkpoint("x", time.Minute); return err },
		"status":     func(client reference.Client) error { _, _, err := client.Status("x"); return err },
	} {
		if err := c.ask(ask); err == nil || err.Error() != `there is no job "x"` {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

func TestAJobThatNobodyCanRunWaitsAndCanBeCanceled(t *testing.T) {
	c := newCluster(1)
	c.Kill("taskmanager-1")
	must(t, c.submit(aJob('a')))
	for c.Now() < 5*time.Second {
		c.Step()
	}
	must(t, c.ask(func(client reference.Client) error { return client.Cancel(aJob('a').ID) }))
	c.until(t, "CANCELED")
}

// Acknowledgements for an expired checkpoint are ignored.
func TestAnExpiredCheckpointDoesNotComplete(t *testing.T) {
	c := newCluster(1)
	j := aJob('a')
	j.Checkpoints.Timeout, j.Workload.Snapshot = time.Millisecond, 50*time.Millisecond
	must(t, c.submit(j))
	c.until(t, "FAILED")
	if log := strings.Join(c.log, ","); strings.Contains(log, "completed") || strings.Contains(log, "restored") {
		t.Errorf("got %s", log)
	}
	if got := tree(t, c.files); strings.Contains(got, "chk-") {
		t.Errorf("what was given up is still there:\n%s", got)
	}
}

func TestACheckpointThatCannotBeTakenIsRefusedAtOnce(t *testing.T) {
	c := newCluster(1)
	must(t, c.submit(aJob('a')))
	c.until(t, "checkpoint completed 1")
	c.Kill("taskmanager-1")
	checkpoint := func(client reference.Client) error {
		_, err := client.Checkpoint(aJob('a').ID, time.Minute)
		return err
	}
	// The client asks before the JobManager notices the loss, so the checkpoint is aborted with the
	// attempt.
	if err := c.ask(checkpoint); err == nil || err.Error() != "the checkpoint was aborted: attempt ended: TaskManager taskmanager-1 is lost" {
		t.Errorf("got %v", err)
	}
	c.until(t, "RESTARTING")
	before := c.Now()
	if err := c.ask(checkpoint); err == nil || !strings.HasPrefix(err.Error(), "not all subtasks of job") || c.Now() > before+time.Second {
		t.Errorf("after %s: got %v", c.Now()-before, err)
	}
}

// A TaskManager that has not heard from its JobManager for too long cancels its tasks. The job of
// an old JobManager must not run beside the same job of a new one.
func TestTaskManagersOfADeadJobManagerCancelAndOfferAgain(t *testing.T) {
	c := newCluster(1)
	must(t, c.submit(aJob('a')))
	c.until(t, "checkpoint completed 1")
	c.Kill("jobmanager")
	c.Start("jobmanager", func(env environment.Environment) { reference.JobManager(env, c.cluster) })
	next := aJob('b')
	next.Workload.Dir = "/jobs2"
	must(t, c.submit(next))
	c.until(t, "FINISHED")
}

// Here the JobManager keeps the state in its memory, and has room for only one byte of state. So
// every checkpoint fails, also the last one. The job does not fail, since it tolerates 100
// failures.
func TestACheckpointThatIsDeclinedIsTriedAgain(t *testing.T) {
	c := newCluster(1)
	j := aJob('a')
	j.Configuration = configuration.Configuration{configuration.Storage.Key: storage.JobManagerName}
	j.Workload.Records = 200
	c.aborted, j.Checkpoints.TolerableFailures = nil, 100
	c.cluster[configuration.Heap.Key] = "1 b"
	must(t, c.submit(j))
	for c.Now() < 3*time.Second { // the input ends long before 3 seconds
		c.Step()
	}
	if n := len(c.aborted); n < 10 || n > 40 || !strings.Contains(c.aborted[0], "more than the JobManager's memory budget of 1") {
		t.Errorf("%d checkpoints were declined: %q", n, c.aborted)
	}
	if strings.Join(c.log, ",") != "CREATED,RUNNING" {
		t.Errorf("got %v", c.log)
	}
	must(t, c.ask(func(client reference.Client) error { return client.Cancel(j.ID) }))
	c.until(t, "CANCELED")
}

func TestAJobStopsWithASavepointOrGoesOn(t *testing.T) {
	c := newCluster(1)
	j := aJob('a')
	must(t, c.submit(j))
	c.until(t, "checkpoint completed 1")
	stop := func(dir string) (path string, err error) {
		err = c.ask(func(client reference.Client) error {
			path, err = client.Savepoint(j.ID, dir, protocol.Suspend, time.Minute)
			return err
		})
		return path, err
	}
	for dir, want := range map[string]string{
		"": "there is no directory for a savepoint", "/savepoints": "the scheme is missing", "file:///checkpoints/" + j.ID + "/chk-1/_metadata": "not a directory",
	} {
		if _, err := stop(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %s, got %v", dir, want, err)
		}
	}
	c.until(t, "checkpoint completed 5") // the failed requests did not stop the job
	path, err := stop("file:///savepoints")
	must(t, err)
	c.until(t, "FINISHED")
	c.cleanUp()
	if _, err := storage.Resolve(c.files, path); err != nil {
		t.Error(err)
	}
	if got := tree(t, c.files); strings.Contains(got, "chk-") {
		t.Errorf("a checkpoint is left:\n%s", got)
	}
}

func TestASuspendedJobKeepsWhatACanceledOneDoes(t *testing.T) {
	for _, retention := range storage.Retentions() {
		c := newCluster(1)
		j := aJob('a')
		j.Checkpoints.Retention = retention
		must(t, c.submit(j))
		c.until(t, "checkpoint completed 2")
		must(t, c.ask(func(client reference.Client) error { return client.Suspend(j.ID) }))
		c.until(t, "SUSPENDED")
		c.cleanUp()
		if kept := strings.Contains(tree(t, c.files), "_metadata"); kept != (retention == storage.RetainOnCancellation) {
			t.Errorf("%s: kept is %v", retention, kept)
		}
	}
}

func TestAJobThatWasRefusedCanBeSubmittedAgain(t *testing.T) {
	c := newCluster(1)
	bad := aJob('a')
	bad.Restore.Path = "/nowhere"
	var refused *reference.RefusedError
	for range 2 {
		if err := c.submit(bad); !errors.As(err, &refused) || !strings.Contains(refused.Why, "cannot find checkpoint") {
			t.Errorf("got %v", err)
		}
	}
	must(t, c.submit(aJob('a')))
	if err := c.submit(aJob('a')); !errors.As(err, &refused) || !strings.Contains(refused.Why, "was submitted before") {
		t.Errorf("got %v", err)
	}
}

func TestAnUnknownJobManagerIsSaidSo(t *testing.T) {
	c := newCluster(1)
	c.Kill("jobmanager")
	err := c.submit(aJob('a'))
	if err == nil || err.Error() != "the JobManager at jobmanager cannot be reached; what it was asked for may have been done" {
		t.Errorf("got %v", err)
	}
}

func tree(t *testing.T, files *filesystem.Memory) string {
	t.Helper()
	var text strings.Builder
	must(t, filesystem.Walk(files, "/", func(name string, e filesystem.Entry) error {
		fmt.Fprintln(&text, name, e.Size)
		return nil
	}))
	return text.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func Example() {
	c := newCluster(7)
	j := aJob('a')
	_ = c.submit(j)
	for c.Now() < 250*time.Millisecond {
		c.Step()
	}
	c.Kill("taskmanager-1")
	c.startTaskManager("taskmanager-3")
	for c.Now() < 5*time.Second {
		c.Step()
	}
	fmt.Println(strings.Join(c.log, "\n"))
	// Output:
	// CREATED
	// RUNNING
	// checkpoint completed 1
	// checkpoint completed 2
	// FAILING
	// RESTARTING
	// restored 2
	// RUNNING
	// checkpoint completed 3
	// checkpoint completed 4
	// checkpoint completed 5
	// checkpoint completed 6
	// checkpoint completed 7
	// FINISHED
}
