// Package lease removes mounts, containers, processes and similar things when this process ends,
// even by SIGKILL. For this it starts a shell, which reads from a pipe. When this process ends, the pipe
// ends. Then the shell runs a script that removes the things.
//
// A lease removes nothing if the machine goes down, or if somebody kills the shell with SIGKILL,
// too.
//
// Start with [Take]. For processes use [TakeGroups].
package lease

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// Lease is a lease that was taken. It ends with [Lease.End], or when this process ends. Then its
// script runs.
type Lease struct {
	command *exec.Cmd
	held    io.WriteCloser
	said    *bytes.Buffer
}

// Take starts a lease. When the lease ends, the shell runs the script. The script finds the
// arguments in $1, $2 and so on.
func Take(script string, arguments ...string) (*Lease, error) {
	return take("cat >/dev/null\n"+script, arguments...)
}

// take starts a shell with a script that reads its input to the end.
func take(script string, arguments ...string) (*Lease, error) {
	l := &Lease{said: &bytes.Buffer{}}
	l.command = exec.Command("sh", append([]string{"-c", script, "lease"}, arguments...)...)
	l.command.Stdout, l.command.Stderr = l.said, l.said
	l.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the terminal must not reach the shell
	var err error
	if l.held, err = l.command.StdinPipe(); err != nil {
		return nil, err
	}
	return l, l.command.Start()
}

// End ends the lease, and waits until the script has run.
func (l *Lease) End() error {
	if err := errors.Join(l.held.Close(), l.command.Wait()); err != nil {
		return fmt.Errorf("release a lease: %w\n%s", err, l.said)
	}
	return nil
}
