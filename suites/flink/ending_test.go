package flink_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/suites/servers"
)

// stopMax is the longest time that a program may need to end after it was told to stop.
const stopMax = 5 * time.Second

// The specs end the program snapback in the middle of a run. Everything that the run started has the
// run's directory in its command line, and everything that it mounted is below this directory.
var _ = Describe("A run on Flink that ends in the middle", func() {
	for _, c := range []struct{ runtime, scenario string }{
		{flink.MiniclusterRuntime, "durability/operations"}, // its checkpoints are on a mount
		{"processes", "recovery/kill-taskmanager-mid-checkpoint"},
	} {
		It(fmt.Sprintf("leaves nothing after SIGKILL, on %s", c.runtime), func(ctx context.Context) {
			program, dir := begin(ctx, c.runtime, c.scenario)
			Expect(program.Process.Kill()).To(Succeed())
			_ = program.Wait() // an error is expected, because the program was killed
			Eventually(func() []string { return leftOf(dir) }).WithTimeout(10 * time.Second).Should(BeEmpty())
		})
		It(fmt.Sprintf("ends within %s when it is told to, on %s", stopMax, c.runtime), func(ctx context.Context) {
			program, dir := begin(ctx, c.runtime, c.scenario)
			told := time.Now()
			Expect(program.Process.Signal(syscall.SIGTERM)).To(Succeed())
			_ = program.Wait() // an error is expected: the exit code is that of the signal
			Expect(time.Since(told)).To(BeNumerically("<", stopMax))
			Expect(program.ProcessState.ExitCode()).To(Equal(128 + int(syscall.SIGTERM)))
			Eventually(func() []string { return leftOf(dir) }).WithTimeout(10 * time.Second).Should(BeEmpty())
		})
	}
})

// begin starts a run, and returns when a job of the run has completed a checkpoint.
func begin(ctx context.Context, runtime, scenario string) (program *exec.Cmd, dir string) {
	GinkgoHelper()
	_, err := servers.Flink(ctx, flink.DefaultVersion) // now the run installs nothing
	Expect(err).NotTo(HaveOccurred())
	dir, err = filepath.EvalSymlinks(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
	binary := filepath.Join(GinkgoT().TempDir(), "snapback")
	output, err := exec.Command("go", "build", "-o", binary, "../../cmd/snapback").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", output)
	program = exec.Command(binary, "run", "-v", "--target", "flink", "--flink-version", flink.DefaultVersion, "--runtime", runtime, "--report", dir, scenario)
	said, err := program.StderrPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(program.Start()).To(Succeed())
	DeferCleanup(func() { _ = program.Process.Kill() })
	for lines := bufio.NewScanner(said); lines.Scan(); {
		GinkgoWriter.Println(lines.Text())
		if strings.Contains(lines.Text(), "checkpoint 2 completed") {
			go func() { _, _ = io.Copy(io.Discard, said) }() // or the program would wait for a reader
			Expect(leftOf(dir)).NotTo(BeEmpty(), "the run started nothing that this test can see")
			return program, dir
		}
	}
	Fail("the run ended before its job completed a checkpoint")
	return nil, ""
}

// leftOf lists the processes and the mounts of a run. It does not list the program itself.
func leftOf(dir string) (left []string) {
	GinkgoHelper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	Expect(err).NotTo(HaveOccurred())
	for _, line := range strings.Split(string(mounts), "\n") {
		if strings.Contains(line, dir+"/") {
			left = append(left, line)
		}
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	Expect(err).NotTo(HaveOccurred())
	for _, name := range commands {
		line, err := os.ReadFile(name) // it fails if the process has ended meanwhile
		if err == nil && strings.Contains(string(line), dir+"/") {
			left = append(left, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return left
}
