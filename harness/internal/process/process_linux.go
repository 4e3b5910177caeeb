package process

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// dieWithParent puts the child into a process group of its own, and lets the kernel kill the child
// when this process dies. The kernel does not kill the processes that the child has started; only
// kill() does.
func dieWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// kill kills the process group. The group exists as long as any process is in it, even if the first
// process has ended.
func kill(command *exec.Cmd) error {
	err := syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
