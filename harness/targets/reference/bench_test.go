package reference_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/snapback/snapback/harness"
	seen "github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/exploration"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
)

// BenchmarkExplore is one scenario that chance drew: a cluster, its jobs, faults,
// recovery, and judgement, in the simulator.
func BenchmarkExplore(b *testing.B) {
	campaign := harness.Campaign{Target: reference.Simulated{}, Timeout: time.Minute}
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

// BenchmarkProcessCrashAndRecover is one SIGKILL of a TaskManager process, and everything
// until the job has come back on another one and completed a checkpoint, and a new
// process has taken the dead one's place.
func BenchmarkProcessCrashAndRecover(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "snapback")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/snapback/snapback/cmd/snapback").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	ctx := context.Background()
	running, completed := 0, 0
	cluster, err := reference.Processes{Binary: binary}.Start(ctx, harness.ClusterSpec{
		Cluster: scenarios.Cluster{TaskManagers: 4, Retained: 1}, Dir: b.TempDir(), Observe: func(e seen.Event) {
			switch {
			case e.Kind == seen.Status && e.Status == storage.Running:
				running++
			case e.Kind == seen.Completed:
				completed++
			}
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = cluster.Close() }()
	until := func(holds func() bool) {
		for !holds() {
			if err := cluster.Step(ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
	_, err = cluster.Submit(ctx, harness.Submission{
		Dir:      cluster.Work(),
		Workload: workload.Workload{Name: workload.Counts, Splits: 2, Records: 1 << 24, Keys: 8, Pause: time.Millisecond},
		Job:      scenarios.Job{Parallelism: 2, Interval: 5 * time.Millisecond, Timeout: time.Minute, Retention: storage.RetainOnCancellation, Restarts: 1 << 30},
	})
	if err != nil {
		b.Fatal(err)
	}
	until(func() bool { return completed > 0 })
	for b.Loop() {
		runs := running
		if err := cluster.Kill(ctx, cluster.TaskManagers()[0]); err != nil { // the oldest: it runs part of the job, or will
			b.Fatal(err)
		}
		if err := cluster.StartTaskManagers(ctx); err != nil {
			b.Fatal(err)
		}
		until(func() bool { return running > runs })
		after := completed
		until(func() bool { return completed > after })
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
}
