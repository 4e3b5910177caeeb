package coordinator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/reference/coordinator"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/simulation"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

var testJob = job.Job{
	ID: strings.Repeat("0a", 16), Parallelism: 1, Timeout: time.Minute, Retention: storage.RetainOnCancellation, ClaimMode: storage.NoClaim,
	Configuration: configuration.Configuration{configuration.Dir.Key: "file:///checkpoints", configuration.InlineMax.Key: "0"},
}

func retaining(n int) configuration.Configuration {
	return configuration.Configuration{configuration.NumRetained.Key: fmt.Sprint(n)}
}

// subtasks are a source, a counter and a sink, all at one address that nobody
// listens to.
func subtasks() []coordinator.Task {
	var tasks []coordinator.Task
	for _, vertex := range job.Vertices() {
		tasks = append(tasks, coordinator.Task{Subtask: protocol.Subtask{UID: vertex.UID}})
	}
	return tasks
}

// coordinate runs a test as the master of a job would, and returns what is on
// storage afterwards.
func coordinate(t *testing.T, j job.Job, retained int, origin *storage.Completed, body func(environment.Environment, *coordinator.Coordinator)) string {
	t.Helper()
	files := filesystem.NewMemory()
	world := simulation.New(1, files, func(time.Duration, environment.Address, environment.Record) {})
	world.Start("master", func(env environment.Environment) {
		c, err := coordinator.New(env, j, retaining(retained), origin)
		must(t, err)
		must(t, c.Prepare())
		c.Begin(subtasks())
		body(env, c)
	})
	for world.Step() {
		continue
	}
	var names []string
	must(t, filesystem.Walk(files, "/checkpoints/"+j.ID, func(name string, e filesystem.Entry) error {
		if e.Directory || strings.HasSuffix(name, storage.MetadataName) {
			names = append(names, name)
		}
		return nil
	}))
	return strings.Join(names, " ")
}

// acknowledge writes a subtask's state and acknowledges it.
func acknowledge(t *testing.T, env environment.Environment, c *coordinator.Coordinator, id int64, subtask protocol.Subtask) bool {
	t.Helper()
	outcome, err := c.Acknowledge(protocol.Acknowledge{Subtask: subtask, Checkpoint: id, State: state(t, env, id)})
	must(t, err)
	return outcome.Ended && outcome.Declined == ""
}

// state writes a subtask's state as its task would.
func state(t *testing.T, env environment.Environment, id int64) metadata.Subtask {
	t.Helper()
	target := storage.Target{Exclusive: fmt.Sprintf("/checkpoints/%s/chk-%d", testJob.ID, id)}
	stream := target.Create(env.Files(), storage.Exclusive, func() string { return environment.NewID(env) })
	_, err := stream.Write([]byte("state"))
	must(t, err)
	handle, err := stream.Close()
	must(t, err)
	return metadata.Subtask{ManagedOperator: &metadata.OperatorList{Stream: handle}}
}

func take(t *testing.T, env environment.Environment, c *coordinator.Coordinator) int64 {
	t.Helper()
	id, err := c.Trigger(coordinator.Request{})
	must(t, err)
	for i, task := range subtasks() {
		if completed := acknowledge(t, env, c, id, task.Subtask); completed != (i == 2) {
			t.Errorf("checkpoint %d is complete = %v after %d acknowledgements", id, completed, i+1)
		}
	}
	return id
}

func TestTheNewestCheckpointsAreKept(t *testing.T) {
	left := coordinate(t, testJob, 2, nil, func(env environment.Environment, c *coordinator.Coordinator) {
		for want := range int64(4) {
			if id := take(t, env, c); id != want+1 {
				t.Errorf("want checkpoint %d, got %d", want+1, id)
			}
		}
		if latest, ok := c.Latest(); !ok || latest.Checkpoint.ID != 4 {
			t.Errorf("want to come back from 4, got %+v", latest)
		}
	})
	if left != "chk-3 chk-3/_metadata chk-4 chk-4/_metadata shared taskowned" {
		t.Errorf("got %s", left)
	}
}

func TestAnAbortedCheckpointLeavesTheOneBefore(t *testing.T) {
	left := coordinate(t, testJob, 1, nil, func(env environment.Environment, c *coordinator.Coordinator) {
		take(t, env, c)
		id, err := c.Trigger(coordinator.Request{})
		must(t, err)
		acknowledge(t, env, c, id, protocol.Subtask{UID: job.SourceUID})
		c.Abort("a test")
		c.Abandon()
		if latest, _ := c.Latest(); latest.Checkpoint.ID != 1 {
			t.Errorf("want to come back from 1, got %d", latest.Checkpoint.ID)
		}
		// Its id is used up, and what was on its way for it is of no use any more.
		outcome, err := c.Acknowledge(protocol.Acknowledge{Subtask: protocol.Subtask{UID: job.SinkUID}, Checkpoint: id})
		must(t, err)
		if outcome.Ended {
			t.Error("a late acknowledgement completed an aborted checkpoint")
		}
		if id := take(t, env, c); id != 3 {
			t.Errorf("want checkpoint 3, got %d", id)
		}
	})
	if left != "chk-3 chk-3/_metadata shared taskowned" {
		t.Errorf("got %s", left)
	}
}

func TestARepeatedAcknowledgementCountsOnce(t *testing.T) {
	coordinate(t, testJob, 1, nil, func(env environment.Environment, c *coordinator.Coordinator) {
		id, err := c.Trigger(coordinator.Request{})
		must(t, err)
		for range 3 {
			if acknowledge(t, env, c, id, protocol.Subtask{UID: job.SourceUID}) {
				t.Error("three acknowledgements of one subtask completed the checkpoint")
			}
		}
	})
}

func TestAResumedJobGoesOnAfterItsOriginAndLeavesItAlone(t *testing.T) {
	origin := &storage.Completed{Location: "/elsewhere/chk-7", Checkpoint: metadata.Checkpoint{ID: 7}}
	ended := testJob
	ended.Retention = storage.NoExternalizedCheckpoint
	left := coordinate(t, ended, 1, origin, func(env environment.Environment, c *coordinator.Coordinator) {
		must(t, env.Files().MkdirAll("/elsewhere/chk-7"))
		if latest, _ := c.Latest(); latest.Location != "/elsewhere/chk-7" {
			t.Errorf("want to come back from the origin, got %+v", latest)
		}
		if id := take(t, env, c); id != 8 {
			t.Errorf("want checkpoint 8, got %d", id)
		}
		must(t, c.ShutDown(storage.Canceled))
		if _, err := env.Files().Stat("/elsewhere/chk-7"); err != nil {
			t.Errorf("the origin is gone: %v", err)
		}
	})
	if left != "shared taskowned" {
		t.Errorf("got %s", left)
	}
}

func TestARetainedCheckpointOfTheSameJobIDIsNotTouched(t *testing.T) {
	left := coordinate(t, testJob, 1, nil, func(env environment.Environment, c *coordinator.Coordinator) {
		earlier := "/checkpoints/" + testJob.ID + "/chk-1"
		must(t, env.Files().MkdirAll(earlier))
		must(t, filesystem.WriteFile(env.Files(), earlier+"/_metadata", []byte("retained")))
		if _, err := c.Trigger(coordinator.Request{}); err == nil || !strings.Contains(err.Error(), "belongs to an earlier run") {
			t.Errorf("got %v", err)
		}
		must(t, c.ShutDown(storage.Finished))
	})
	if left != "chk-1 chk-1/_metadata shared taskowned" {
		t.Errorf("got %s", left)
	}
}

// A crash at any storage operation of a checkpoint leaves one that can be read:
// the one before or, once its _metadata is there, the new one.
func TestACrashAnywhereLeavesACompleteCheckpoint(t *testing.T) {
	points := 0
	for crash := 0; ; crash++ {
		files := filesystem.NewMemory()
		world := simulation.New(1, files, func(time.Duration, environment.Address, environment.Record) {})
		first, done := false, false
		world.Start("master", func(env environment.Environment) {
			c, err := coordinator.New(env, testJob, retaining(1), nil)
			must(t, err)
			must(t, c.Prepare())
			c.Begin(subtasks())
			take(t, env, c)
			first = true
			take(t, env, c)
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
		newest, err := storage.CheckpointIDs(files, "/checkpoints/"+testJob.ID)
		must(t, err)
		if len(newest) == 0 {
			t.Fatalf("crash point %d leaves nothing to come back from", crash)
		}
		for _, id := range newest {
			found, err := storage.Resolve(files, fmt.Sprintf("/checkpoints/%s/chk-%d", testJob.ID, id))
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
		c, _ := coordinator.New(env, testJob, retaining(1), nil)
		_ = c.Prepare()
		c.Begin(subtasks())
		id, _ := c.Trigger(coordinator.Request{})
		for _, task := range subtasks() {
			_, _ = c.Acknowledge(protocol.Acknowledge{Subtask: task.Subtask, Checkpoint: id})
		}
	})
	for world.Step() {
		continue
	}
	// Output:
	// checkpoint triggered 1
	// checkpoint completed 1
}
