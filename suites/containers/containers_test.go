// Package containers_test runs real Apache Flink in real Docker containers, and lets Docker kill,
// pause, slow and cut off the containers. If something that a spec needs is missing, the spec fails
// and is not skipped.
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

	"github.com/snapback/snapback/faults/lease"
	"github.com/snapback/snapback/faults/network"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/flink/containers"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/schemes"
	"github.com/snapback/snapback/suites/conformance"
	_ "github.com/snapback/snapback/suites/internal/announce"
	"github.com/snapback/snapback/suites/servers"
)

// portVariable is set if this program runs in the role of the harness that is killed. Its value is
// the port of the container to start.
const portVariable = "SNAPBACK_TEST_PORT"

func TestMain(m *testing.M) {
	if port := os.Getenv(portVariable); port != "" {
		beKilled(port)
	}
	os.Exit(m.Run())
}

// beKilled starts a container, prints a line, and waits until it is killed.
func beKilled(port string) {
	ctx := context.Background()
	room, err := containers.Place{Image: shellImage}.Open(ctx, "/tmp")
	if err == nil {
		_, err = room.Start(ctx, "sleeper", "sleeper", port, sleep)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("started")
	select {}
}

func TestContainers(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Flink in containers")
}

// imageVariable is the environment variable that names the image of Flink to use, such as
// flink:2.3.0. It is for machines that can pull images from a registry. If the variable is not set,
// the suite builds an image.
const imageVariable = "SNAPBACK_FLINK_IMAGE"

var (
	started   *servers.Servers
	onMachine flink.Target
	image     string
)

var _ = BeforeSuite(func(ctx SpecContext) {
	started = servers.Start(context.Background(), GinkgoT().TempDir())
	DeferCleanup(func() error { return started.Close() })
	Expect(started.Docker()).To(Succeed())
	Expect(started.LoadJavaImage()).To(Succeed())
	var err error
	onMachine, err = servers.Flink(ctx, flink.DefaultVersion)
	Expect(err).NotTo(HaveOccurred())
	if image = os.Getenv(imageVariable); image == "" {
		image = "snapback/flink:" + flink.DefaultVersion
		Expect(started.JarImage(image, "/opt/flink/lib", onMachine.Lib(), "flink-dist-*.jar", "log4j-*.jar")).To(Succeed())
	}
}, NodeTimeout(5*time.Minute))

// These scenarios kill, pause, slow and cut off processes. Docker does this in another way than
// this machine, and some of it is possible only in Docker.
var _ = func() bool {
	conformance.Specs("containers", func(context.Context) (target.Target, error) {
		return onMachine.At(containers.Place{Image: image}), nil
	}, "recovery/kill-cluster", "recovery/pause-taskmanager", "faults/cut-taskmanager", "faults/slow-taskmanager")
	return true
}()

// shellImage is an image in which the program named java is a script that runs any command. Package
// containers starts the program java with one JVM option before the other arguments. The script
// drops this option, and runs the other arguments as a command.
const (
	shellImage = "snapback/shell:test"
	shellJava  = "#!/bin/sh\nshift\nexec \"$@\"\n"
)

// sleep is a command that does nothing for a long time.
var sleep = exec.Command("java", "sleep", "1000")

// docker runs the docker command, and returns its output.
func docker(ctx context.Context, arguments ...string) string {
	GinkgoHelper()
	output, err := exec.CommandContext(ctx, "docker", arguments...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(output))
	return strings.TrimSpace(string(output))
}

// at() returns the id of the container that publishes a port.
func at(ctx context.Context, port string) string {
	GinkgoHelper()
	id := docker(ctx, "ps", "--quiet", "--filter", "publish="+port)
	Expect(strings.Fields(id)).To(HaveLen(1))
	return id
}

func freePort() string {
	GinkgoHelper()
	free, err := network.FreePort()
	Expect(err).NotTo(HaveOccurred())
	return free
}

var _ = Describe("A container", func() {
	var room flink.Isolating

	BeforeEach(func(ctx context.Context) {
		Expect(started.Image(shellImage, "FROM "+servers.JavaImage+"\nCOPY java /usr/local/bin/java\n", map[string][]byte{"java": []byte(shellJava)})).To(Succeed())
		opened, err := containers.Place{Image: shellImage}.Open(ctx, "/tmp")
		Expect(err).NotTo(HaveOccurred())
		room = opened.(flink.Isolating)
		DeferCleanup(func() error { return room.Close() })
	})

	It("cannot be reached while it is cut off, and can be reached at the same address afterwards", func(ctx SpecContext) {
		ports := map[string]string{}
		for _, name := range []string{"one", "other"} {
			ports[name] = freePort()
			_, err := room.Start(ctx, name, name, ports[name], sleep)
			Expect(err).NotTo(HaveOccurred())
		}
		one := at(ctx, ports["one"])
		var address string
		Eventually(func() string {
			// Docker's name service needs a moment to know a new container.
			output, _ := exec.CommandContext(ctx, "docker", "exec", one, "getent", "hosts", "other").Output()
			address, _, _ = strings.Cut(string(output), " ")
			return address
		}).WithTimeout(time.Minute).ShouldNot(BeEmpty())
		// Bash tries to connect. The error "Connection refused" shows that the other container
		// answers. If no answer arrives, the command timeout ends bash.
		ask := func(at string) func() string {
			return func() string {
				output, _ := exec.CommandContext(ctx, "docker", "exec", one, "timeout", "1", "bash", "-c", "</dev/tcp/"+at+"/1").CombinedOutput()
				return string(output)
			}
		}
		answers := ContainSubstring("Connection refused")
		Expect(ask(address)()).To(answers)
		Expect(ask("other")()).To(answers)
		Expect(room.Cut("other")).To(Succeed())
		Expect(ask(address)()).NotTo(answers)
		Expect(ask("other")()).NotTo(answers, "there is another way")
		Expect(room.Heal()).To(Succeed())
		Expect(ask(address)()).To(answers)
		Eventually(ask("other")).WithTimeout(time.Minute).Should(answers)
	}, SpecTimeout(3*time.Minute))

	It("does nothing while it is paused, and uses no more than its quota while it is slow", func(ctx SpecContext) {
		port := freePort()
		c, err := room.Start(ctx, "one", "one", port, sleep)
		Expect(err).NotTo(HaveOccurred())
		id := at(ctx, port)
		state := func(what string) string { return docker(ctx, "inspect", "--format", what, id) }
		Expect(c.Pause()).To(Succeed())
		Expect(state("{{.State.Paused}}")).To(Equal("true"))
		Expect(c.Resume()).To(Succeed())
		Expect(state("{{.State.Paused}}")).To(Equal("false"))
		Expect(c.Slow(10)).To(Succeed())
		Expect(state("{{.HostConfig.CpuQuota}}/{{.HostConfig.CpuPeriod}}")).To(Equal("2000/20000"))
		Expect(c.Resume()).To(Succeed())
		Expect(state("{{.HostConfig.CpuQuota}}")).To(Equal("-1"))
	}, SpecTimeout(2*time.Minute))

	It("says how it ended", func(ctx SpecContext) {
		c, err := room.Start(ctx, "failing", "failing", "", exec.Command("java", "sh", "-c", "echo no luck; exit 7"))
		Expect(err).NotTo(HaveOccurred())
		Eventually(c.Ended).WithTimeout(time.Minute).Should(MatchError(And(ContainSubstring("exit status 7"), ContainSubstring("no luck"))))
	}, SpecTimeout(2*time.Minute))

	It("is removed with its networks when the harness ends, even by SIGKILL", func(ctx SpecContext) {
		port := freePort()
		killed := exec.Command(os.Args[0])
		killed.Env = append(os.Environ(), portVariable+"="+port)
		output, err := killed.StdoutPipe()
		Expect(err).NotTo(HaveOccurred())
		Expect(killed.Start()).To(Succeed())
		Expect(bufio.NewReader(output).ReadString('\n')).To(Equal("started\n"))
		const label = "com.github.snapback.lease"
		lease := docker(ctx, "inspect", "--format", "{{index .Config.Labels \""+label+"\"}}", at(ctx, port))
		Expect(lease).NotTo(BeEmpty())
		left := func() []string {
			var all []string
			for _, list := range [][]string{{"ps", "--all"}, {"network", "ls"}} {
				all = append(all, strings.Fields(docker(ctx, append(list, "--quiet", "--filter", "label="+label+"="+lease)...))...)
			}
			return all
		}
		Expect(left()).To(HaveLen(3))
		Expect(killed.Process.Kill()).To(Succeed())
		_ = killed.Wait() // the error says that the process was killed
		Eventually(left).WithTimeout(time.Minute).Should(BeEmpty())
	}, SpecTimeout(2*time.Minute))
})

// minIOImage is the environment variable that names the image of MinIO to use. It is for machines
// that can pull images. If it is not set, the suite builds an image.
const minIOImage = "SNAPBACK_MINIO_IMAGE"

// leased runs a shell script when the spec ends. The script also runs if the suite is killed.
func leased(script string, arguments ...string) {
	GinkgoHelper()
	taken, err := lease.Take(script, arguments...)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(taken.End)
}

var _ = Describe("S3 in a container", func() {
	It("stores checkpoints like S3 outside of a container, and survives a pause", func(ctx SpecContext) {
		image := os.Getenv(minIOImage)
		if image == "" {
			image = "snapback/minio:test"
			Expect(started.MinIOImage(image)).To(Succeed())
		}
		port, data := freePort(), GinkgoT().TempDir()
		Expect(os.Mkdir(filepath.Join(data, servers.Bucket), 0o755)).To(Succeed())
		minio := "snapback-minio-" + port
		leased("docker rm --force --volumes $1", minio)
		arguments := []string{"run", "--detach", "--name", minio, "--publish", "127.0.0.1:" + port + ":" + port, "--volume", data + ":" + data, "--entrypoint", "/program"}
		for _, variable := range servers.MinIOEnvironment() {
			arguments = append(arguments, "--env", variable)
		}
		docker(ctx, append(arguments, image, "server", "--address", ":"+port, data)...)
		for name, value := range servers.S3Environment("http://127.0.0.1:" + port) {
			GinkgoT().Setenv(name, value)
		}
		const bucket = "s3://" + servers.Bucket
		files := schemes.New()
		Eventually(func() error { return filesystem.WriteFile(files, bucket+"/chk-1/_metadata", []byte("x")) }).WithTimeout(time.Minute).
			Should(Or(Succeed(), MatchError(fs.ErrExist)))
		Expect(filesystem.WriteFile(files, bucket+"/chk-1/_metadata", []byte("y"))).To(MatchError(fs.ErrExist))

		docker(ctx, "pause", minio)
		written := make(chan error, 1)
		go func() { written <- filesystem.WriteFile(files, bucket+"/chk-2/_metadata", []byte("z")) }()
		Consistently(written).WithTimeout(time.Second).ShouldNot(Receive())
		docker(ctx, "unpause", minio)
		Eventually(written).WithTimeout(time.Minute).Should(Receive(Succeed()))
		Expect(filesystem.ReadFile(files, bucket+"/chk-2/_metadata", 10)).To(Equal([]byte("z")))
	}, SpecTimeout(3*time.Minute))
})
