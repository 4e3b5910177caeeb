// Package process starts the operating system processes of a cluster, kills them, and follows
// their logs.
//
// The processes that it starts, and those that they start in turn, die when this process ends in
// any way. The package stops no process that it did not start.
//
// Start with [Starter].
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/snapback/snapback/faults/lease"
)

// Starter starts processes. Its method Close kills the processes that still run.
type Starter struct {
	requests chan func()
	mu       sync.Mutex
	running  []*Process
	groups   *lease.Groups // the process groups of the running processes; nil before the first process
}

// Process is one started process.
type Process struct {
	Log string // path of the file with its output

	name    string
	command *exec.Cmd
	ended   chan struct{}
	gone    atomic.Bool   // true after the process, and all processes that it started, have ended
	err     error         // how the process ended; set before ended is closed
	fast    chan struct{} // a channel that tells a goroutine to stop slowing the process down; nil if there is no such goroutine
}

// NewStarter returns a starter.
func NewStarter() *Starter {
	s := &Starter{requests: make(chan func())}
	go func() {
		// The kernel kills a child when the thread that started it ends. So one thread, which
		// lives as long as the starter, starts all processes.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for request := range s.requests {
			request()
		}
	}()
	return s
}

// Start starts a process whose output goes to a new file {name}.log in dir.
func (s *Starter) Start(dir, name string, command *exec.Cmd) (*Process, error) {
	p := &Process{name: name, Log: filepath.Join(dir, name+".log"), command: command, ended: make(chan struct{})}
	log, err := os.Create(p.Log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the process has its own handle
	command.Stdout, command.Stderr = log, log
	ownGroup(command)

	started := make(chan error)
	s.requests <- func() { started <- command.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	held := s.hold(p)
	go func() {
		p.err = command.Wait()
		s.release(p)
		close(p.ended)
	}()
	if held != nil {
		return nil, errors.Join(held, p.Kill())
	}
	return p, nil
}

// hold remembers a process that was started, and takes a lease on its process group.
func (s *Starter) hold(p *Process) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = append(s.running, p)
	if s.groups == nil {
		if s.groups, err = lease.TakeGroups(); err != nil {
			return err
		}
	}
	return s.groups.Hold(p.command.Process.Pid)
}

// release forgets a process that has ended, unless processes that it started still run.
func (s *Starter) release(p *Process) {
	if !errors.Is(syscall.Kill(-p.command.Process.Pid, 0), syscall.ESRCH) {
		return
	}
	p.gone.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = slices.DeleteFunc(s.running, func(other *Process) bool { return other == p })
	if s.groups != nil {
		_ = s.groups.Drop(p.command.Process.Pid) // if this fails, the lease has ended
	}
}

// Run starts a process as [Starter.Start] does, waits for its end and returns its
// output. If the context ends first, the process is killed.
func (s *Starter) Run(ctx context.Context, dir, name string, command *exec.Cmd) (output string, err error) {
	p, err := s.Start(dir, name, command)
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

// Close kills the processes that still run, and waits for their end.
func (s *Starter) Close() error {
	s.mu.Lock()
	running, groups := s.running, s.groups
	s.running, s.groups = nil, nil
	s.mu.Unlock()
	var failed error
	for _, p := range running {
		failed = errors.Join(failed, p.Kill())
	}
	close(s.requests)
	if groups != nil {
		failed = errors.Join(failed, groups.End())
	}
	return failed
}

// Name returns the process's name.
func (p *Process) Name() string { return p.name }

// ID returns the number by which the operating system knows the process.
func (p *Process) ID() int { return p.command.Process.Pid }

// Kill kills the process and the processes that it started by SIGKILL, and waits for the end of the
// process. If all of them have already ended, Kill does nothing. Kill signals the process group.
// The group exists as long as any process is in it, even if the first process has ended.
func (p *Process) Kill() error {
	if p.gone.Load() { // another process may have the number of the group now
		return nil
	}
	if err := syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.ended
	return nil
}

// Pause stops the process until it is resumed.
func (p *Process) Pause() error { return p.Signal(syscall.SIGSTOP) }

// Resume is the inverse of [Process.Pause] and of [Process.Slow].
func (p *Process) Resume() error {
	if p.fast != nil {
		select {
		case p.fast <- struct{}{}: // after this the goroutine sends no more signals
		case <-p.ended:
		}
		p.fast = nil
	}
	return p.Signal(syscall.SIGCONT)
}

// slowPeriod is the period of a slow process. In each period the process is stopped for a while.
const slowPeriod = 20 * time.Millisecond

// Slow slows the process down until it is resumed. In each period of 20 ms, the process runs for
// the given percentage of the time and is stopped for the rest.
func (p *Process) Slow(percent int64) error {
	if err := p.Resume(); err != nil {
		return err
	}
	still := slowPeriod * time.Duration(100-percent) / 100
	fast := make(chan struct{})
	p.fast = fast
	go func() {
		for {
			for _, phase := range []struct {
				signal syscall.Signal
				lasts  time.Duration
			}{{syscall.SIGSTOP, still}, {syscall.SIGCONT, slowPeriod - still}} {
				_ = p.Signal(phase.signal) // this fails only if the process has ended
				select {
				case <-fast:
					return
				case <-p.ended:
					return
				case <-time.After(phase.lasts):
				}
			}
		}
	}()
	return nil
}

// Signal sends a signal, and does not wait for its effect.
func (p *Process) Signal(signal os.Signal) error {
	if err := p.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to %s: %w", signal, p.name, err)
	}
	return nil
}

// Ended returns an error that says how the process ended, with the last lines of its output. It
// returns nil while the process runs.
func (p *Process) Ended() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended (%w); the last lines of %s:\n%s", p.name, cause(p.err), p.Log, lastLines(p.Log))
	default:
		return nil
	}
}

func cause(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

const (
	lastLinesMax = 5
	lastBytesMax = 4 << 10
)

func lastLines(name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	data = data[max(0, len(data)-lastBytesMax):]
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-lastLinesMax):], "\n")
}
