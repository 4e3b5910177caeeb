package programs

import "syscall"

// attributes put the program into a process group of its own. The kernel kills the program
// when the thread that started it ends; Go ends a thread only with the suite, unless a
// goroutine was locked to it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
