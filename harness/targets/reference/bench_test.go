package reference_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/explore"
	seen "github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/exploration"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
)

// BenchmarkExplore measures one scenario that is drawn by chance, in the simulator. The time
// includes the cluster, the jobs, the faults, the recovery and the judgement.
func BenchmarkExplore(b *testing.B) {
	campaign := explore.Campaign{Target: reference.Simulated{}, Timeout: time.Minute}
	seed := uint64(0)
	for b.Loop() {
		seed++
		r := campaign.RunOne(context.Background(), seed, exploration.Draw("explored/bench", exploration.Seeded(seed)))
		if r.Verdict == oracle.Fail || r.Verdict == oracle.Error {
			b.Fatal(seed, r.Verdict, r.Reason, r.Findings)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

// noticedWithin is the longest time that the engine needs to notice the death of a process.
const noticedWithin = 6 * time.Millisecond

// crashing is a cluster of processes with one job. A benchmark kills the TaskManagers of this
// cluster.
type crashing struct {
	target.Cluster
	b               *testing.B
	running, failed int // how often the job began to run, and how often it failed
}

// startCrashing starts the cluster.
func startCrashing(b *testing.B) *crashing {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "snapback")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/snapback/snapback/cmd/snapback").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	c := &crashing{b: b}
	cluster, err := reference.Processes{Binary: binary}.Start(b.Context(), target.Spec{
		Cluster: scenarios.Cluster{TaskManagers: 4, Retained: 1}, Dir: b.TempDir(), Observe: func(e seen.Event) {
			switch {
			case e.Kind == seen.Status && e.Status == storage.Running:
				c.running++
			case e.Kind == seen.Status && e.Status == storage.Failing:
				c.failed++
			}
		},
	})
	c.must(err)
	c.Cluster = cluster
	b.Cleanup(func() { _ = cluster.Close() })
	return c
}

func (c *crashing) must(err error) {
	c.b.Helper()
	if err != nil {
		c.b.Fatal(err)
	}
}

func (c *crashing) until(holds func() bool) {
	c.b.Helper()
	for !holds() {
		c.must(c.Step(c.b.Context()))
	}
}

// crash kills TaskManagers until the job fails. An idle TaskManager may be killed first. New
// processes replace the killed ones, two at a time. The job needs two TaskManagers, so the next
// killed process usually runs a part of the job.
func (c *crashing) crash() {
	killer := c.Cluster.(target.Killer)
	for failures := c.failed; c.failed == failures; {
		if len(killer.TaskManagers()) < 3 {
			c.must(killer.StartTaskManagers(c.b.Context()))
		}
		c.must(killer.Kill(c.b.Context(), killer.TaskManagers()[0]))
		killed := c.Now()
		c.until(func() bool { return c.failed > failures || c.Now() > killed+noticedWithin })
	}
}

// BenchmarkProcessCrashAndRecover measures the time from the SIGKILL of a TaskManager process until
// the job runs again on another TaskManager and has completed a checkpoint.
func BenchmarkProcessCrashAndRecover(b *testing.B) {
	c := startCrashing(b)
	id, err := c.Submit(b.Context(), target.Submission{
		Dir:      c.Work(),
		Workload: workload.Workload{Name: workload.Counts, Splits: 2, Records: 1 << 24, Keys: 8, Pause: time.Millisecond},
		Job:      scenarios.Job{Parallelism: 2, Interval: time.Hour, Timeout: time.Minute, Retention: storage.RetainOnCancellation, Restarts: 1 << 30},
	})
	c.must(err)
	c.until(func() bool { return c.running > 0 })
	checkpointer := c.Cluster.(target.Checkpointer)
	var recovering time.Duration
	for b.Loop() {
		runs := c.running
		c.crash()
		noticed := c.Now()
		c.until(func() bool { return c.running > runs })
		recovering += c.Now() - noticed
		_, err := checkpointer.Checkpoint(b.Context(), id)
		c.must(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
	b.ReportMetric(recovering.Seconds()*1000/float64(b.N), "recovery-ms")
}
