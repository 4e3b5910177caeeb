package programs

import "syscall"

// attributes put the program into a process group of its own. They also let the kernel kill the
// program when the thread that started it ends. Go ends a thread only when the suite ends, unless a
// goroutine was locked to the thread.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
