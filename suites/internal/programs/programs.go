// Package programs starts the programs that suites need, such as servers. Each program has a log
// file. On Linux a program is killed when the suite ends in any way. On other systems it is killed
// only when the suite kills it.
//
// Start with [Start] and [Run].
package programs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Program is a program that was started.
type Program struct {
	Log string // path of the file with its output

	name    string
	command *exec.Cmd
	ended   chan struct{}
	err     error // how the program ended; set before ended is closed
}

// Start starts a program. Its output goes to a new file {name}.log in dir.
func Start(dir, name string, command *exec.Cmd) (*Program, error) {
	p := &Program{Log: filepath.Join(dir, name+".log"), name: name, command: command, ended: make(chan struct{})}
	log, err := os.Create(p.Log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the program has its own handle
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = attributes()
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = command.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Run starts a program as [Start] does, waits until it ends and returns its output. If the
// context ends first, Run kills the program.
func Run(ctx context.Context, dir, name string, command *exec.Cmd) (output string, err error) {
	p, err := Start(dir, name, command)
	if err != nil {
		return "", err
	}
	select {
	case <-p.ended:
		err = p.err
	case <-ctx.Done():
		err = errors.Join(context.Cause(ctx), p.Kill())
	}
	data, readErr := os.ReadFile(p.Log)
	return string(data), errors.Join(err, readErr)
}

// Kill sends SIGKILL to the program and to all processes that the program started, and waits until
// the program has ended. If the program had already ended, Kill returns no error.
func (p *Program) Kill() error {
	err := syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.ended
	return nil
}

// Signal sends a signal to the program alone. If the program has ended, Signal returns no error.
func (p *Program) Signal(signal os.Signal) error {
	if err := p.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to %s: %w", signal, p.name, err)
	}
	return nil
}

// lastBytes is the number of bytes from the end of the log that an error quotes.
const lastBytes = 1 << 10

// Ended returns nil while the program runs. Afterwards it returns an error that says how the
// program ended, with the end of its output.
func (p *Program) Ended() error {
	select {
	case <-p.ended:
	default:
		return nil
	}
	log, err := os.ReadFile(p.Log)
	if err != nil {
		return err
	}
	return fmt.Errorf("%s ended (%s); the end of %s:\n%s", p.name, p.command.ProcessState, p.Log, log[max(0, len(log)-lastBytes):])
}
