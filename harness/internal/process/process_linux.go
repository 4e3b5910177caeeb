package process

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// dieWithParent puts the process into a group of its own, and lets the kernel kill
// it when this process dies. What it starts itself only goes with the group.
func dieWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// kill kills the process's group, which outlives the process while there is
// somebody in it.
func kill(command *exec.Cmd) error {
	err := syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
