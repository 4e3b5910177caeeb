package storage_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/suites/realflink"
)

// The table ends gives the status of a job after each way in which the job can end. The table kept
// gives, for each cleanup mode, the ways to end after which checkpoints stay. The tables are
// written from Flink's documentation, and share nothing with the code under test.
var (
	ends = map[string]storage.JobStatus{
		"cancel": "CANCELED", "fail": "FAILED", "finish": "FINISHED", "suspend": "SUSPENDED", "stop-with-savepoint": "FINISHED",
	}
	kept = map[string][]string{
		"RETAIN_ON_CANCELLATION":      {"cancel", "fail", "suspend"},
		"DELETE_ON_CANCELLATION":      {"fail"},
		"NO_EXTERNALIZED_CHECKPOINTS": {},
	}
)

// stores returns the root directory for the test on each store, by the name of the store.
func stores() map[string]string {
	return map[string]string{"file": filesystem.URL(GinkgoT().TempDir()), "hdfs": hdfs + "/retention", "s3": bucket + "/retention"}
}

// expectKept checks the directory of a job file by file. The directory must hold the given
// checkpoints with all files to which they refer. expectKept returns the files that belong to none
// of these checkpoints.
func expectKept(dir string, ids []int64) (leftOver []string) {
	GinkgoHelper()
	name, err := filesystem.ParseName(dir)
	Expect(err).NotTo(HaveOccurred())
	wanted := map[string]bool{}
	auditor := audit.Auditor{Files: files}
	for _, id := range ids {
		location := filesystem.Join(name, storage.CheckpointName(id))
		verification, err := auditor.Verify(context.Background(), location, audit.Deep)
		Expect(err).NotTo(HaveOccurred())
		Expect(verification.Findings).To(BeEmpty(), "chk-%d of %s", id, dir)
		completed, err := storage.Resolve(files, location)
		Expect(err).NotTo(HaveOccurred())
		Expect(completed.Checkpoint.ID).To(Equal(id))
		wanted[filesystem.Join(location, storage.MetadataName)] = true
		for reference := range completed.Checkpoint.References() {
			file, _, err := storage.FileOf(location, reference.Stream)
			Expect(err).NotTo(HaveOccurred())
			if file != "" {
				wanted[file] = true
			}
		}
	}
	err = filesystem.Walk(files, name, func(file string, entry filesystem.Entry) error {
		full := filesystem.Join(name, file)
		if entry.Directory {
			if id, ok := storage.ParseCheckpointName(path.Base(file)); ok && !slices.Contains(ids, id) {
				leftOver = append(leftOver, file+"/")
			}
			return nil
		}
		if !wanted[full] {
			leftOver = append(leftOver, file)
		}
		delete(wanted, full)
		return nil
	})
	Expect(err).NotTo(HaveOccurred())
	Expect(wanted).To(BeEmpty(), "files of kept checkpoints that are missing in %s", dir)
	return leftOver
}

// newest returns the last n ids of a list.
func newest(ids []int64, n int) []int64 { return ids[max(0, len(ids)-n):] }

var _ = Describe("What is kept when a job ends", func() {
	Context("of the reference engine", Label("CLN-01", "CLN-02", "CLN-03"), func() {
		for _, retained := range []int{1, 3} {
			for _, store := range []string{"file", "hdfs", "s3"} {
				It(fmt.Sprintf("is as promised on %s, with %d retained", store, retained), func() {
					root := stores()[store] + fmt.Sprintf("-%d", retained)
					e := startEngine(len(ends)*len(kept), configuration.Configuration{configuration.NumRetained.Key: fmt.Sprint(retained)})
					var cells sync.WaitGroup
					n := 0
					for _, retention := range storage.Retentions() {
						for _, end := range slices.Sorted(maps.Keys(ends)) {
							n++
							id := fmt.Sprintf("%032x", n)
							cells.Go(func() {
								defer GinkgoRecover()
								referenceCell(e, root, id, end, retention, retained)
							})
						}
					}
					cells.Wait()
				})
			}
		}
	})

	Context("of real Flink", func() {
		for _, store := range []string{"file", "s3"} {
			It("is as Flink's documents say on "+store, func(ctx SpecContext) {
				root, host := stores()[store]+"-flink", local
				if store == "s3" {
					host = onS3
				}
				cells, err := realflink.Run[realflink.Cell](ctx, host, GinkgoT().TempDir(), "retention", root)
				Expect(err).NotTo(HaveOccurred())
				Expect(cells).To(HaveLen(30))
				for _, cell := range cells {
					flinkCell(cell)
				}
			}, SpecTimeout(5*time.Minute))
		}
	})
})

// referenceCell runs one job to its end, and checks which files of the job are left on storage.
func referenceCell(e *engine, root, id, end string, retention storage.Retention, retained int) {
	work, err := os.MkdirTemp("", "snapback-work-*")
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = os.RemoveAll(work) }()
	j := newJob(id, root, work)
	j.Checkpoints.Retention = retention
	if end == "finish" {
		j.Workload.Records = 300
	}
	Expect(e.ask(func(client reference.Client) error { return client.Submit(j) })).To(Succeed())
	const enough = 4
	Eventually(func() bool { return len(e.completed(id)) >= enough || end == "finish" }).WithTimeout(time.Minute).Should(BeTrue(), e.explain)
	savepoint := ""
	Expect(e.ask(func(client reference.Client) error {
		switch end {
		case "cancel":
			return client.Cancel(id)
		case "suspend":
			return client.Suspend(id)
		case "fail":
			return os.WriteFile(filepath.Join(work, "fail"), nil, 0o600)
		case "stop-with-savepoint":
			var err error
			savepoint, err = client.Savepoint(id, root+"/savepoints", protocol.Suspend, time.Minute)
			return err
		}
		return nil
	})).To(Succeed())
	// The job's master reports a terminal status only after it has cleaned up. The log shows the
	// status earlier.
	var status storage.JobStatus
	var cause string
	Eventually(func() bool {
		Expect(e.ask(func(client reference.Client) (err error) {
			status, cause, err = client.Status(id)
			return err
		})).To(Succeed())
		return status.Terminal()
	}).WithTimeout(time.Minute).Should(BeTrue(), e.explain)
	Expect(status).To(Equal(ends[end]), "%s under %s: %s", end, retention, cause)

	var left []int64
	if slices.Contains(kept[string(retention)], end) {
		left = newest(e.completed(id), retained)
		Expect(left).To(HaveLen(retained))
	}
	Expect(expectKept(root+"/"+id, left)).To(BeEmpty(), "%s under %s with %d retained leaves files of no kept checkpoint", end, retention, retained)
	if end == "stop-with-savepoint" {
		verification, err := (&audit.Auditor{Files: files}).Verify(context.Background(), savepoint, audit.Deep)
		Expect(err).NotTo(HaveOccurred())
		Expect(verification.Restorable).To(BeTrue(), "%+v", verification)
	}
}

// flinkCell checks which files real Flink left on storage. Flink is known to leave some files that
// no kept checkpoint needs: the shared files of a suspended job, and sometimes files of an aborted
// checkpoint.
func flinkCell(cell realflink.Cell) {
	GinkgoHelper()
	Expect(cell.Error).To(BeEmpty(), cell.Cell)
	var end, retention string
	var retained int
	for name := range ends {
		for mode := range kept {
			for _, n := range []int{1, 3} {
				if cell.Cell == fmt.Sprintf("%s-%s-%d", name, mode, n) {
					end, retention, retained = name, mode, n
				}
			}
		}
	}
	Expect(end).NotTo(BeEmpty(), cell.Cell)
	Expect(storage.JobStatus(cell.Status)).To(Equal(ends[end]), cell.Cell)
	var left []int64
	if slices.Contains(kept[retention], end) {
		left = newest(cell.Checkpoints, retained)
		Expect(left).To(HaveLen(retained), cell.Cell)
	}
	leftOver := expectKept(cell.Dir+"/"+cell.Job, left)
	if len(leftOver) > 0 {
		AddReportEntry(cell.Cell+" leaves", strings.Join(leftOver, " "))
	}
	for _, file := range leftOver {
		_, checkpoint := storage.ParseCheckpointName(strings.Split(file, "/")[0])
		Expect(checkpoint && strings.HasSuffix(file, storage.MetadataName)).To(BeFalse(), "%s: %s is a checkpoint that should be gone", cell.Cell, file)
	}
}
