package job_test

import (
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/storage"
)

func valid() job.Job {
	return job.Job{
		ID: strings.Repeat("0a", 16), Parallelism: 2, ClaimMode: storage.NoClaim,
		Interval: time.Second, Timeout: time.Minute, Retention: storage.RetainOnCancellation,
		Counts: job.Counts{Splits: 2, Records: 10, Keys: 3, Dir: "/jobs"},
	}
}

func TestBadJobsAreRefusedWithTheReason(t *testing.T) {
	if err := valid().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*job.Job){
		`job id: want 32 hexadecimal digits, got "x"`:        func(j *job.Job) { j.ID = "x" },
		"parallelism: want 1 to 128, got 0":                  func(j *job.Job) { j.Parallelism = 0 },
		"parallelism: want 1 to 128, got 129":                func(j *job.Job) { j.Parallelism = 129 },
		"checkpoint interval: want more than 0, got 0s":      func(j *job.Job) { j.Interval = 0 },
		"checkpoint timeout: want more than 0, got -1ns":     func(j *job.Job) { j.Timeout = -1 },
		"restarts: want 0 or more, got -1":                   func(j *job.Job) { j.Restarts = -1 },
		"retention: want one of":                             func(j *job.Job) { j.Retention = "KEEP" },
		"claim mode: want one of":                            func(j *job.Job) { j.ClaimMode = "MINE" },
		"workload counts: splits: want 1 or more, got 0":     func(j *job.Job) { j.Counts.Splits = 0 },
		"workload counts: pause and snapshot":                func(j *job.Job) { j.Counts.Pause = -1 },
		`workload counts: dir: want an absolute path, got "`: func(j *job.Job) { j.Counts.Dir = "out" },
	} {
		j := valid()
		change(&j)
		if err := j.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("want %s, got %v", want, err)
		}
	}
}

// The key groups are Flink's: these were computed by Flink 2.3.0 for 128 key
// groups and parallelism 4.
func TestKeysGoWhereFlinkSendsThem(t *testing.T) {
	for key, want := range map[int32]int{0: 2, 1: 2, 2: 3, 42: 0, -1: 2, -1 << 31: 3} {
		if got := job.Route(job.Record{Key: key}, 4); got != want {
			t.Errorf("key %d: want subtask %d, got %d", key, want, got)
		}
	}
}
