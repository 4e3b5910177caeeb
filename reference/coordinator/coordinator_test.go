package coordinator_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/reference/coordinator"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/operators"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/simulation"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

func testJob() job.Job {
	j := job.Defaults()
	j.ID, j.Checkpoints.Timeout, j.Checkpoints.Interval = strings.Repeat("0a", 16), time.Minute, time.Second
	j.Workload = operators.Parameters{Name: "counts", Splits: 1, Records: 10, Keys: 1, Dir: "/jobs"}
	j.Configuration = configuration.Configuration{configuration.Dir.Key: "file:///checkpoints", configuration.InlineMax.Key: "0"}
	return j
}

// bench runs a coordinator in place of the job's master. The job has one subtask of each operator.
// Nothing receives messages at the subtasks' addresses.
type bench struct {
	*coordinator.Coordinator
	t     *testing.T
	env   environment.Environment
	pause time.Duration
}

// journal is a coordinator.Journal that only counts ids. Its method Keep returns the error err.
type journal struct {
	last int64
	err  error
}

func (r *journal) NextID() (int64, error) {
	r.last++
	return r.last, nil
}

func (r *journal) Leads() error { return nil }

func (r *journal) Keep([]storage.Completed, []string) error { return r.err }

var uids = []string{"source", "counter", "sink"}

func subtask(uid string) protocol.Subtask { return protocol.Subtask{UID: uid} }

type setting struct {
	job      job.Job
	retained int
	origin   *storage.Completed
	journal  *journal
	log      func(environment.Record)
	files    *filesystem.Memory
}

// coordinate runs the function `body` in place of the job's master. It returns the names of the
// directories and metadata files that are on storage afterwards.
func coordinate(t *testing.T, s setting, body func(bench)) string {
	t.Helper()
	if s.log == nil {
		s.log = func(environment.Record) {}
	}
	if s.files == nil {
		s.files = filesystem.NewMemory()
	}
	world := simulation.New(1, s.files, func(_ time.Duration, _ environment.Address, r environment.Record) { s.log(r) })
	world.Start("master", func(env environment.Environment) { body(newBench(t, env, s)) })
	for world.Step() {
		continue
	}
	var names []string
	must(t, filesystem.Walk(s.files, "/checkpoints/"+s.job.ID, func(name string, e filesystem.Entry) error {
		if e.Directory || strings.HasSuffix(name, storage.MetadataName) {
			names = append(names, name)
		}
		return nil
	}))
	return strings.Join(names, " ")
}

func newBench(t *testing.T, env environment.Environment, s setting) bench {
	t.Helper()
	if s.journal == nil {
		s.journal = &journal{}
	}
	cluster := configuration.Configuration{configuration.NumRetained.Key: fmt.Sprint(max(1, s.retained))}
	if s.origin != nil {
		s.journal.last = s.origin.Checkpoint.ID
	}
	c, err := coordinator.New(env, s.job, 128, cluster, s.journal, s.origin)
	must(t, err)
	must(t, c.Prepare())
	for _, uid := range uids {
		c.Deployed(subtask(uid), environment.Address{Process: "taskmanager", Task: uid})
	}
	c.Run()
	return bench{c, t, env, s.job.Checkpoints.Interval}
}

func shutDown(t *testing.T, b bench) {
	t.Helper()
	_, err := b.ShutDown(storage.Canceled)
	must(t, err)
}

// trigger begins a checkpoint as a client would, and returns its id.
func (b bench) trigger() int64 {
	b.t.Helper()
	b.env.Sleep(b.pause) // after an aborted checkpoint the coordinator waits for an interval
	before := b.Statistics().Triggered
	b.Ask(coordinator.Request{Client: environment.Address{Process: "client"}})
	_, err := b.Act()
	must(b.t, err)
	if b.Statistics().Triggered != before+1 {
		b.t.Fatal("no checkpoint was begun")
	}
	return int64(b.Statistics().Triggered)
}

// acknowledge writes a subtask's state and acknowledges the checkpoint.
func (b bench) acknowledge(id int64, uid string) error {
	b.t.Helper()
	return b.Acknowledge(protocol.Acknowledge{Subtask: subtask(uid), Checkpoint: id, State: b.state(id)})
}

// state writes a subtask's state as the subtask would.
func (b bench) state(id int64) metadata.Subtask {
	b.t.Helper()
	target := checkpoints.Target{Exclusive: fmt.Sprintf("/checkpoints/%s/chk-%d", testJob().ID, id)}
	stream := target.Create(b.env.Files(), checkpoints.Exclusive, func() string { return environment.NewID(b.env) })
	_, err := stream.Write([]byte("state"))
	must(b.t, err)
	handle, err := stream.Close()
	must(b.t, err)
	return metadata.Subtask{ManagedOperator: &metadata.OperatorList{Stream: handle}}
}

// take takes a checkpoint with the given id.
func (b bench) take(id int64) {
	b.t.Helper()
	b.trigger()
	for i, uid := range uids {
		must(b.t, b.acknowledge(id, uid))
		if latest, ok := b.Restore(); (ok && latest.Checkpoint.ID == id) != (i == len(uids)-1) {
			b.t.Errorf("after %d acknowledgements the latest checkpoint is %d", i+1, latest.Checkpoint.ID)
		}
	}
}

func TestTheNewestCheckpointsAreKept(t *testing.T) {
	left := coordinate(t, setting{job: testJob(), retained: 2}, func(b bench) {
		for id := range int64(4) {
			b.take(id + 1)
		}
	})
	if left != "chk-3 chk-3/_metadata chk-4 chk-4/_metadata shared taskowned" {
		t.Errorf("got %s", left)
	}
}

// An aborted checkpoint is deleted when no subtask writes to it any more. Its id is not used again,
// and late acknowledgements for it are ignored.
func TestAnAbortedCheckpointLeavesTheOneBefore(t *testing.T) {
	left := coordinate(t, setting{job: testJob()}, func(b bench) {
		b.take(1)
		id := b.trigger()
		must(t, b.acknowledge(id, "source"))
		b.Failover("a test")
		b.Run()
		if latest, _ := b.Restore(); latest.Checkpoint.ID != 1 {
			t.Errorf("want to come back from 1, got %d", latest.Checkpoint.ID)
		}
		there := func() bool {
			_, err := b.env.Files().Stat(fmt.Sprintf("/checkpoints/%s/chk-%d", testJob().ID, id))
			return err == nil
		}
		must(t, b.acknowledge(id, "counter"))
		if !there() {
			t.Error("the directory is gone, and the sink may be writing into it")
		}
		b.Gone(subtask("sink"))
		if there() {
			t.Error("the directory is still there")
		}
		must(t, b.Acknowledge(protocol.Acknowledge{Subtask: subtask("sink"), Checkpoint: id}))
		b.take(3)
	})
	if left != "chk-3 chk-3/_metadata shared taskowned" {
		t.Errorf("got %s", left)
	}
}

func TestARepeatedAcknowledgementCountsOnce(t *testing.T) {
	coordinate(t, setting{job: testJob()}, func(b bench) {
		id := b.trigger()
		for range 3 {
			must(t, b.acknowledge(id, "source"))
		}
		if _, completed := b.Restore(); completed {
			t.Error("three acknowledgements of one subtask completed the checkpoint")
		}
	})
}

// The last complete checkpoint says what a finishing subtask must still commit. The message that
// tells the subtask to finish may be lost. A next checkpoint would treat the subtask as finished,
// and would subsume the last complete checkpoint. So no checkpoint begins until the subtask says
// that it has finished.
func TestNoCheckpointBeginsWhileASubtaskFinishes(t *testing.T) {
	coordinate(t, setting{job: testJob()}, func(b bench) {
		id := b.trigger()
		for _, uid := range uids {
			must(t, b.Acknowledge(protocol.Acknowledge{Subtask: subtask(uid), Checkpoint: id, State: b.state(id), EndOfInput: uid != "sink"}))
		}
		next := func() int {
			b.env.Sleep(2 * b.pause)
			_, err := b.Act()
			must(t, err)
			return b.Statistics().Triggered
		}
		if begun := next(); begun != 1 {
			t.Errorf("%d checkpoints were begun although source and counter may not have heard", begun)
		}
		b.Gone(subtask("source"))
		b.Gone(subtask("counter"))
		if begun := next(); begun != 2 {
			t.Errorf("%d checkpoints were begun although all that were told have said that they finished", begun)
		}
	})
}

// An acknowledgement that is repeated after the completion deletes nothing.
func TestAnAcknowledgementAfterCompletionDeletesNothing(t *testing.T) {
	coordinate(t, setting{job: testJob()}, func(b bench) {
		id := b.trigger()
		last := protocol.Acknowledge{Subtask: subtask("sink"), Checkpoint: id, State: b.state(id)}
		must(t, b.acknowledge(id, "source"))
		must(t, b.acknowledge(id, "counter"))
		must(t, b.Acknowledge(last))
		must(t, b.Acknowledge(last))
		latest, _ := b.Restore()
		for reference := range latest.Checkpoint.References() {
			if _, err := storage.ReadState(b.env.Files(), latest.Location, reference.Stream); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAResumedJobGoesOnAfterItsOriginAndLeavesItAlone(t *testing.T) {
	origin := &storage.Completed{Location: "/elsewhere/chk-7", Checkpoint: metadata.Checkpoint{ID: 7}}
	ended := testJob()
	ended.Checkpoints.Retention = storage.NoExternalizedCheckpoint
	left := coordinate(t, setting{job: ended, origin: origin}, func(b bench) {
		must(t, b.env.Files().MkdirAll("/elsewhere/chk-7"))
		if latest, _ := b.Restore(); latest.Location != "/elsewhere/chk-7" {
			t.Errorf("want to come back from the origin, got %+v", latest)
		}
		b.take(8)
		shutDown(t, b)
		if _, err := b.env.Files().Stat("/elsewhere/chk-7"); err != nil {
			t.Errorf("the origin is gone: %v", err)
		}
	})
	if left != "shared taskowned" {
		t.Errorf("got %s", left)
	}
}

func TestARetainedCheckpointOfTheSameJobIDIsRefused(t *testing.T) {
	files := filesystem.NewMemory()
	coordinate(t, setting{job: testJob(), files: files}, func(b bench) {
		b.take(1)
		shutDown(t, b)
	})
	coordinate(t, setting{job: testJob(), files: filesystem.NewMemory()}, func(b bench) {
		c, err := coordinator.New(b.env, testJob(), 128, configuration.Configuration{}, &journal{}, nil)
		must(t, err)
		b.take(1)
		if err := c.Prepare(); err == nil || !strings.Contains(err.Error(), "belongs to an earlier run") {
			t.Errorf("got %v", err)
		}
	})
}

// Failures are counted by Flink's rule: only some reasons count, and a success resets the count.
func TestMoreFailuresThanTolerableAreAnError(t *testing.T) {
	j := testJob()
	j.Checkpoints.TolerableFailures = 2
	coordinate(t, setting{job: j}, func(b bench) {
		decline := func() error {
			id := b.trigger()
			return b.Decline(protocol.Decline{Subtask: subtask("sink"), Checkpoint: id, Reason: "no room"})
		}
		must(t, decline())
		must(t, decline())
		b.take(3) // a success resets the count
		must(t, decline())
		b.trigger()
		b.Failover("of a kind that does not count")
		b.Run()
		must(t, decline())
		var intolerable *coordinator.IntolerableError
		if err := decline(); !errors.As(err, &intolerable) || intolerable.Failures != 3 || intolerable.Last != "no room" {
			t.Errorf("got %v", err)
		}
		s := b.Statistics()
		if s.Completed != 1 || s.Failed != 6 || s.Reasons["CHECKPOINT_ASYNC_EXCEPTION"] != 5 || s.Reasons["JOB_FAILOVER_REGION"] != 1 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestACheckpointExpires(t *testing.T) {
	j := testJob()
	j.Checkpoints.TolerableFailures = 1
	var aborted string
	coordinate(t, setting{job: j, log: func(r environment.Record) {
		if r.Event == protocol.EventCheckpointAborted {
			aborted = r.Error
		}
	}}, func(b bench) {
		b.trigger()
		b.env.Sleep(j.Checkpoints.Timeout)
		_, err := b.Act()
		must(t, err)
	})
	if aborted != "checkpoint 1 expired after 1m0s" {
		t.Errorf("got %q", aborted)
	}
}

// Periodic checkpoints keep the interval and the minimum pause. The number of checkpoints in
// progress never exceeds the permitted number.
func TestWhenCheckpointsBegin(t *testing.T) {
	j := testJob()
	j.Checkpoints.MaxConcurrent, j.Checkpoints.MinPause = 2, 1500*time.Millisecond
	coordinate(t, setting{job: j}, func(b bench) {
		act := func(triggered int) time.Duration {
			t.Helper()
			wait, err := b.Act()
			must(t, err)
			if got := b.Statistics().Triggered; got != triggered {
				t.Errorf("at %s: want %d triggered, got %d", b.env.Now(), triggered, got)
			}
			return wait
		}
		b.env.Sleep(act(0)) // sleeps until the interval is over
		b.env.Sleep(act(1))
		act(2)
		b.env.Sleep(5 * time.Second)
		act(2) // two checkpoints are in progress, which is the maximum
		for _, uid := range uids {
			must(t, b.acknowledge(2, uid)) // checkpoint 2 subsumes 1
		}
		before := b.env.Now()
		b.env.Sleep(act(2))
		if paused := b.env.Now() - before; paused != j.Checkpoints.MinPause {
			t.Errorf("want a pause of %s, got %s", j.Checkpoints.MinPause, paused)
		}
		act(3)
		if got := b.Statistics().Reasons["CHECKPOINT_SUBSUMED"]; got != 1 {
			t.Errorf("want 1 subsumed in progress, got %d", got)
		}
	})
}

// FLINK-22494: if it is unknown whether the journal recorded a checkpoint, nothing is deleted and
// no subtask is told.
func TestACheckpointThatCannotBeRecordedIsNotComplete(t *testing.T) {
	r := &journal{}
	completed := 0
	left := coordinate(t, setting{job: testJob(), journal: r, log: func(record environment.Record) {
		if record.Event == protocol.EventCheckpointCompleted {
			completed++
		}
	}}, func(b bench) {
		b.take(1)
		b.trigger()
		r.err = environment.ErrUnknown
		must(t, b.acknowledge(2, "source"))
		must(t, b.acknowledge(2, "counter"))
		if err := b.acknowledge(2, "sink"); !errors.Is(err, environment.ErrUnknown) {
			t.Errorf("got %v", err)
		}
	})
	if completed != 1 || left != "chk-1 chk-1/_metadata chk-2 chk-2/_metadata shared taskowned" {
		t.Errorf("%d completed; left %s", completed, left)
	}
}

// A crash at any storage operation of a checkpoint leaves a readable checkpoint: the earlier
// checkpoint or, as soon as the new _metadata exists, the new checkpoint.
func TestACrashAnywhereLeavesACompleteCheckpoint(t *testing.T) {
	points := 0
	for crash := 0; ; crash++ {
		files := filesystem.NewMemory()
		world := simulation.New(1, files, func(time.Duration, environment.Address, environment.Record) {})
		first, done := false, false
		world.Start("master", func(env environment.Environment) {
			b := newBench(t, env, setting{job: testJob()})
			b.take(1)
			first = true
			b.take(2)
			done = true
		})
		for !first {
			world.Step()
		}
		for range crash {
			world.Step()
		}
		if done {
			break
		}
		world.Kill("master")
		points++
		newest, err := storage.CheckpointIDs(files, "/checkpoints/"+testJob().ID)
		must(t, err)
		if len(newest) == 0 {
			t.Fatalf("crash point %d leaves nothing to come back from", crash)
		}
		for _, id := range newest {
			found, err := storage.Resolve(files, fmt.Sprintf("/checkpoints/%s/chk-%d", testJob().ID, id))
			must(t, err)
			for reference := range found.Checkpoint.References() {
				if _, err := storage.ReadState(files, found.Location, reference.Stream); err != nil {
					t.Errorf("crash point %d: chk-%d refers to what is not there: %v", crash, id, err)
				}
			}
		}
	}
	if points < 25 {
		t.Errorf("only %d crash points were tried", points)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ExampleCoordinator() {
	world := simulation.New(1, filesystem.NewMemory(), func(_ time.Duration, _ environment.Address, r environment.Record) {
		fmt.Println(r.Event, r.Checkpoint)
	})
	world.Start("master", func(env environment.Environment) {
		c, _ := coordinator.New(env, testJob(), 128, configuration.Configuration{}, &journal{}, nil)
		_ = c.Prepare()
		for _, uid := range uids {
			c.Deployed(subtask(uid), environment.Address{Process: "taskmanager", Task: uid})
		}
		c.Run()
		env.Sleep(time.Second)
		_, _ = c.Act()
		for _, uid := range uids {
			_ = c.Acknowledge(protocol.Acknowledge{Subtask: subtask(uid), Checkpoint: 1})
		}
	})
	for world.Step() {
		continue
	}
	// Output:
	// checkpoint triggered 1
	// checkpoint completed 1
}
