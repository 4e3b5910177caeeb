// Package containers_test runs real Apache Flink in real Docker containers, and does to
// them what Docker can. What is missing fails; nothing is skipped.
package containers_test

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness/container"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/flink/containers"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/schemes"
	"github.com/snapback/snapback/suites/conformance"
	"github.com/snapback/snapback/suites/servers"
)

// harnessVariable is set where this program is the harness that is killed: it names the
// image to start.
const harnessVariable = "SNAPBACK_TEST_HARNESS"

func TestMain(m *testing.M) {
	if image := os.Getenv(harnessVariable); image != "" {
		beKilled(image)
	}
	os.Exit(m.Run())
}

// beKilled starts a container, says by which label, and waits for the end.
func beKilled(image string) {
	ctx := context.Background()
	group, err := container.Open(ctx)
	if err == nil {
		_, err = group.Start(ctx, "sleeper", reachable(image, "sleeper"))
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(group.Label())
	select {}
}

// sleeper is a process that does nothing, for long.
func sleeper(image, host string) container.Spec {
	return container.Spec{Image: image, Host: host, Command: []string{"sleep", "1000"}, Dir: "/"}
}

// reachable is a sleeper whose port is published, on a network of its own.
func reachable(image, host string) container.Spec {
	spec := sleeper(image, host)
	port, err := servers.FreePort()
	if err != nil {
		panic(err) // the machine has none left
	}
	spec.Publish = port
	return spec
}

func TestContainers(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Flink in containers")
}

// imageVariable is the environment variable that names an image of Flink to use, such as
// flink:2.3.0, where images can be pulled; else one is built.
const imageVariable = "SNAPBACK_FLINK_IMAGE"

var (
	docker    *servers.Servers
	onMachine flink.Target
	image     string
)

var _ = BeforeSuite(func(ctx context.Context) {
	docker = servers.Start(context.Background(), GinkgoT().TempDir())
	DeferCleanup(func() error { return docker.Close() })
	Expect(docker.Docker()).To(Succeed())
	var err error
	onMachine, err = flink.Provision(ctx, flink.Options{Version: flink.DefaultVersion}, func(what string) { GinkgoWriter.Println(what) })
	Expect(err).NotTo(HaveOccurred())
	if image = os.Getenv(imageVariable); image == "" {
		image = "snapback/flink:" + flink.DefaultVersion
		Expect(docker.JavaImage(image, "/opt/flink/lib", onMachine.Lib(), "flink-dist-*.jar", "log4j-*.jar")).To(Succeed())
	}
}, NodeTimeout(10*time.Minute))

// Killed, paused, slowed, cut off: each is a scenario that some other place of Flink's
// processes does not have, or has in another way.
var _ = func() bool {
	conformance.Specs("containers", func(context.Context) (target.Target, error) {
		return onMachine.At(containers.Place{Image: image}), nil
	}, "recovery/kill-cluster", "recovery/pause-taskmanager", "faults/cut-taskmanager", "faults/slow-taskmanager")
	return true
}()

var _ = Describe("A container", func() {
	var group *container.Group

	BeforeEach(func(ctx context.Context) {
		var err error
		group, err = container.Open(ctx)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() error { return group.Close() })
	})

	start := func(ctx context.Context, name string) *container.Container {
		GinkgoHelper()
		c, err := group.Start(ctx, name, sleeper(image, name))
		Expect(err).NotTo(HaveOccurred())
		return c
	}

	It("cannot be reached while it is cut off, and can at the same address afterwards", func(ctx context.Context) {
		var both []*container.Container
		for _, name := range []string{"one", "other"} {
			c, err := group.Start(ctx, name, reachable(image, name))
			Expect(err).NotTo(HaveOccurred())
			both = append(both, c)
		}
		one, other := both[0], both[1]
		// Bash connects by itself: refused is an answer, and silence is none.
		ask := func(at string) string {
			output, _ := exec.CommandContext(ctx, "docker", "exec", one.ID(), "timeout", "1", "bash", "-c", "</dev/tcp/"+at+"/1").CombinedOutput()
			return string(output)
		}
		Expect(ask(other.Address())).To(ContainSubstring("Connection refused"))
		Expect(ask("other")).To(ContainSubstring("Connection refused"))
		Expect(group.Cut("other")).To(Succeed())
		Expect(ask(other.Address())).NotTo(ContainSubstring("Connection refused"))
		Expect(ask("other")).NotTo(ContainSubstring("Connection refused"), "there is another way")
		Expect(group.Heal()).To(Succeed())
		Expect(ask(other.Address())).To(ContainSubstring("Connection refused"))
		Expect(ask("other")).To(ContainSubstring("Connection refused"))
	})

	It("stands still while it is paused, and is slow within its quota", func(ctx context.Context) {
		c := start(ctx, "one")
		state := func(what string) string {
			output, err := exec.CommandContext(ctx, "docker", "inspect", "--format", what, c.ID()).Output()
			Expect(err).NotTo(HaveOccurred())
			return strings.TrimSpace(string(output))
		}
		Expect(c.Pause()).To(Succeed())
		Expect(state("{{.State.Paused}}")).To(Equal("true"))
		Expect(c.Resume()).To(Succeed())
		Expect(state("{{.State.Paused}}")).To(Equal("false"))
		Expect(c.Slow(10)).To(Succeed())
		Expect(state("{{.HostConfig.CpuQuota}}/{{.HostConfig.CpuPeriod}}")).To(Equal("2000/20000"))
		Expect(c.Resume()).To(Succeed())
		Expect(state("{{.HostConfig.CpuQuota}}")).To(Equal("-1"))
	})

	It("says how it ended", func(ctx context.Context) {
		c, err := group.Start(ctx, "failing", container.Spec{
			Image: image, Host: "failing", Command: []string{"sh", "-c", "echo no luck; exit 7"}, Dir: "/",
		})
		Expect(err).NotTo(HaveOccurred())
		Eventually(c.Ended).WithTimeout(time.Minute).Should(MatchError(And(ContainSubstring("exit status 7"), ContainSubstring("no luck"))))
	})

	It("goes with the harness, however that ends, and so do its networks", func(ctx context.Context) {
		killed := exec.Command(os.Args[0])
		killed.Env = append(os.Environ(), harnessVariable+"="+image)
		output, err := killed.StdoutPipe()
		Expect(err).NotTo(HaveOccurred())
		Expect(killed.Start()).To(Succeed())
		label, err := bufio.NewReader(output).ReadString('\n')
		Expect(err).NotTo(HaveOccurred())
		left := func() string {
			var all string
			for _, list := range [][]string{{"ps", "--all"}, {"network", "ls"}} {
				found, err := exec.CommandContext(ctx, "docker", append(list, "--quiet", "--filter", "label="+strings.TrimSpace(label))...).Output()
				Expect(err).NotTo(HaveOccurred())
				all += string(found)
			}
			return all
		}
		Expect(strings.Fields(left())).To(HaveLen(3))
		Expect(killed.Process.Kill()).To(Succeed())
		_ = killed.Wait() // it was killed
		Eventually(left).WithTimeout(time.Minute).Should(BeEmpty())
	})
})

// minIOImage is the environment variable that names an image of MinIO to use, such as the
// public one, where images can be pulled; else one is built.
const minIOImage = "SNAPBACK_MINIO_IMAGE"

var _ = Describe("S3 in a container", func() {
	It("keeps checkpoints as S3 without one does, also while it stands still", func(ctx SpecContext) {
		minio := os.Getenv(minIOImage)
		if minio == "" {
			minio = "snapback/minio:test"
			binary, err := docker.MinIOBinary()
			Expect(err).NotTo(HaveOccurred())
			Expect(docker.Image(minio, binary)).To(Succeed())
		}
		group, err := container.Open(ctx)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() error { return group.Close() })
		port, err := servers.FreePort()
		Expect(err).NotTo(HaveOccurred())
		data := GinkgoT().TempDir()
		Expect(os.Mkdir(filepath.Join(data, servers.Bucket), 0o755)).To(Succeed())
		c, err := group.Start(ctx, "minio", container.Spec{
			Image: minio, Host: "minio", Command: []string{"/program", "server", "--address", ":" + port, data}, Dir: "/",
			Environment: servers.MinIOEnvironment(), Binds: []string{data}, Publish: port,
		})
		Expect(err).NotTo(HaveOccurred())
		for name, value := range servers.S3Environment("http://127.0.0.1:" + port) {
			GinkgoT().Setenv(name, value)
		}
		const bucket = "s3://" + servers.Bucket
		files := schemes.New()
		Eventually(func() error { return filesystem.WriteFile(files, bucket+"/chk-1/_metadata", []byte("x")) }).WithTimeout(time.Minute).
			Should(Or(Succeed(), MatchError(fs.ErrExist)))
		Expect(filesystem.WriteFile(files, bucket+"/chk-1/_metadata", []byte("y"))).To(MatchError(fs.ErrExist))

		Expect(c.Pause()).To(Succeed())
		written := make(chan error, 1)
		go func() { written <- filesystem.WriteFile(files, bucket+"/chk-2/_metadata", []byte("z")) }()
		Consistently(written).WithTimeout(time.Second).ShouldNot(Receive())
		Expect(c.Resume()).To(Succeed())
		Eventually(written).WithTimeout(time.Minute).Should(Receive(Succeed()))
		Expect(filesystem.ReadFile(files, bucket+"/chk-2/_metadata", 10)).To(Equal([]byte("z")))
	}, SpecTimeout(3*time.Minute))
})
