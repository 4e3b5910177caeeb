package containers_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/schemes"
)

// hdfsSite configures the NameNode and the DataNode. The NameNode has the same port inside and
// outside of its container.
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

// The network of HDFS has fixed addresses, so that the DataNode gets its old address again.
const (
	subnet          = "10.199.77.0/24"
	namenodeAddress = "10.199.77.2"
	datanodeAddress = "10.199.77.3"
)

var _ = Describe("HDFS in containers", func() {
	It("loses nothing while its DataNode is cut off, and accepts writes again afterwards", func(ctx SpecContext) {
		jars, err := started.HadoopJars()
		Expect(err).NotTo(HaveOccurred())
		const image = "snapback/hadoop:test"
		Expect(started.JarImage(image, "/opt/hadoop", jars, "*.jar")).To(Succeed())
		port, configuration := freePort(), GinkgoT().TempDir()
		for _, name := range []string{"core-site.xml", "hdfs-site.xml"} {
			Expect(os.WriteFile(filepath.Join(configuration, name), fmt.Appendf(nil, hdfsSite, port), 0o644)).To(Succeed())
		}
		network, namenode, datanode := "snapback-hdfs-"+port, "snapback-namenode-"+port, "snapback-datanode-"+port
		leased("docker rm --force --volumes $1 $2; docker network rm $3", namenode, datanode, network)
		docker(ctx, "network", "create", "--subnet", subnet, network)
		start := func(name, host, address, command string, options ...string) {
			const java = "exec java -Xmx256m -XX:+UseSerialGC -cp '%s:/opt/hadoop/*' org.apache.hadoop.hdfs.server."
			arguments := append([]string{
				"run", "--detach", "--name", name, "--hostname", host, "--network", network, "--network-alias", host, "--ip", address,
				"--workdir", "/tmp", "--volume", configuration + ":" + configuration,
			}, options...)
			docker(ctx, append(arguments, image, "sh", "-c", fmt.Sprintf(command, fmt.Sprintf(java, configuration)))...)
		}
		start(namenode, "namenode", namenodeAddress, "(%[1]snamenode.NameNode -format -nonInteractive) && %[1]snamenode.NameNode",
			"--publish", "127.0.0.1:"+port+":"+port)
		Eventually(func() error {
			// The DataNode ends at once if Docker's name service does not know the NameNode yet.
			return exec.CommandContext(ctx, "docker", "exec", namenode, "getent", "hosts", "namenode").Run()
		}).WithTimeout(time.Minute).Should(Succeed())
		start(datanode, "datanode", datanodeAddress, "%sdatanode.DataNode")

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

		docker(ctx, "network", "disconnect", network, datanode)
		Expect(write("lost")).NotTo(Succeed())
		docker(ctx, "network", "connect", "--ip", datanodeAddress, "--alias", "datanode", network, datanode)
		Eventually(writeAnother).WithTimeout(90 * time.Second).WithPolling(time.Second).Should(Succeed())
		Expect(filesystem.ReadFile(schemes.New(), root+"/checkpoints/"+kept, 100)).To(Equal([]byte(kept)))
	}, SpecTimeout(5*time.Minute))
})
