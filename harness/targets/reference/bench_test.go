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

// BenchmarkExplore measures one scenario drawn by chance, in the simulator: cluster, jobs, faults,
// recovery and judgement.
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

// noticedWithin is the longest time until the engine notices the death of a process.
const noticedWithin = 6 * time.Millisecond

// BenchmarkProcessCrashAndRecover measures the SIGKILL of a TaskManager process and all that
// follows, until the job runs again on another TaskManager and has completed a checkpoint. New
// processes replace the killed ones, two at a time. The job needs two TaskManagers, so the next
// victim usually runs a part of the job.
func BenchmarkProcessCrashAndRecover(b *testing.B) { //nolint:gocognit // one cycle, in the order in which it happens
	binary := filepath.Join(b.TempDir(), "snapback")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/snapback/snapback/cmd/snapback").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	ctx := context.Background()
	running, failed := 0, 0
	cluster, err := reference.Processes{Binary: binary}.Start(ctx, target.Spec{
		Cluster: scenarios.Cluster{TaskManagers: 4, Retained: 1}, Dir: b.TempDir(), Observe: func(e seen.Event) {
			switch {
			case e.Kind == seen.Status && e.Status == storage.Running:
				running++
			case e.Kind == seen.Status && e.Status == storage.Failing:
				failed++
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
	id, err := cluster.Submit(ctx, target.Submission{
		Dir:      cluster.Work(),
		Workload: workload.Workload{Name: workload.Counts, Splits: 2, Records: 1 << 24, Keys: 8, Pause: time.Millisecond},
		Job:      scenarios.Job{Parallelism: 2, Interval: time.Hour, Timeout: time.Minute, Retention: storage.RetainOnCancellation, Restarts: 1 << 30},
	})
	if err != nil {
		b.Fatal(err)
	}
	until(func() bool { return running > 0 })
	killer, checkpointer := cluster.(target.Killer), cluster.(target.Checkpointer)
	var recovering time.Duration
	for b.Loop() {
		runs := running
		for failures := failed; failed == failures; { // an idle TaskManager may be hit first
			if len(killer.TaskManagers()) < 3 {
				if err := killer.StartTaskManagers(ctx); err != nil {
					b.Fatal(err)
				}
			}
			if err := killer.Kill(ctx, killer.TaskManagers()[0]); err != nil {
				b.Fatal(err)
			}
			killed := cluster.Now()
			until(func() bool { return failed > failures || cluster.Now() > killed+noticedWithin })
		}
		noticed := cluster.Now()
		until(func() bool { return running > runs })
		recovering += cluster.Now() - noticed
		if _, err := checkpointer.Checkpoint(ctx, id); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
	b.ReportMetric(recovering.Seconds()*1000/float64(b.N), "recovery-ms")
}
