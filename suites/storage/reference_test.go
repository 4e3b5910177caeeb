package storage_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/live"
	"github.com/snapback/snapback/reference/operators"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
)

// engine is the live reference engine, with a JobManager and one TaskManager that has enough slots.
type engine struct {
	jobManager, taskManager, client *live.Process

	mu      sync.Mutex
	records []environment.Record
	calls   int
}

func startEngine(slots int, cluster configuration.Configuration) *engine {
	GinkgoHelper()
	e := &engine{}
	listen := func(log io.Writer) *live.Process {
		process, err := live.Listen("127.0.0.1:0", files, log)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(process.Close)
		return process
	}
	e.jobManager, e.taskManager, e.client = listen(e), listen(io.Discard), listen(io.Discard)
	go e.jobManager.Run(reference.JobManagerTask, func(env environment.Environment) { reference.JobManager(env, cluster) })
	go e.taskManager.Run("taskmanager", func(env environment.Environment) { reference.TaskManager(env, e.address(), slots) })
	Eventually(func() int { return e.logged(protocol.EventTaskManager) }).WithTimeout(time.Minute).Should(Equal(1)) // until the TaskManager is known, the JobManager would lose requests
	return e
}

func (e *engine) address() environment.Address {
	return environment.Address{Process: e.jobManager.Address(), Task: reference.JobManagerTask}
}

// Write receives the log of the JobManager. Each call receives one record.
func (e *engine) Write(line []byte) (int, error) {
	var record environment.Record
	if err := json.Unmarshal(bytes.TrimSpace(line), &record); err != nil {
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.records = append(e.records, record)
	return len(line), nil
}

// ask sends a question to the JobManager, as a client does.
func (e *engine) ask(question func(reference.Client) error) error {
	e.mu.Lock()
	e.calls++
	name := fmt.Sprintf("client-%d", e.calls)
	e.mu.Unlock()
	var answer error
	e.client.Run(name, func(env environment.Environment) {
		answer = question(reference.Client{Env: env, JobManager: e.address()})
	})
	return answer
}

// completed lists the checkpoints of a job that were completed, oldest first.
func (e *engine) completed(id string) []int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ids []int64
	for _, r := range e.records {
		if r.Event == protocol.EventCheckpointCompleted && r.Job == id {
			ids = append(ids, r.Checkpoint)
		}
	}
	return ids
}

// status returns the last status of a job.
func (e *engine) status(id string) (status storage.JobStatus) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.records {
		if r.Event == protocol.EventJob && r.Job == id {
			status = storage.JobStatus(r.Status)
		}
	}
	return status
}

// newJob returns a job that runs until the test ends it.
func newJob(id, dir, work string) job.Job {
	j := job.Defaults()
	j.ID, j.Checkpoints.Interval, j.Checkpoints.Timeout = id, 20*time.Millisecond, time.Minute
	j.Checkpoints.TolerableFailures = 1_000_000 // a full disk may make checkpoints fail, but not the job
	j.Configuration = configuration.Configuration{configuration.Dir.Key: dir, configuration.InlineMax.Key: "0"}
	j.Workload = operators.Parameters{Name: "counts", Seed: 1, Splits: 1, Records: 1_000_000, Keys: 8, Pause: time.Millisecond, Dir: work}
	return j
}

// aborted returns the reason of the last aborted checkpoint of a job.
func (e *engine) aborted(id string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	reason := ""
	for _, r := range e.records {
		if r.Event == protocol.EventCheckpointAborted && r.Job == id {
			reason = r.Error
		}
	}
	return reason
}

// logged returns how often the JobManager logged an event.
func (e *engine) logged(event string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, r := range e.records {
		if r.Event == event {
			n++
		}
	}
	return n
}

// explain returns the whole log of the JobManager, for the message of a failed test.
func (e *engine) explain() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	text := "the JobManager logged:"
	for _, r := range e.records {
		text += fmt.Sprintf("\n%+v", r)
	}
	return text
}
