package live_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/live"
	"github.com/snapback/snapback/reference/operators"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
)

// roleVariable is an environment variable. With the value "jobmanager", this test program runs a
// JobManager. Any other value is the address of a JobManager: then the program runs a TaskManager
// for it.
const roleVariable = "SNAPBACK_TEST_ROLE"

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	p, err := live.Listen("127.0.0.1:0", filesystem.Local{}, os.Stdout)
	if err != nil {
		panic(err)
	}
	p.Run(reference.JobManagerTask, func(env environment.Environment) {
		env.Log(environment.Record{Event: protocol.EventListening, Path: p.Address()})
		if role == "jobmanager" {
			reference.JobManager(env, configuration.Configuration{configuration.InlineMax.Key: "0"})
		}
		reference.TaskManager(env, environment.Address{Process: role, Task: reference.JobManagerTask}, 1)
	})
}

// engine holds a JobManager process with its log, and the TaskManager processes that still run.
type engine struct {
	b       *testing.B
	log     chan environment.Record
	address string
	workers map[string]*exec.Cmd // the TaskManager processes; the key is the address
	order   []string             // addresses of the TaskManagers, in the order in which they registered
}

// start starts a process and returns its log.
func (e *engine) start(role string) (*exec.Cmd, chan environment.Record) {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), roleVariable+"="+role)
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		e.b.Fatal(err)
	}
	e.b.Cleanup(func() {
		_ = command.Process.Kill() // an error means that the process is dead already
		_ = command.Wait()
	})
	log := make(chan environment.Record, 1<<16)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var record environment.Record
			if json.Unmarshal(lines.Bytes(), &record) == nil {
				log <- record
			}
		}
	}()
	return command, log
}

func (e *engine) startWorker() {
	command, log := e.start(e.address)
	e.workers[(<-log).Path] = command // the first record of the log names the address at which the process listens
}

// until reads the JobManager's log up to an event.
func (e *engine) until(event, status string) {
	for deadline := time.After(30 * time.Second); ; {
		select {
		case record := <-e.log:
			if record.Event == protocol.EventTaskManager && record.Status == "registered" {
				e.order = append(e.order, record.Task)
			}
			if record.Event == event && (status == "" || record.Status == status) {
				return
			}
		case <-deadline:
			e.b.Fatalf("waited for %s %s in vain", event, status)
		}
	}
}

// BenchmarkProcessCrashAndRecover kills a TaskManager process that runs half of a job, with
// SIGKILL. It waits until the job has recovered on another TaskManager and completed a checkpoint
// on disk. Meanwhile it starts a new process. The processes contain only the engine, without the
// program's command line and its stores.
func BenchmarkProcessCrashAndRecover(b *testing.B) {
	dir := b.TempDir()
	e := &engine{b: b, workers: map[string]*exec.Cmd{}}
	_, e.log = e.start("jobmanager")
	e.address = (<-e.log).Path
	for range 3 {
		e.startWorker()
		e.until(protocol.EventTaskManager, "registered")
	}
	client, err := live.Listen("127.0.0.1:0", filesystem.Local{}, io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	ask := func(question func(reference.Client) error) {
		client.Run("client", func(env environment.Environment) {
			if err := question(reference.Client{Env: env, JobManager: environment.Address{Process: e.address, Task: reference.JobManagerTask}}); err != nil {
				b.Error(err)
			}
		})
	}
	j := job.Defaults()
	j.ID, j.Parallelism, j.Checkpoints.Interval = strings.Repeat("0a", 16), 2, time.Hour
	j.Checkpoints.Retention = storage.DeleteOnCancellation
	j.Restart = job.RestartStrategy{Kind: job.FixedDelay, Attempts: 1 << 30}
	j.Configuration = configuration.Configuration{configuration.Dir.Key: "file://" + dir + "/checkpoints"}
	j.Workload = operators.Parameters{Name: "counts", Splits: 2, Records: 1 << 24, Keys: 8, Pause: time.Millisecond, Dir: dir + "/out"}
	ask(func(c reference.Client) error { return c.Submit(j) })
	e.until(protocol.EventJob, string(storage.Running))
	for b.Loop() {
		victim := e.order[0] // the TaskManagers that registered first run the job
		e.order = e.order[1:]
		if err := e.workers[victim].Process.Kill(); err != nil {
			b.Fatal(err)
		}
		delete(e.workers, victim)
		e.startWorker()
		e.until(protocol.EventJob, string(storage.Running))
		ask(func(c reference.Client) error {
			_, err := c.Checkpoint(j.ID, time.Minute)
			return err
		})
		for len(e.order) < 3 {
			e.until(protocol.EventTaskManager, "registered")
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
}
