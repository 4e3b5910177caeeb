package process

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the child into a process group of its own, and lets the kernel kill the child when
// this process dies. The kernel does not kill the processes that the child has started: the lease
// does.
func ownGroup(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
