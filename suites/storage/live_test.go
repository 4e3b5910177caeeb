package storage_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/suites/realflink"
)

const (
	// liveVariable is the environment variable that says for how many seconds the jobs run.
	liveVariable = "SNAPBACK_LIVE_SECONDS"

	liveKeep         = 2                // number of checkpoints of a job that expire keeps; Flink retains one more
	plantedAge       = 2 * time.Hour    // age of the planted orphans
	plantedEvery     = time.Second      // shortest time between two planted orphans
	liveEndTimeout   = 5 * time.Minute  // longest time of the rest of the spec, after the jobs have ended
	completedMin     = 10               // least number of checkpoints of each job
	deleteTimeout    = time.Minute      // longest time for deleting what is left after the jobs have ended
	firstCheckpoints = 90 * time.Second // longest time for the start of a JVM and its first checkpoint
)

func liveSeconds() int {
	text, ok := os.LookupEnv(liveVariable)
	if !ok {
		return 60
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 10 {
		panic(fmt.Sprintf("%s: want a number of seconds, 10 or more, got %q", liveVariable, text))
	}
	return seconds
}

// liveJobs holds jobs of real Flink that run in one checkpoint directory. It also records what the
// program snapback does to that directory at the same time.
type liveJobs struct {
	root  string
	ended chan struct{} // closed when all jobs have ended
	lines []realflink.Lived
	err   error

	dir         string // directory for plans and logs
	plans       int
	deleted     map[string]int // for each verb, how often everything in the plan was deleted
	planted     []string       // names of the planted orphans
	lastPlanted time.Time
	discarded   []string          // broken checkpoints that the test itself discarded
	newest      map[string]int64  // for the directory of each job, the id of the newest checkpoint that the test saw
	suspects    map[string]string // for each newest checkpoint that could not be restored, the reason
}

// startLive starts the jobs. The jobs end by themselves.
func startLive(ctx context.Context) *liveJobs {
	GinkgoHelper()
	l := &liveJobs{
		root: GinkgoT().TempDir(), dir: GinkgoT().TempDir(), ended: make(chan struct{}),
		deleted: map[string]int{}, newest: map[string]int64{}, suspects: map[string]string{},
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(l.ended)
		l.lines, l.err = realflink.Run[realflink.Lived](ctx, local, l.dir, "live", l.root, fmt.Sprintf("--seconds=%d", liveSeconds()))
	}()
	DeferCleanup(func() {
		cancel()
		<-l.ended
	})
	Eventually(func() bool { return l.over() || len(l.checkpoints()) > 0 }).WithTimeout(firstCheckpoints).Should(BeTrue())
	return l
}

func (l *liveJobs) over() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// checkpoints returns the ids of the checkpoints that have metadata now. The ids are grouped by the
// directories of the jobs, the lowest id first.
func (l *liveJobs) checkpoints() map[string][]int64 {
	GinkgoHelper()
	names, err := filepath.Glob(filepath.Join(l.root, "*", "*", storage.MetadataName))
	Expect(err).NotTo(HaveOccurred())
	found := map[string][]int64{}
	for _, name := range names {
		location := filepath.Dir(name)
		if id, ok := storage.ParseCheckpointName(filepath.Base(location)); ok {
			found[filepath.Dir(location)] = append(found[filepath.Dir(location)], id)
		}
	}
	for _, ids := range found {
		slices.Sort(ids)
	}
	return found
}

// plant creates a file with an old time among the shared state of a job. No checkpoint refers to
// this file.
func (l *liveJobs) plant() {
	GinkgoHelper()
	if time.Since(l.lastPlanted) < plantedEvery {
		return
	}
	l.lastPlanted = time.Now()
	shared, err := filepath.Glob(filepath.Join(l.root, "*", storage.SharedName))
	Expect(err).NotTo(HaveOccurred())
	Expect(shared).NotTo(BeEmpty())
	name, old := filepath.Join(shared[len(l.planted)%len(shared)], uuid.NewString()), time.Now().Add(-plantedAge)
	Expect(os.WriteFile(name, []byte("an orphan"), 0o600)).To(Succeed())
	Expect(os.Chtimes(name, old, old)).To(Succeed())
	l.planted = append(l.planted, name)
}

// plantedLeft returns the planted orphans that still exist.
func (l *liveJobs) plantedLeft() []string {
	return slices.DeleteFunc(slices.Clone(l.planted), func(name string) bool {
		_, err := os.Stat(name)
		return os.IsNotExist(err)
	})
}

// delete runs a verb twice. The first run makes a plan by a policy, and the second run deletes by
// this plan. The second run may end with exit code 1, because Flink may have changed the directory
// in between. The parameter policy has the flags that only the first run gets. The result is false
// if a run ended with exit code 4, which means that the run could not prove that the files are not
// needed.
func (l *liveJobs) delete(ctx context.Context, verb string, policy []string, options ...string) (proven bool) {
	GinkgoHelper()
	l.plans++
	plan := filepath.Join(l.dir, fmt.Sprintf("plan-%d", l.plans))
	options = append([]string{verb, l.root, "--plan", plan}, options...)
	made := snapback(ctx, slices.Concat(options, policy)...)
	Expect(made.code).To(BeElementOf(0, 1, 4), made.String())
	if made.code != 1 {
		return made.code == 0
	}
	done := snapback(ctx, append(options, "--delete")...)
	Expect(done.code).To(BeElementOf(0, 1, 4), done.String())
	if done.code == 0 {
		l.deleted[verb]++
	}
	return done.code != 4
}

func (l *liveJobs) deleteAll(ctx context.Context) {
	GinkgoHelper()
	orphans := l.delete(ctx, "orphans", nil, "--age", "0s")
	expired := l.delete(ctx, "expire", []string{"--keep", strconv.Itoa(liveKeep)})
	if !orphans || !expired {
		l.discardBroken()
	}
}

// discardBroken does what the program snapback tells a user to do if a checkpoint lacks files. It
// discards the broken checkpoints of the jobs from which another job claimed a checkpoint. Nobody
// needs these broken checkpoints.
func (l *liveJobs) discardBroken() {
	GinkgoHelper()
	lines, err := realflink.Printed[realflink.Lived](l.dir, "live")
	Expect(err).NotTo(HaveOccurred())
	_, claimedFrom := l.jobs(lines)
	checkpoints := l.checkpoints()
	for _, dir := range claimedFrom {
		for _, id := range checkpoints[dir] {
			location := filepath.Join(dir, storage.CheckpointName(id))
			verification, err := (&audit.Auditor{Files: files}).Verify(context.Background(), location, audit.Shallow)
			if err == nil && !verification.Restorable {
				l.discarded = append(l.discarded, location)
				Expect(os.RemoveAll(location)).To(Succeed())
			}
		}
	}
}

// lookAtNewest records the newest checkpoint of each job if this checkpoint cannot be restored. The
// test must look while the job runs, because the job does not notice missing files, and its last
// checkpoints may not need these files.
func (l *liveJobs) lookAtNewest() {
	GinkgoHelper()
	found := l.checkpoints()
	for dir, id := range l.newest {
		if !slices.ContainsFunc(found[dir], func(now int64) bool { return now >= id }) {
			l.suspects[filepath.Join(dir, storage.CheckpointName(id))] = "it is gone, and no newer checkpoint exists"
		}
	}
	for dir, ids := range found {
		id := slices.Max(ids)
		l.newest[dir] = id
		location := filepath.Join(dir, storage.CheckpointName(id))
		verification, err := (&audit.Auditor{Files: files}).Verify(context.Background(), location, audit.Shallow)
		if err != nil || verification.Restorable { // an error means that Flink has just discarded the checkpoint
			continue
		}
		if slices.Contains(newest(l.checkpoints()[dir], liveKeep), id) { // the checkpoint is too new for Flink to discard it
			l.suspects[location] = fmt.Sprintf("%+v", verification.Findings[0])
		}
	}
}

// jobs returns the directories of two groups of jobs. The first group, whole, are jobs that have
// ended and from which no job claimed a checkpoint. The second group, claimedFrom, are jobs from
// which another job claimed a checkpoint. The older checkpoints of the second group break: when the
// claimed checkpoint is subsumed, Flink deletes its files, even the files that older checkpoints
// use.
func (l *liveJobs) jobs(lines []realflink.Lived) (whole, claimedFrom []string) {
	GinkgoHelper()
	for _, line := range lines {
		if line.Claimed != "" {
			name, err := filesystem.ParseName(line.Claimed)
			Expect(err).NotTo(HaveOccurred())
			claimedFrom = append(claimedFrom, filepath.Dir(name))
		}
	}
	for _, line := range lines {
		if dir := filepath.Join(l.root, line.Job); line.Event == realflink.Ended && !slices.Contains(claimedFrom, dir) {
			whole = append(whole, dir)
		}
	}
	return whole, claimedFrom
}

// expectNoJobHarmed checks the figures that the ended jobs report.
func (l *liveJobs) expectNoJobHarmed() {
	GinkgoHelper()
	Expect(l.err).NotTo(HaveOccurred())
	for _, line := range l.lines {
		if line.Event != realflink.Ended {
			continue
		}
		Expect(line.Causes).To(BeEmpty(), "job %s", line.Job)
		Expect(line.Failed).To(BeZero(), "job %s", line.Job)
		Expect(line.Restarts).To(BeZero(), "job %s", line.Job)
		Expect(line.Status).To(BeEquivalentTo(storage.Canceled), "job %s", line.Job)
		Expect(line.Consistent).To(BeTrue(), "job %s", line.Job)
		Expect(line.Completed).To(BeNumerically(">=", completedMin), "job %s", line.Job)
	}
}

var _ = Describe("Deleting beside running jobs", func() {
	It("deletes files that nobody needs, and no file that a job needs", func(ctx SpecContext) {
		l := startLive(ctx)
		for !l.over() {
			l.plant()
			l.deleteAll(ctx)
			l.lookAtNewest()
		}
		l.expectNoJobHarmed()
		AddReportEntry("deleted beside running jobs", fmt.Sprintf("%d of %d planted orphans; %d plans, completely deleted: %v; the test itself discarded %d broken checkpoints",
			len(l.planted)-len(l.plantedLeft()), len(l.planted), l.plans, l.deleted, len(l.discarded)))
		Expect(len(l.planted)-len(l.plantedLeft())).To(BeNumerically(">", 0), "no planted orphan was deleted while jobs ran")
		Expect(l.deleted["orphans"]).To(BeNumerically(">", 0), "no orphan was deleted while jobs ran")
		Expect(l.deleted["expire"]).To(BeNumerically(">", 0), "no checkpoint expired while jobs ran")

		whole, claimedFrom := l.jobs(l.lines)
		Expect(whole).To(HaveLen(3))
		Expect(claimedFrom).NotTo(BeEmpty())
		for location, why := range l.suspects {
			Expect(claimedFrom).To(ContainElement(filepath.Dir(location)), "while its job ran, %s could not be restored: %s", location, why)
		}
		Eventually(func() []string {
			l.deleteAll(ctx)
			return l.plantedLeft()
		}).WithTimeout(deleteTimeout).Should(BeEmpty())
		var resume []string
		for _, dir := range whole {
			resume = append(resume, expectRetained(ctx, dir, l.checkpoints()[dir]))
		}
		expectResumed(ctx, local, resume)
	}, SpecTimeout(time.Duration(liveSeconds())*time.Second+liveEndTimeout))
})

// expectRetained checks the retained checkpoints of a job, and returns the path of the newest one.
func expectRetained(ctx context.Context, dir string, ids []int64) string {
	GinkgoHelper()
	Expect(ids).NotTo(BeEmpty(), dir)
	Expect(len(ids)).To(BeNumerically("<=", liveKeep), dir)
	for _, id := range ids {
		expectDone(ctx, "verify", "--deep", filepath.Join(dir, storage.CheckpointName(id)))
	}
	latest := strings.TrimSpace(expectDone(ctx, "ls", "--latest", "--job", filepath.Base(dir), filepath.Dir(dir)))
	Expect(latest).To(HaveSuffix("/" + filepath.Base(dir) + "/" + storage.CheckpointName(ids[len(ids)-1])))
	return latest
}
