// Package lease takes back what outlives a process, such as a mount or a container, when
// that process ends, even by SIGKILL: a shell waits for the end of its input, which comes
// with the process's own, and then does what is to be done.
//
// What it cannot survive is the end of the machine, or SIGKILL to the shell too.
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

// Lease is held until it is ended.
type Lease struct {
	command *exec.Cmd
	held    io.WriteCloser
	said    *bytes.Buffer
}

// Take starts a lease: at its end a script of the shell is run, whose arguments are $1 and
// so on.
func Take(script string, arguments ...string) (*Lease, error) {
	l := &Lease{said: &bytes.Buffer{}}
	l.command = exec.Command("sh", append([]string{"-c", "cat >/dev/null\n" + script, "lease"}, arguments...)...)
	l.command.Stdout, l.command.Stderr = l.said, l.said
	l.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // who interrupts us does not interrupt it
	var err error
	if l.held, err = l.command.StdinPipe(); err != nil {
		return nil, err
	}
	return l, l.command.Start()
}

// End ends the lease, and waits until all is taken back.
func (l *Lease) End() error {
	if err := errors.Join(l.held.Close(), l.command.Wait()); err != nil {
		return fmt.Errorf("take back: %w\n%s", err, l.said)
	}
	return nil
}
