package job_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/operators"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
)

func valid() job.Job {
	j := job.Defaults()
	j.ID, j.Parallelism = strings.Repeat("0a", 16), 2
	j.Workload = operators.Parameters{Name: "counts", Splits: 2, Records: 10, Keys: 3, Dir: "/jobs"}
	return j
}

func TestBadJobsAreRefusedWithTheReason(t *testing.T) {
	if err := valid().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*job.Job){
		`job id: want 32 hexadecimal digits, got "x"`:                func(j *job.Job) { j.ID = "x" },
		"parallelism: want 1 to 128, got 0":                          func(j *job.Job) { j.Parallelism = 0 },
		"parallelism: want 1 to 4, got 5":                            func(j *job.Job) { j.Parallelism, j.ParallelismMax = 5, 4 },
		"maximum parallelism: want 1 to 32768, got 32769":            func(j *job.Job) { j.ParallelismMax = 32769 },
		"checkpoint interval: want more than 0, got 0s":              func(j *job.Job) { j.Checkpoints.Interval = 0 },
		"checkpoint timeout: want more than 0, got -1ns":             func(j *job.Job) { j.Checkpoints.Timeout = -1 },
		"minimum pause and alignment timeout: want 0":                func(j *job.Job) { j.Checkpoints.MinPause = -1 },
		"concurrent checkpoints: want 1 or more, got 0":              func(j *job.Job) { j.Checkpoints.MaxConcurrent = 0 },
		"tolerable checkpoint failures: want 0 or more":              func(j *job.Job) { j.Checkpoints.TolerableFailures = -1 },
		"unaligned checkpoints: only one can be in":                  func(j *job.Job) { j.Checkpoints.Unaligned, j.Checkpoints.MaxConcurrent = true, 2 },
		"unaligned checkpoints: they are for exactly-once":           func(j *job.Job) { j.Checkpoints.Unaligned, j.Checkpoints.AtLeastOnce = true, true },
		"state backend: want one of [full incremental changelog]":    func(j *job.Job) { j.Checkpoints.Backend = "rocksdb" },
		"restart strategy: want one of [none fixed-delay":            func(j *job.Job) { j.Restart.Kind = "never" },
		"restarts: want 0 or more, got -1":                           func(j *job.Job) { j.Restart = job.RestartStrategy{Kind: job.FixedDelay, Attempts: -1} },
		"restart strategy fixed-delay: times: want 0":                func(j *job.Job) { j.Restart = job.RestartStrategy{Kind: job.FixedDelay, Delay: -1} },
		"restart strategy exponential-delay: want a multi":           func(j *job.Job) { j.Restart = job.RestartStrategy{Kind: job.ExponentialDelay} },
		"restart strategy failure-rate: want an interval":            func(j *job.Job) { j.Restart = job.RestartStrategy{Kind: job.FailureRate} },
		"retention: want one of":                                     func(j *job.Job) { j.Checkpoints.Retention = "KEEP" },
		"claim mode: want one of":                                    func(j *job.Job) { j.Restore.ClaimMode = "MINE" },
		`there is no workload "x"; there are [counts transfers wind`: func(j *job.Job) { j.Workload.Name = "x" },
		"workload counts: splits: want 1 or more, got 0":             func(j *job.Job) { j.Workload.Splits = 0 },
		"workload counts: pause, snapshot, slow and payload":         func(j *job.Job) { j.Workload.Pause = -1 },
		`workload counts: dir: want an absolute path, got "`:         func(j *job.Job) { j.Workload.Dir = "out" },
	} {
		j := valid()
		change(&j)
		if err := j.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("want %s, got %v", want, err)
		}
	}
}

// Flink's old and new configuration keys set all fields that say how checkpoints are taken.
func TestFlinksKeysAreUnderstood(t *testing.T) {
	j := valid()
	j.Configuration = configuration.Configuration{
		"execution.checkpointing.interval": "300 ms", "execution.checkpointing.min-pause": "100", "execution.checkpointing.timeout": "1 min",
		"execution.checkpointing.max-concurrent-checkpoints": "1", "execution.checkpointing.tolerable-failed-checkpoints": "7",
		"execution.checkpointing.unaligned": "true", "execution.checkpointing.aligned-checkpoint-timeout": "5 s",
		"state.backend.incremental": "true", "execution.checkpointing.externalized-checkpoint-retention": "delete_on_cancellation",
		"execution.state-recovery.path": "/chk-1", "execution.state-recovery.claim-mode": "claim", "execution.savepoint.ignore-unclaimed-state": "true",
		"pipeline.max-parallelism": "64", "restart-strategy": "exponential-delay", "restart-strategy.exponential-delay.backoff-multiplier": "2",
	}
	if err := j.Configure(); err != nil {
		t.Fatal(err)
	}
	want := job.Checkpoints{
		Interval: 300 * time.Millisecond, MinPause: 100 * time.Millisecond, Timeout: time.Minute, MaxConcurrent: 1, TolerableFailures: 7,
		Retention: storage.DeleteOnCancellation, Unaligned: true, AlignmentTimeout: 5 * time.Second, Backend: state.Incremental,
	}
	if j.Checkpoints != want {
		t.Errorf("want %+v, got %+v", want, j.Checkpoints)
	}
	if got := fmt.Sprintf("%v %d %s %g %s", j.Restore, j.ParallelismMax, j.Restart.Kind, j.Restart.Multiplier, j.Restart.Delay); got != "{/chk-1 CLAIM true} 64 exponential-delay 2 1s" {
		t.Errorf("got %s", got)
	}
	for key, value := range map[string]string{
		"execution.checkpointing.mode": "TWICE", "execution.checkpointing.interval": "soon", "execution.checkpointing.unaligned.enabled": "perhaps",
		"execution.checkpointing.tolerable-failed-checkpoints": "many",
	} {
		bad := valid()
		bad.Configuration = configuration.Configuration{key: value}
		if err := bad.Configure(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s=%s: got %v", key, value, err)
		}
	}
}

func TestRestartStrategies(t *testing.T) {
	for _, c := range []struct {
		strategy job.RestartStrategy
		failures []time.Duration
		want     string
	}{
		{job.RestartStrategy{Kind: job.NoRestart}, []time.Duration{0}, "no"},
		{job.RestartStrategy{Kind: job.FixedDelay, Attempts: 2, Delay: time.Second}, []time.Duration{0, 0, 0}, "1s 1s no"},
		{job.RestartStrategy{Kind: job.FailureRate, Attempts: 1, Interval: time.Minute}, []time.Duration{0, 2 * time.Minute, 2*time.Minute + 1}, "0s 0s no"},
		{
			job.RestartStrategy{Kind: job.ExponentialDelay, Delay: time.Second, DelayMax: 5 * time.Second, Multiplier: 2, ResetAfter: time.Hour},
			[]time.Duration{0, 1, 2, 3, 2 * time.Hour},
			"1s 2s 4s 5s 1s",
		},
		{job.RestartStrategy{Kind: job.ExponentialDelay, Attempts: 1, Delay: time.Second, DelayMax: time.Second, Multiplier: 1}, []time.Duration{0, 1}, "1s no"},
	} {
		restarts := job.NewRestarts(c.strategy)
		var got []string
		for _, at := range c.failures {
			wait, restart := restarts.Failed(at)
			if !restart {
				got = append(got, "no")
				continue
			}
			got = append(got, wait.String())
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%+v: want %s, got %s", c.strategy, c.want, text)
		}
	}
}

func ExampleRestarts() {
	restarts := job.NewRestarts(job.RestartStrategy{Kind: job.FixedDelay, Attempts: 1, Delay: time.Second})
	fmt.Println(restarts.Failed(0))
	fmt.Println(restarts.Failed(time.Minute))
	// Output:
	// 1s true
	// 1s false
}
