package flink_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/suites/servers"
)

// jobRecords is the number of records of a job whose time a benchmark measures. Such a job takes a
// few seconds.
const jobRecords = 1_500_000

// timed is a cluster for jobs whose time is measured, and the settings of these jobs.
type timed struct {
	cluster  target.Cluster
	settings map[string]string
	ended    []history.Event
	jobs     int
}

func startTimed(b *testing.B, on target.Target, settings func(root string) map[string]string) *timed {
	b.Helper()
	t := &timed{}
	dir, err := filepath.EvalSymlinks(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	t.cluster, err = on.Start(b.Context(), target.Spec{
		Cluster: scenarios.Cluster{TaskManagers: 2, Retained: 1}, Dir: dir, Needs: []scenarios.Feature{scenarios.Tap}, Observe: func(e history.Event) {
			if e.Kind == history.Status && e.Status.Terminal() {
				t.ended = append(t.ended, e)
			}
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = t.cluster.Close() })
	if settings != nil {
		t.settings = settings(dir)
	}
	return t
}

// run runs a job that takes checkpoints at the given interval. It returns the duration of the job.
func (t *timed) run(b *testing.B, interval time.Duration) time.Duration {
	b.Helper()
	t.jobs++
	work := filepath.Join(t.cluster.Work(), fmt.Sprint("job-", t.jobs))
	if err := t.cluster.Files().MkdirAll(work); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	id, err := t.cluster.Submit(b.Context(), target.Submission{
		Settings: t.settings, Dir: work, Job: scenarios.Job{Parallelism: 2, Interval: interval, Timeout: time.Minute, Retention: storage.DeleteOnCancellation},
		Workload: workload.Workload{Name: workload.Counts, Seed: 1, Splits: 2, Records: jobRecords / 2, Keys: 10_000},
	})
	for err == nil && !slices.ContainsFunc(t.ended, func(e history.Event) bool { return e.ID == id }) {
		err = t.cluster.Step(b.Context())
	}
	if last := t.ended; err == nil && last[len(last)-1].Status != storage.Finished {
		err = fmt.Errorf("the job ended %s", last[len(last)-1].Status)
	}
	if err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// compare runs jobs on two clusters in turn, and measures their times. It reports the throughput of
// the first cluster as a share of the throughput of the second.
func compare(b *testing.B, with, without *timed) {
	with.run(b, time.Second)
	without.run(b, time.Second) // after these two runs both clusters are warm
	for _, interval := range []time.Duration{time.Second, 100 * time.Millisecond} {
		b.Run(fmt.Sprintf("checkpoints-every=%s", interval), func(b *testing.B) {
			var a, c time.Duration
			for b.Loop() {
				a += with.run(b, interval)
				c += without.run(b, interval)
			}
			b.ReportMetric(c.Seconds()/a.Seconds(), "of-bare-throughput")
			b.ReportMetric(jobRecords*float64(b.N)/a.Seconds(), "records/s")
		})
	}
}

// BenchmarkMount measures how much a job becomes slower if its checkpoints go through a FUSE mount,
// which passes each operation to a tap. No fault is armed.
func BenchmarkMount(b *testing.B) {
	target := provisioned(b)
	with := startTimed(b, target, nil)
	without := startTimed(b, target, func(root string) map[string]string {
		return map[string]string{"execution.checkpointing.dir": filesystem.URL(filepath.Join(root, "bare"))}
	})
	compare(b, with, without)
}

// BenchmarkProxy measures how much a job becomes slower if its checkpoints go to S3 through the
// proxy of the harness. No fault is armed.
func BenchmarkProxy(b *testing.B) {
	target := provisioned(b)
	started := servers.Start(context.Background(), b.TempDir())
	b.Cleanup(func() { _ = started.Close() })
	url, err := started.MinIO()
	if err != nil {
		b.Fatal(err)
	}
	for name, value := range servers.S3Environment(url) {
		b.Setenv(name, value)
	}
	ctx, say := servers.NothingToInstall(b.Context())
	if target.Target, err = target.OnStorage(ctx, "s3://"+servers.Bucket, say); err != nil {
		b.Fatal(err)
	}
	with := startTimed(b, target, nil)
	direct := *target.Objects
	direct.Direct = true
	target.Objects = &direct
	compare(b, with, startTimed(b, target, nil))
}

func provisioned(b *testing.B) flink.Minicluster {
	b.Helper()
	target, err := servers.Flink(b.Context(), flink.DefaultVersion)
	if err != nil {
		b.Fatal(err)
	}
	return flink.Minicluster{Target: target}
}
