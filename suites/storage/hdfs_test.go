package storage_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/audit"
)

// HDFS itself fails while a job runs. The job's checkpoints fail, but no complete checkpoint is
// lost. When HDFS works again, new checkpoints succeed.
var _ = Describe("Faults of HDFS", func() {
	for number, fault := range []struct {
		name       string
		begin, end func() error
		aborted    string // a text in the error of an aborted checkpoint
	}{
		{
			"a NameNode in safe mode",
			func() error { return hadoop.SafeMode(true) }, func() error { return hadoop.SafeMode(false) }, "SafeModeException",
		},
		{
			"a DataNode that is killed",
			func() error { return hadoop.KillDataNode() }, func() error { return hadoop.StartDataNode() }, "",
		},
	} {
		It(fault.name+" makes checkpoints fail, but no complete checkpoint is lost", func() {
			root := hdfs + "/faults"
			e := startEngine(1, nil)
			earlier := retained(e, fmt.Sprintf("%032x", 2*number), root)
			j := newJob(fmt.Sprintf("%032x", 2*number+1), root, GinkgoT().TempDir())
			Expect(e.ask(func(client reference.Client) error { return client.Submit(j) })).To(Succeed())
			Eventually(func() int { return len(e.completed(j.ID)) }).WithTimeout(time.Minute).Should(BeNumerically(">=", 2))

			over := false
			DeferCleanup(func() error { // the other specs need a working HDFS
				if over {
					return nil
				}
				return fault.end()
			})
			Expect(fault.begin()).To(Succeed())
			Eventually(func() string { return e.aborted(j.ID) }).WithTimeout(time.Minute).Should(And(Not(BeEmpty()), ContainSubstring(fault.aborted)), e.explain)
			Expect(e.status(j.ID)).To(Equal(storage.Running))

			over = true
			Expect(fault.end()).To(Succeed())
			before := len(e.completed(j.ID))
			Eventually(func() int { return len(e.completed(j.ID)) }).WithTimeout(2*time.Minute).Should(BeNumerically(">", before+1), e.explain)
			Expect(verify(earlier, audit.Deep).Restorable).To(BeTrue())
			Expect(e.ask(func(client reference.Client) error { return client.Cancel(j.ID) })).To(Succeed())
			Eventually(func() storage.JobStatus { return e.status(j.ID) }).WithTimeout(time.Minute).Should(Equal(storage.Canceled))
			Expect(expectKept(root+"/"+j.ID, newest(e.completed(j.ID), 1))).To(BeEmpty())
		})
	}
})
