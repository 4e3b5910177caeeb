package flink_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/filesystem"
)

// driven is a cluster that a test controls directly, without a scenario and a session. Tests use it
// for cases that no scenario can describe.
type driven struct {
	target.Cluster
	target.Killer
	ctx    context.Context
	events []history.Event
	jobs   int
}

func drive(ctx context.Context, on target.Target, dir string) *driven {
	GinkgoHelper()
	d := &driven{ctx: ctx}
	var err error
	d.Cluster, err = on.Start(ctx, target.Spec{
		Cluster: scenarios.Cluster{TaskManagers: 2, Retained: 1}, Dir: dir, Needs: []scenarios.Feature{scenarios.Tap},
		Observe: func(e history.Event) { d.events = append(d.events, e) },
	})
	Expect(err).NotTo(HaveOccurred())
	d.Killer = d.Cluster.(target.Killer)
	DeferCleanup(func() error { return d.Close() })
	return d
}

var incremental = scenarios.Job{Backend: "incremental"}

// submit submits a job that runs for a long time, and returns its id.
func (d *driven) submit(submission target.Submission) string {
	GinkgoHelper()
	id, err := d.trySubmit(submission)
	Expect(err).NotTo(HaveOccurred())
	return id
}

func (d *driven) trySubmit(submission target.Submission) (string, error) {
	GinkgoHelper()
	d.jobs++
	job := &submission.Job
	job.Parallelism, job.Interval, job.Timeout, job.Retention = max(1, job.Parallelism), 100*time.Millisecond, time.Minute, storage.RetainOnCancellation
	submission.Workload = workload.Workload{Name: workload.Counts, Seed: 1, Splits: 2, Records: 1_000_000, Keys: 64, Pause: time.Millisecond}
	submission.Dir = filepath.Join(d.Work(), fmt.Sprint("job-", d.jobs))
	Expect(d.Files().MkdirAll(submission.Dir)).To(Succeed())
	return d.Submit(d.ctx, submission)
}

// restart kills the JVM, and starts another JVM.
func (d *driven) restart() {
	GinkgoHelper()
	jobManagers := d.Cluster.(target.JobManagerKiller)
	Expect(d.Kill(d.ctx, jobManagers.JobManager())).To(Succeed())
	Expect(jobManagers.StartJobManagers(d.ctx)).To(Succeed())
	Expect(d.StartTaskManagers(d.ctx)).To(Succeed())
}

// until waits for an event for which holds() returns true, and returns this event. It ignores the
// events before the given index.
func (d *driven) until(what string, after int, holds func(history.Event) bool) history.Event {
	GinkgoHelper()
	for limit := time.Now().Add(time.Minute); ; {
		if i := slices.IndexFunc(d.events[after:], holds); i >= 0 {
			return d.events[after+i]
		}
		Expect(time.Now()).To(BeTemporally("<", limit), "waited for %s; seen: %+v", what, d.events)
		Expect(d.Step(d.ctx)).To(Succeed())
	}
}

func (d *driven) completed(id string, at int64) {
	GinkgoHelper()
	d.until(fmt.Sprint("checkpoint ", at), 0, func(e history.Event) bool { return e.Kind == history.Completed && e.ID == id && e.Checkpoint >= at })
}

func (d *driven) ends(id string, after int) storage.JobStatus {
	GinkgoHelper()
	return d.until("the job to end", after, func(e history.Event) bool { return e.Kind == history.Status && e.ID == id && e.Status.Terminal() }).Status
}

// cancel cancels a job, and returns the path of its newest checkpoint.
func (d *driven) cancel(id string) string {
	GinkgoHelper()
	after := len(d.events)
	Expect(d.Cancel(d.ctx, id)).To(Succeed())
	Expect(d.ends(id, after)).To(Equal(storage.Canceled))
	dir := filesystem.Join(d.Root(), id)
	ids, err := storage.CheckpointIDs(d.Files(), dir)
	Expect(err).NotTo(HaveOccurred())
	Expect(ids).NotTo(BeEmpty())
	return filesystem.Join(dir, storage.CheckpointName(ids[0]))
}

// missing lists the missing files to which a checkpoint refers.
func (d *driven) missing(path string) (files []string) {
	GinkgoHelper()
	auditor := audit.Auditor{Files: d.Files()}
	verification, err := auditor.Verify(d.ctx, path, audit.Shallow)
	Expect(err).NotTo(HaveOccurred())
	for _, f := range verification.Findings {
		files = append(files, f.File)
	}
	return files
}

// These are known problems of Flink that no scenario shows; see docs/findings.md. If a release of
// Flink no longer has a problem, a spec fails. Then docs/findings.md must change.
var _ = Describe("Flink, where it loses a checkpoint that nobody deleted", func() {
	It("deletes a retained checkpoint when a new job with the same id does not resume from it", Label("CLN-01"), func(ctx context.Context) {
		d := drive(ctx, inOneJVM(ctx), GinkgoT().TempDir())
		first := d.submit(target.Submission{})
		d.completed(first, 3)
		kept := d.cancel(first)
		Expect(d.missing(kept)).To(BeEmpty())

		d.restart() // a restart, because a cluster refuses an id that it has seen
		after := len(d.events)
		Expect(d.submit(target.Submission{ID: first})).To(Equal(first))
		number, ok := storage.ParseCheckpointName(filepath.Base(kept))
		Expect(ok).To(BeTrue())
		d.until("the checkpoint with the id of the retained one", after, func(e history.Event) bool {
			return e.Checkpoint >= number && (e.Kind == history.Aborted || e.Kind == history.Completed)
		})
		Eventually(func() error {
			Expect(d.Step(ctx)).To(Succeed())
			_, err := d.Files().Stat(filesystem.Join(kept, storage.MetadataName))
			return err
		}).WithTimeout(20*time.Second).Should(MatchError(fs.ErrNotExist), "Flink keeps %s: remove the finding from docs/findings.md", kept)
	})

	It("cannot restore the first incremental checkpoint after a native savepoint that was claimed (FLINK-39964)", Label("SHR-01"), func(ctx context.Context) {
		d := drive(ctx, inOneJVM(ctx), GinkgoT().TempDir())
		first := d.submit(target.Submission{Job: incremental})
		d.completed(first, 1)
		savepoint, err := d.Cluster.(target.NativeSavepointer).NativeSavepoint(ctx, first, scenarios.GoOn)
		Expect(err).NotTo(HaveOccurred())
		d.cancel(first)

		second := d.submit(target.Submission{Job: incremental, Restore: savepoint, ClaimMode: storage.Claim})
		d.completed(second, 1)
		kept := d.cancel(second)
		AddReportEntry("missing", strings.Join(d.missing(kept), " "))
		after := len(d.events)
		third := d.submit(target.Submission{Job: incremental, Restore: kept})
		Expect(d.ends(third, after)).To(Equal(storage.Failed))
	})

	It("leaves an older checkpoint without its shared files, when it is killed while it discards that checkpoint", Label("SHR-01"), func(ctx context.Context) {
		d := drive(ctx, inOneJVM(ctx), GinkgoT().TempDir())
		id := d.submit(target.Submission{Job: incremental})
		d.completed(id, 2)
		taps, killed := d.Cluster.(target.Tapped).Tap(), false
		// Flink deletes `_metadata` and the shared files in different threads, so either of them
		// may be deleted first. The fault delays the deletion of `_metadata` by one second, so that
		// Flink deletes the shared files first.
		late, err := faults.Parse(`(Delay 1s (On (Remove "*/_metadata")))`)
		Expect(err).NotTo(HaveOccurred())
		Expect(taps.Arm(late, nil, func(tap.Operation) bool { return false })).To(Succeed())
		kill, err := faults.Parse(`(Kill jobmanager (After (Remove "*/shared/*")))`)
		Expect(err).NotTo(HaveOccurred())
		Expect(taps.Arm(kill, nil, func(tap.Operation) bool {
			killed = true
			Expect(d.Kill(ctx, d.Cluster.(target.JobManagerKiller).JobManager())).To(Succeed())
			return true
		})).To(Succeed())
		for limit := time.Now().Add(time.Minute); !killed; {
			Expect(time.Now()).To(BeTemporally("<", limit))
			Expect(d.Step(ctx)).To(Succeed())
		}
		ids, err := storage.CheckpointIDs(d.Files(), filesystem.Join(d.Root(), id))
		Expect(err).NotTo(HaveOccurred())
		Expect(len(ids)).To(BeNumerically(">=", 2), "the older checkpoint does not exist")
		path := func(checkpoint int64) string {
			return filesystem.Join(d.Root(), id, storage.CheckpointName(checkpoint))
		}
		Expect(d.missing(path(ids[0]))).To(BeEmpty(), "the newest")
		Expect(d.missing(path(ids[1]))).NotTo(BeEmpty(), "the older one")
	})
})

var _ = Describe("Flink, resumed again and again", func() {
	It("keeps all files of the checkpoint that each job claims, with changing parallelism and unaligned barriers", Label("SHR-01", "REC-04"), func(ctx context.Context) {
		d := drive(ctx, inOneJVM(ctx), GinkgoT().TempDir())
		kept := ""
		for _, parallelism := range []int{2, 1, 2, 1} {
			submission := target.Submission{Restore: kept, Job: scenarios.Job{Parallelism: parallelism, Backend: "incremental", Unaligned: true}}
			if kept != "" {
				submission.ClaimMode = storage.Claim
			}
			id := d.submit(submission)
			if kept != "" {
				restored := d.until("the job to be restored", 0, func(e history.Event) bool { return e.Kind == history.Restored && e.ID == id })
				Expect(filepath.Base(restored.Path)).To(Equal(filepath.Base(kept)))
			}
			// The job takes its first checkpoint soon after the restore. Then this checkpoint still
			// shares most files with the claimed checkpoint.
			d.completed(id, 1)
			kept = d.cancel(id)
			Expect(d.missing(kept)).To(BeEmpty())
		}
	})
})

// outcome says how much of a complete checkpoint is left after a power loss.
type outcome string

const (
	whole      outcome = "whole"
	gone       outcome = "no _metadata"
	torn       outcome = "_metadata that cannot be read"
	incomplete outcome = "_metadata, and not every file that it refers to"
)

// afterPowerLoss visits the states that a power loss of the given level may leave now, but at most
// the given number of states. It counts the outcomes for one checkpoint, and returns the number of
// one state for each outcome.
func (d *driven) afterPowerLoss(path string, level filesystem.Level, most int) (count map[outcome]int, examples map[outcome]uint64) {
	GinkgoHelper()
	count, examples = map[outcome]int{}, map[outcome]uint64{}
	d.Cluster.(target.Durable).Disk(func(disk *filesystem.Memory) {
		seen := 0
		disk.EveryCrash(run.PowerLossModel(level), func(number uint64, after *filesystem.Memory) bool {
			left := d.leftOf(path, after)
			if count[left]++; count[left] == 1 {
				examples[left] = number
			}
			seen++
			return seen < most
		})
	})
	return count, examples
}

func (d *driven) leftOf(path string, after filesystem.FileSystem) outcome {
	if _, err := after.Stat(filesystem.Join(path, storage.MetadataName)); err != nil {
		return gone
	}
	auditor := audit.Auditor{Files: after}
	verification, err := auditor.Verify(d.ctx, path, audit.Deep)
	Expect(err).NotTo(HaveOccurred())
	switch {
	case len(verification.Findings) == 0:
		return whole
	case slices.ContainsFunc(verification.Findings, func(f audit.Finding) bool { return strings.HasSuffix(f.File, storage.MetadataName) }):
		return torn
	}
	return incomplete
}

const statesMost = 20_000

// The table lists, for power losses that no scenario covers, how much of Flink's newest checkpoint
// they may leave. If a checkpoint is damaged, Flink must refuse to restore it. Flink must not
// restore another checkpoint in its place.
var _ = Describe("Flink, after a power loss", func() {
	merged := map[string]string{"execution.checkpointing.file-merging.enabled": "true"}
	plain := map[string]string{"execution.checkpointing.dir": "plain://"}
	for _, c := range []struct {
		name     string
		settings map[string]string
		level    filesystem.Level
		possible []outcome // all possible outcomes, except whole
	}{
		{"a file for each state", nil, filesystem.Ordered, []outcome{gone}},
		{"a file for each state", nil, filesystem.POSIX, []outcome{gone, incomplete}},
		{"merged files", merged, filesystem.Ordered, []outcome{gone}},
		{"merged files", merged, filesystem.POSIX, []outcome{gone, incomplete}},
		{"a file system without atomic publication", plain, filesystem.Ordered, []outcome{gone, torn}},
	} {
		It(fmt.Sprintf("may find its newest checkpoint as %s, with %s at level %s", c.possible, c.name, c.level), Label("DUR-01"), func(ctx context.Context) {
			dir := GinkgoT().TempDir()
			d := drive(ctx, inOneJVM(ctx), dir)
			settings := maps.Clone(c.settings)
			if scheme, ok := settings["execution.checkpointing.dir"]; ok {
				settings["execution.checkpointing.dir"] = scheme + d.Root()
			}
			id := d.submit(target.Submission{Settings: settings})
			d.completed(id, 3)
			path := filesystem.Join(d.Root(), id, storage.CheckpointName(3))
			count, examples := d.afterPowerLoss(path, c.level, statesMost)
			AddReportEntry("states", fmt.Sprint(count))
			for left := range count {
				Expect(append(c.possible, whole)).To(ContainElement(left))
			}
			for _, left := range c.possible {
				Expect(count[left]).To(BeNumerically(">", 0), "%s", left)
			}
			worst := c.possible[len(c.possible)-1]
			again := d.losePower(c.level, examples[worst], dir)
			resumed, err := again.trySubmit(target.Submission{Restore: path})
			var refused *target.RefusedError
			if errors.As(err, &refused) {
				return
			}
			Expect(err).NotTo(HaveOccurred())
			Expect(again.ends(resumed, 0)).To(Equal(storage.Failed), "resumed from %s: %s", path, worst)
		})
	}
})

// losePower ends the cluster. Then it starts another cluster on the storage that a power loss
// leaves in the given state.
func (d *driven) losePower(level filesystem.Level, state uint64, dir string) *driven {
	GinkgoHelper()
	var survivor target.Target
	durable := d.Cluster.(target.Durable)
	durable.Disk(func(disk *filesystem.Memory) {
		survivor = durable.AfterPowerLoss(disk.Crash(run.PowerLossModel(level), filesystem.State(state)))
	})
	Expect(d.Close()).To(Succeed())
	d.Cluster = survived{}
	return drive(d.ctx, survivor, dir)
}

// survived is a cluster that is already closed.
type survived struct{ target.Cluster }

func (survived) Close() error { return nil }
