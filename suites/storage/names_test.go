package storage_test

import (
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/suites/servers"
)

// expectOneIdentity checks a root under one of its names. Under this name the tools must find every
// file, and must find nothing to delete.
func expectOneIdentity(ctx SpecContext, root string, flags ...string) {
	GinkgoHelper()
	newest := strings.TrimSpace(expectDone(ctx, append([]string{"ls", "--latest", root}, flags...)...))
	Expect(newest).To(HavePrefix(root + "/"))
	expectDone(ctx, append([]string{"verify", "--deep", newest}, flags...)...)
	expectDone(ctx, append([]string{"orphans", "--age", "0s", root}, flags...)...)
	deps := snapback(ctx, append([]string{"deps", newest[:strings.LastIndex(newest, "/")] + "/shared"}, flags...)...)
	Expect(deps.code).To(Equal(1), deps.String())
}

var _ = Describe("A place with several names", func() {
	It("is recognized on S3: what Flink wrote through s3p is found through s3, s3a and s3n", func(ctx SpecContext) {
		const tail = servers.Bucket + "/names"
		written(ctx, onS3, "s3p://"+tail, "rocksdb-incremental")
		for _, scheme := range []string{"s3", "s3a", "s3n", "s3p"} {
			expectOneIdentity(ctx, scheme+"://"+tail)
		}
	}, SpecTimeout(2*time.Minute))

	It("is recognized on HDFS, if the NameNode is known", func(ctx SpecContext) {
		Expect(os.Setenv("HADOOP_CONF_DIR", hadoop.ConfDir)).To(Succeed())
		defer func() { Expect(os.Unsetenv("HADOOP_CONF_DIR")).To(Succeed()) }()
		written(ctx, onHDFS, "hdfs:///names", "rocksdb-incremental")
		expectOneIdentity(ctx, "hdfs:///names")
		expectOneIdentity(ctx, hdfs+"/names")
		Expect(os.Unsetenv("HADOOP_CONF_DIR")).To(Succeed())
		expectOneIdentity(ctx, hdfs+"/names", "--rebase", "hdfs:/="+hdfs+"/")
		unknown := snapback(ctx, "ls", "hdfs:///names")
		Expect(unknown.code).To(Equal(2), unknown.String())
		Expect(unknown.stderr).To(ContainSubstring("set HADOOP_CONF_DIR"))
		orphans := snapback(ctx, "orphans", "--age", "0s", hdfs+"/names")
		Expect(orphans.code).To(Equal(4), orphans.String())
		Expect(orphans.stdout).To(ContainSubstring("--rebase hdfs:///=" + hdfs + "/"))
	}, SpecTimeout(2*time.Minute))

	It("is recognized on Azure: a copy is found under all names of its container", func(ctx SpecContext) {
		paths := written(ctx, local, GinkgoT().TempDir(), "rocksdb-incremental")["rocksdb-incremental"]
		const account = "@devstoreaccount1"
		for _, to := range []string{"azblob://" + servers.Bucket + "/names/one", "abfss://" + servers.Bucket + account + ".dfs.core.windows.net/names/two"} {
			expectDone(ctx, "copy", paths[len(paths)-1], to)
		}
		for _, from := range []string{
			"azblob://" + servers.Bucket, "abfs://" + servers.Bucket + account + ".dfs.core.windows.net", "wasbs://" + servers.Bucket + account + ".blob.core.windows.net",
		} {
			for _, name := range []string{"one", "two"} {
				expectDone(ctx, "verify", "--deep", from+"/names/"+name)
			}
		}
		other := snapback(ctx, "verify", "abfss://"+servers.Bucket+"@another.dfs.core.windows.net/names/one")
		Expect(other.code).To(Equal(2), other.String())
	}, SpecTimeout(2*time.Minute))

	It("works with all verbs on Google Cloud Storage, too", func(ctx SpecContext) {
		paths := written(ctx, local, GinkgoT().TempDir(), "rocksdb-incremental")["rocksdb-incremental"]
		root := "gs://" + servers.Bucket + "/names/0123456789abcdef0123456789abcdef"
		for i, path := range paths {
			expectDone(ctx, "copy", path, root+"/chk-"+string(rune('1'+i)))
		}
		expectDone(ctx, "deps", root+"/chk-1")
		plan := GinkgoT().TempDir() + "/plan.jsonl"
		expired := snapback(ctx, "expire", "--keep", "1", "--plan", plan, root)
		Expect(expired.code).To(Equal(1), expired.String())
		Expect(expectDone(ctx, "expire", "--delete", "--plan", plan, root)).To(ContainSubstring("deleted 2 checkpoints"))
		Expect(expectDone(ctx, "ls", root)).To(ContainSubstring("1 checkpoint, 1 restorable"))
	}, SpecTimeout(2*time.Minute))
})
