package storage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// program is the path of the program snapback. The suite builds it as it is built for users.
var program string

var _ = BeforeSuite(func(ctx SpecContext) {
	dir, err := os.MkdirTemp("", "snapback-program-*")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	program = filepath.Join(dir, "snapback")
	output, err := exec.CommandContext(ctx, "go", "build", "-o", program, "../../cmd/snapback").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(output))
})

// ran is the result of one run of the program.
type ran struct {
	command string
	code    int
	stdout  string
	stderr  string
}

func (r ran) String() string {
	return fmt.Sprintf("%s: exit code %d\n%s%s", r.command, r.code, r.stdout, r.stderr)
}

// snapback runs the program to its end, in the environment of the suite.
func snapback(ctx context.Context, arguments ...string) ran {
	GinkgoHelper()
	command := exec.CommandContext(ctx, program, arguments...)
	stdout, err := command.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		Expect(err).NotTo(HaveOccurred(), "snapback %q", arguments)
		exit = &exec.ExitError{ProcessState: command.ProcessState}
	}
	return ran{fmt.Sprintf("snapback %q", arguments), exit.ExitCode(), string(stdout), string(exit.Stderr)}
}

// expectDone runs the program, which must succeed. It returns the output of the program.
func expectDone(ctx context.Context, arguments ...string) string {
	GinkgoHelper()
	r := snapback(ctx, arguments...)
	Expect(r.code).To(BeZero(), r.String())
	return r.stdout
}
