// Package lease removes mounts, containers and the like when a process ends, even by SIGKILL. A shell
// reads its input until the process ends. Then the shell runs a script.
//
// A lease removes nothing if the machine goes down, or if the shell is killed with SIGKILL, too.
//
// Start with [Take].
package lease

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// Lease is held until [Lease.End], or until this process ends.
type Lease struct {
	command *exec.Cmd
	held    io.WriteCloser
	said    *bytes.Buffer
}

// Take starts a lease. At its end the shell runs a script with the arguments $1, $2 and so on.
func Take(script string, arguments ...string) (*Lease, error) {
	l := &Lease{said: &bytes.Buffer{}}
	l.command = exec.Command("sh", append([]string{"-c", "cat >/dev/null\n" + script, "lease"}, arguments...)...)
	l.command.Stdout, l.command.Stderr = l.said, l.said
	l.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the terminal must not reach it
	var err error
	if l.held, err = l.command.StdinPipe(); err != nil {
		return nil, err
	}
	return l, l.command.Start()
}

// End ends the lease, and waits for the script.
func (l *Lease) End() error {
	if err := errors.Join(l.held.Close(), l.command.Wait()); err != nil {
		return fmt.Errorf("release a lease: %w\n%s", err, l.said)
	}
	return nil
}
