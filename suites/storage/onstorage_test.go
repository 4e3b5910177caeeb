package storage_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem/schemes"
	. "github.com/snapback/snapback/suites/matchers"
	"github.com/snapback/snapback/suites/servers"
)

// flinkOn returns an installed Flink that keeps checkpoints at a URL, as the flag --storage does.
func flinkOn(ctx context.Context, at string) (flink.Target, error) {
	installed, err := servers.Flink(ctx, flink.DefaultVersion)
	if err != nil {
		return installed, err
	}
	ctx, say := servers.NothingToInstall(ctx)
	return installed.OnStorage(ctx, at, say)
}

// The scenarios that real Flink runs on real storage.
const (
	// On S3, faults at requests fire in the proxy of the harness.
	faultsOfS3 = `
name: storage/s3
title: S3 throttles, loses an answer and lists late, and TaskManagers are killed; nothing is lost
requirements: [REC-01, REC-02, REC-03, SHR-01, LIV-01]
features: [kill, restart, tap, modes]
workload: {splits: 2, records: 1500, keys: 16, pause: 5ms, snapshot: 2ms}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 100ms, retention: RETAIN_ON_CANCELLATION, restarts: 20, tolerable: 20, backend: incremental}
steps:
  - submit: {job: first}
  - await: {job: first, completed: 2}
  - fault: (Throttle 5 (On (Put "*/chk-*")))
  - await: {job: first, more: 1}
  - fault: (Lose (On (Put "*/_metadata")))
  - fault: (Kill taskmanager)
  - start: taskmanager
  - await: {job: first, status: FINISHED}
  - record: after
`
	// HDFS is only stored to: no fault happens at an operation.
	claimedOnHDFS = `
name: storage/hdfs
title: A job on HDFS is killed, and resumed by a job that claims its checkpoint
requirements: [REC-01, REC-02, REC-03, REC-04, SHR-01, LIV-01]
features: [kill, restart, resume, claim, modes, retention]
workload: {splits: 2, records: 1500, keys: 16, pause: 5ms, snapshot: 2ms}
cluster: {taskManagers: 2, retained: 1}
job: {parallelism: 2, interval: 100ms, retention: RETAIN_ON_CANCELLATION, restarts: 20, backend: incremental}
steps:
  - submit: {job: first}
  - await: {job: first, completed: 2}
  - fault: (Kill taskmanager)
  - start: taskmanager
  - await: {job: first, more: 1}
  - cancel: first
  - await: {job: first, status: CANCELED}
  - submit: {job: second, restore: first, claimMode: CLAIM}
  - await: {job: second, status: FINISHED}
  - record: after
`
)

var _ = Describe("Real Flink on", func() {
	for _, c := range []struct {
		place    string
		at       func() string
		scenario string
		fired    []string // the operations at which faults fire
	}{
		{"S3", func() string { return bucket + "/a-run" }, faultsOfS3, []string{"Put s3://checkpoints/a-run/", "Put s3://checkpoints/a-run/"}},
		{"HDFS", func() string { return hdfs + "/a-run" }, claimedOnHDFS, nil},
	} {
		for _, runtime := range []string{flink.MiniclusterRuntime, "processes"} {
			It(c.place+", in the runtime "+runtime+", loses nothing", func(ctx context.Context) {
				if c.place == "HDFS" {
					jars, err := started.HadoopJars()
					Expect(err).NotTo(HaveOccurred())
					GinkgoT().Setenv("HADOOP_CLASSPATH", filepath.Join(jars, "*"))
				}
				installed, err := flinkOn(ctx, c.at())
				Expect(err).NotTo(HaveOccurred())
				var under target.Target = installed
				if runtime == flink.MiniclusterRuntime {
					under = flink.Minicluster{Target: installed}
				}
				parsed, err := scenarios.Parse("scenario.yaml", []byte(c.scenario))
				Expect(err).NotTo(HaveOccurred())
				dir := GinkgoT().TempDir()
				runner := run.Runner{Target: under, Seed: 1, Dir: dir, Timeout: 3 * time.Minute}
				result := runner.Run(ctx, parsed, func(run.Result) {})[0]
				Expect(result).To(Pass())
				Expect(under.Describe().Storage).To(Equal(c.at()))

				// The checkpoints were there, and not in the directory of the run. Flink has deleted them
				// at the end of the job. Only a file system then still has the directories.
				if c.place == "HDFS" {
					entries, err := schemes.New().List(c.at())
					Expect(err).NotTo(HaveOccurred())
					Expect(entries).NotTo(BeEmpty())
				}
				Expect(filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
					Expect(name).NotTo(HaveSuffix("_metadata"))
					return err
				})).To(Succeed())
				Expect(firedAt(filepath.Join(result.Dir, run.HistoryName))).To(HaveExactElements(beginWith(c.fired)...))
			})
		}
	}
})

func beginWith(prefixes []string) (all []any) {
	for _, prefix := range prefixes {
		all = append(all, HavePrefix(prefix))
	}
	return all
}

// firedAt lists the operations at which the faults of a history fired.
func firedAt(file string) (operations []string) {
	GinkgoHelper()
	reader, err := os.Open(file)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = reader.Close() }() // nothing was written to it
	read, err := history.Read(reader)
	Expect(err).NotTo(HaveOccurred())
	for _, e := range read.Events {
		if e.Kind == history.Fault && strings.Contains(e.Operation, "://") {
			operations = append(operations, e.Operation)
		}
	}
	return operations
}
