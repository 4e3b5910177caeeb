package exploration

import (
	"time"

	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
)

// begin draws the configuration and the workload, but no steps.
func (d *drawing) begin(name string) {
	d.scenario = scenarios.Scenario{
		Name: name, Title: "A job lives through what chance does to it, and nothing is lost or doubled",
		Requirements: []string{"REC-02", "LIV-01"}, Bound: time.Minute,
		Cluster: scenarios.Cluster{TaskManagers: d.Int("taskManagers", 1, 3), Retained: d.Int("retained", 1, 3)},
	}
	if d.seldom("retain all", 4) {
		d.scenario.Cluster.Retained = retainedAll
	}
	if d.some("high availability") {
		d.scenario.Cluster.JobManagers = 2
	}
	d.settings()
	d.workload()
	d.job()
	d.need(d.millis("life", 20, 200))
}

// settings draws settings of the cluster: where state goes, in what pieces, and how large a message
// may be.
func (d *drawing) settings() {
	set := map[string]string{}
	draw := func(key configuration.Option, values ...string) {
		if value := d.one(key.Key, values...); value != usual {
			set[key.Key] = value
		}
	}
	draw(configuration.Storage, usual, usual, usual, usual, usual, storage.JobManagerName)
	if set[configuration.Storage.Key] == storage.JobManagerName {
		draw(configuration.Heap, usual, usual, "100kb")
	} else {
		draw(configuration.InlineMax, usual, usual, usual, "0b", "1kb", "100kb")
		draw(configuration.WriteBuffer, usual, usual, usual, "1", "100")
	}
	draw(configuration.FrameSize, usual, usual, usual, usual, usual, usual, usual, "50kb")
	if len(set) > 0 {
		d.scenario.Cluster.Settings = set
	}
}

// inFiles says whether all state goes to files, and none into messages to the JobManager.
func (d *drawing) inFiles() bool {
	set := d.scenario.Cluster.Settings
	inline, changed := set[configuration.InlineMax.Key]
	return set[configuration.Storage.Key] == "" && (!changed || inline == "0b")
}

// outgrows says whether the state of the job comes to the limit of the JobManager's memory. Then its
// checkpoints rightly fail, and at last the job.
func (d *drawing) outgrows() bool { return d.scenario.Workload.Payload >= hugePayload }

// usual stands for a key that is not set.
const usual = "usual"

func (d *drawing) workload() {
	w := &d.scenario.Workload
	w.Name = d.one("workload", workload.Names()...)
	w.Splits, w.Records, w.Keys = d.Int("splits", 1, 4), d.Int("records", 20, 80), d.Int("keys", 1, 8)
	if d.seldom("many keys", 8) {
		w.Keys = manyKeys
	}
	if w.Splits > 1 {
		w.Uneven = d.seldom("uneven splits", 5)
	}
	if d.seldom("idle splits", 6) {
		w.Idle = d.Int("number of idle splits", 1, w.Splits)
	}
	w.Snapshot = d.millis("snapshot", 0, 10)
	if w.Name == workload.Backpressure || (w.Name != workload.Counts && d.some("slow")) {
		w.Slow = d.millis("slow", 1, 4)
	}
	if w.Name == workload.Growing {
		d.payload()
	}
}

// largePayload is the least number of bytes that makes a record large. A job with large records has
// few of them.
const largePayload = 1000

// hugePayload is a number of bytes. A few records of this size do not fit into the memory of a
// JobManager.
const hugePayload = 1 << 20

// payload draws how many bytes each record adds to the state. The large ones do not fit into a
// buffer. Some of the huge ones do not fit into the memory of a JobManager.
func (d *drawing) payload() {
	w := &d.scenario.Workload
	w.Payload = d.Int("payload", 0, 100)
	sizes := []string{"small", "small", "small", "small", "small", "buffer", "large"}
	if d.scenario.Cluster.Settings[configuration.Storage.Key] == storage.JobManagerName {
		sizes = []string{"small", "huge", "huge"}
	}
	switch d.one("size", sizes...) {
	case "buffer":
		w.Payload = d.Int("around a buffer", 4094, 4098)
	case "large":
		w.Payload = d.Int("around 64 KiB", 65_534, 65_538)
	case "huge":
		w.Payload = hugePayload
	}
	if w.Payload >= largePayload {
		w.Splits, w.Records, w.Uneven, w.Idle = 1, 6, false, 0
		delete(d.scenario.Cluster.Settings, configuration.Heap.Key) // with one of these two, no checkpoint might complete
		delete(d.scenario.Cluster.Settings, configuration.FrameSize.Key)
	}
	if d.outgrows() { // all state has one key, so that it comes to the limit after half of the records
		w.Keys, w.Records = 1, 12
	}
}

func (d *drawing) job() {
	j := &d.scenario.Job
	j.Parallelism = d.Int("parallelism", 1, d.scenario.Cluster.TaskManagers)
	d.keyGroups()
	j.Interval = d.millis("interval", 10, 60)
	j.Timeout = 10 * time.Second
	j.Retention = storage.Retention(d.one("retention", string(storage.RetainOnCancellation), string(storage.RetainOnCancellation),
		string(storage.RetainOnCancellation), string(storage.DeleteOnCancellation), string(storage.NoExternalizedCheckpoint)))
	j.Backend = d.one("backend", "full", "incremental", "changelog")
	d.barriers()
	if d.seldom("short timeout", 4) {
		j.Timeout = d.millis("timeout", 200, 400)
	}
	j.Restarts, j.Tolerable = 50, d.tolerable()
	if d.outgrows() {
		j.Restarts, j.Tolerable = outgrownRestarts, 0
	}
	d.now = *j
}

// parallelismMost is the greatest maximum parallelism.
const parallelismMost = 32_768

// outgrownRestarts is the number of restarts of a job whose state comes to a limit. Faults use up some
// of them.
const outgrownRestarts = 10

// keyGroups draws the maximum parallelism. Up to 128 and above, a key group has one byte in a key or
// two.
func (d *drawing) keyGroups() {
	j := &d.scenario.Job
	switch d.one("key groups", "default", "default", "default", "few", "few", "few", "around a byte", "around a byte", "many") {
	case "few":
		j.ParallelismMax = d.Int("maximum parallelism", d.scenario.Cluster.TaskManagers, 6)
	case "around a byte":
		j.ParallelismMax = d.Int("key groups around a byte", 127, 129) * d.Int("half or whole byte", 1, 2)
	case "many":
		j.ParallelismMax = 1000
		if d.seldom("most", 16) { // a checkpoint with so many takes long
			j.ParallelismMax = parallelismMost
		}
	}
}

// tolerable draws how many checkpoints may fail in a row.
func (d *drawing) tolerable() int {
	if d.scenario.Job.Timeout < time.Second || d.one("tolerable failures", "many", "few") == "many" {
		return 50
	}
	return d.Int("few failures", 0, 2)
}

// barriers draws how checkpoints pass through the job, and how close together they begin.
func (d *drawing) barriers() {
	j := &d.scenario.Job
	switch d.one("barriers", "aligned", "unaligned", "aligned with a timeout", "at least once", "concurrent") {
	case "unaligned":
		j.Unaligned = true
	case "aligned with a timeout":
		j.Unaligned, j.AlignmentTimeout = true, d.millis("alignment timeout", 1, 10)
	case "at least once":
		j.AtLeastOnce = true
		d.scenario.Requirements[0] = "REC-08"
	case "concurrent":
		j.MaxConcurrent = 2
	}
	if d.some("minimum pause") {
		j.MinPause = d.millis("minimum pause", 1, 40)
	}
}

// another draws the configuration of a job that resumes. It returns nil if this is the one of the
// first job.
func (d *drawing) another() *scenarios.Job {
	d.now = d.scenario.Job
	if !d.seldom("another configuration", 3) {
		return nil
	}
	d.now.Interval = d.millis("another interval", 10, 60)
	d.now.Retention = storage.Retentions()[d.Int("another retention", 0, len(storage.Retentions())-1)]
	if !d.now.AtLeastOnce && d.now.MaxConcurrent == 0 {
		d.now.Unaligned, d.now.AlignmentTimeout = !d.now.Unaligned, 0
	}
	now := d.now
	return &now
}
