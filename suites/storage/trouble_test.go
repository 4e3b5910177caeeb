package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/faults/network"
	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/schemes"
)

// retained runs a job of the reference until it has retained a checkpoint below a root. It returns
// the path of the checkpoint.
func retained(e *engine, id, root string) string {
	GinkgoHelper()
	j := newJob(id, root, GinkgoT().TempDir())
	Expect(e.ask(func(client reference.Client) error { return client.Submit(j) })).To(Succeed())
	Eventually(func() int { return len(e.completed(id)) }).WithTimeout(time.Minute).Should(BeNumerically(">=", 1))
	Expect(e.ask(func(client reference.Client) error { return client.Cancel(id) })).To(Succeed())
	Eventually(func() bool { return e.status(id).Terminal() }).WithTimeout(time.Minute).Should(BeTrue())
	ids := e.completed(id)
	return fmt.Sprintf("%s/%s/%s", root, id, storage.CheckpointName(ids[len(ids)-1]))
}

var _ = Describe("A full disk", func() {
	It("makes checkpoints fail, but no complete checkpoint is lost", func() {
		mount := GinkgoT().TempDir()
		Expect(syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=256k")).To(Succeed(), "mounting a small disk takes root")
		DeferCleanup(func() error { return syscall.Unmount(mount, syscall.MNT_DETACH) })
		root := filesystem.URL(filepath.Join(mount, "checkpoints"))
		e := startEngine(1, nil)
		earlier := retained(e, fmt.Sprintf("%032x", 1), root)

		id := fmt.Sprintf("%032x", 2)
		j := newJob(id, root, GinkgoT().TempDir())
		Expect(e.ask(func(client reference.Client) error { return client.Submit(j) })).To(Succeed())
		Eventually(func() int { return len(e.completed(id)) }).WithTimeout(time.Minute).Should(BeNumerically(">=", 1))
		filler, err := os.Create(filepath.Join(mount, "filler"))
		Expect(err).NotTo(HaveOccurred())
		for err == nil {
			_, err = filler.Write(make([]byte, 512))
		}
		Expect(errors.Is(err, syscall.ENOSPC)).To(BeTrue())
		Expect(filler.Close()).To(Succeed())
		Eventually(func() string { return e.aborted(id) }).WithTimeout(time.Minute).Should(ContainSubstring("no space left on device"))
		Expect(verify(earlier, audit.Deep).Restorable).To(BeTrue())

		// The job continues, and completes checkpoints again when the disk has room.
		Expect(os.Remove(filler.Name())).To(Succeed())
		before := len(e.completed(id))
		Eventually(func() int { return len(e.completed(id)) }).WithTimeout(time.Minute).Should(BeNumerically(">", before))
		Expect(e.ask(func(client reference.Client) error { return client.Cancel(id) })).To(Succeed())
		Eventually(func() storage.JobStatus { return e.status(id) }).WithTimeout(time.Minute).Should(Equal(storage.Canceled))
		Expect(expectKept(root+"/"+id, newest(e.completed(id), 1))).To(BeEmpty())
	})
})

var _ = Describe("State that has no room in the JobManager", func() {
	It("makes the checkpoint fail but not the job, and the reason names the subtask and the size", func() {
		for key, want := range map[string]string{
			configuration.FrameSize.Key: "more than the frame size of messages of 3072",
			configuration.Heap.Key:      "more than the JobManager's memory budget of 3072",
		} {
			e := startEngine(1, configuration.Configuration{key: "3 kb"})
			j := newJob(fmt.Sprintf("%032x", 1), "", GinkgoT().TempDir())
			j.Configuration = configuration.Configuration{configuration.Storage.Key: storage.JobManagerName}
			j.Workload.Keys = 1000 // the size of the state grows with the number of keys that the job has seen
			Expect(e.ask(func(client reference.Client) error { return client.Submit(j) })).To(Succeed())
			Eventually(func() string { return e.aborted(j.ID) }).WithTimeout(time.Minute).Should(And(ContainSubstring(want), ContainSubstring("counter-0")))
			Expect(e.completed(j.ID)).NotTo(BeEmpty(), "small state had room")
			status := e.status(j.ID)
			Expect(status).To(Equal(storage.Running))
			Expect(e.ask(func(client reference.Client) error { return client.Cancel(j.ID) })).To(Succeed())
			Eventually(func() storage.JobStatus { return e.status(j.ID) }).WithTimeout(time.Minute).Should(Equal(storage.Canceled))
		}
	})
})

var _ = Describe("A job id that is used again", func() {
	It("is refused, and the first job's checkpoints stay", func() {
		root, id := filesystem.URL(GinkgoT().TempDir()), fmt.Sprintf("%032x", 1)
		kept := retained(startEngine(1, nil), id, root)
		e := startEngine(1, nil) // this is another cluster, which does not know the first job
		j := newJob(id, root, GinkgoT().TempDir())
		err := e.ask(func(client reference.Client) error { return client.Submit(j) })
		var refused *reference.RefusedError
		Expect(errors.As(err, &refused)).To(BeTrue(), "%v", err)
		Expect(refused.Why).To(ContainSubstring("belongs to an earlier run of the job"))
		Expect(verify(kept, audit.Deep).Restorable).To(BeTrue())
	})
})

var _ = Describe("A store that refuses", func() {
	It("makes the submission fail with a clear error, and changes nothing", func() {
		silent, err := net.Listen("tcp", "127.0.0.1:0") // a server that accepts connections and never answers
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(silent.Close)
		free, err := network.FreePort()
		Expect(err).NotTo(HaveOccurred())
		e, n := startEngine(1, nil), 0
		for dir, want := range map[string]string{
			"hdfs://127.0.0.1:" + free + "/checkpoints":         "no NameNode answers at 127.0.0.1:" + free,
			"hdfs://" + silent.Addr().String() + "/checkpoints": "timeout",
			"s3://no-such-bucket/checkpoints":                   "there is no bucket s3://no-such-bucket",
			"ftp://host/checkpoints":                            "want one of the schemes file, hdfs, s3, gs, azblob, got ftp",
			"/checkpoints":                                      "the scheme is missing",
			"file:///":                                          "the root directory cannot hold checkpoints",
		} {
			n++
			j := newJob(fmt.Sprintf("%032x", n), dir, GinkgoT().TempDir())
			began := time.Now()
			err := e.ask(func(client reference.Client) error { return client.Submit(j) })
			var refused *reference.RefusedError
			Expect(errors.As(err, &refused)).To(BeTrue(), "%s: %v", dir, err)
			Expect(refused.Why).To(ContainSubstring(want))
			Expect(time.Since(began)).To(BeNumerically("<", 30*time.Second), dir)
		}
	})

	It("for lack of permission leads to an error that says so", func() {
		root := hdfs + "/private"
		Expect(files.MkdirAll(root)).To(Succeed())
		GinkgoT().Setenv("HADOOP_USER_NAME", "nobody")
		other := schemes.New()
		err := filesystem.WriteFile(other, root+"/file", nil)
		Expect(errors.Is(err, fs.ErrPermission)).To(BeTrue(), "%v", err)

		GinkgoT().Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
		_, err = (&audit.Auditor{Files: schemes.New()}).List(context.Background(), bucket+"/private")
		var unreachable *storage.UnreachableError
		Expect(errors.As(err, &unreachable)).To(BeTrue(), "%v", err)
		Expect(err.Error()).To(ContainSubstring("Forbidden"))
	})
})
