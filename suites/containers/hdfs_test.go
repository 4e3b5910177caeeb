package containers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness/container"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/schemes"
	"github.com/snapback/snapback/suites/servers"
)

// hdfsSite configures both; the port of the NameNode is the same inside and out.
const hdfsSite = `<configuration>
  <property><name>fs.defaultFS</name><value>hdfs://namenode:%[1]s</value></property>
  <property><name>hadoop.tmp.dir</name><value>/tmp/hadoop</value></property>
  <property><name>dfs.replication</name><value>1</value></property>
  <property><name>dfs.namenode.rpc-address</name><value>namenode:%[1]s</value></property>
  <property><name>dfs.namenode.rpc-bind-host</name><value>0.0.0.0</value></property>
  <property><name>dfs.namenode.datanode.registration.ip-hostname-check</name><value>false</value></property>
  <property><name>dfs.namenode.safemode.extension</name><value>0</value></property>
  <property><name>dfs.permissions.enabled</name><value>false</value></property>
</configuration>
`

var _ = Describe("HDFS in containers", func() {
	It("keeps what was written while its DataNode is cut off, and takes more afterwards", func(ctx SpecContext) {
		jars, err := docker.HadoopJars()
		Expect(err).NotTo(HaveOccurred())
		const image = "snapback/hadoop:test"
		Expect(docker.JavaImage(image, "/opt/hadoop", jars, "*.jar")).To(Succeed())
		port, err := servers.FreePort()
		Expect(err).NotTo(HaveOccurred())
		configuration := GinkgoT().TempDir()
		for _, name := range []string{"core-site.xml", "hdfs-site.xml"} {
			Expect(os.WriteFile(filepath.Join(configuration, name), fmt.Appendf(nil, hdfsSite, port), 0o644)).To(Succeed())
		}
		group, err := container.Open(ctx)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() error { return group.Close() })
		start := func(name, published, command string) {
			const java = "exec java -Xmx256m -XX:+UseSerialGC -cp '%s:/opt/hadoop/*' org.apache.hadoop.hdfs.server."
			_, err := group.Start(ctx, name, container.Spec{
				Image: image, Host: name, Command: []string{"sh", "-c", fmt.Sprintf(command, fmt.Sprintf(java, configuration))},
				Dir: "/tmp", Binds: []string{configuration}, Publish: published,
			})
			Expect(err).NotTo(HaveOccurred())
		}
		start("namenode", port, "(%[1]snamenode.NameNode -format -nonInteractive) && %[1]snamenode.NameNode")
		start("datanode", "", "%sdatanode.DataNode")

		GinkgoT().Setenv("HADOOP_USER_NAME", "root")
		root := "hdfs://127.0.0.1:" + port
		write := func(name string) error {
			files := schemes.New()
			if err := files.MkdirAll(root + "/checkpoints"); err != nil {
				return err
			}
			return filesystem.WriteFile(files, root+"/checkpoints/"+name, []byte(name))
		}
		n := 0
		writeAnother := func() error { n++; return write(fmt.Sprint("file-", n)) }
		Eventually(writeAnother).WithTimeout(90 * time.Second).WithPolling(time.Second).Should(Succeed())
		kept := fmt.Sprint("file-", n)

		Expect(group.Cut("datanode")).To(Succeed())
		Expect(write("lost")).NotTo(Succeed())
		Expect(group.Heal()).To(Succeed())
		Eventually(writeAnother).WithTimeout(90 * time.Second).WithPolling(time.Second).Should(Succeed())
		Expect(filesystem.ReadFile(schemes.New(), root+"/checkpoints/"+kept, 100)).To(Equal([]byte(kept)))
	}, SpecTimeout(5*time.Minute))
})
