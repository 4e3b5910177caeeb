//go:build !linux

package process

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the child into a process group of its own. Only Linux can also let the kernel kill
// the child when this process dies. Elsewhere only the lease kills it.
func ownGroup(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
