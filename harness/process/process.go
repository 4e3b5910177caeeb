// Package process starts the operating system processes of a cluster, kills them,
// and follows what they log.
//
// What it starts dies with this process, however that ends (on Linux; elsewhere
// only an orderly end is covered). It stops nothing that it did not start.
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
	"syscall"
)

// Starter starts processes. Close it to kill what still runs.
type Starter struct {
	requests chan func()
	mu       sync.Mutex
	running  []*Process
}

// Process is one started process.
type Process struct {
	Name string
	Log  string // path of the file with its output

	command *exec.Cmd
	ended   chan struct{}
	err     error // how it ended; set when ended is closed
}

// NewStarter returns a starter.
func NewStarter() *Starter {
	s := &Starter{requests: make(chan func())}
	go func() {
		// The kernel kills a child when the thread that started it ends, so all are
		// started by one thread that lives as long as the starter.
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
	p := &Process{Name: name, Log: filepath.Join(dir, name+".log"), command: command, ended: make(chan struct{})}
	log, err := os.Create(p.Log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the process has its own handle
	command.Stdout, command.Stderr = log, log
	dieWithParent(command)

	started := make(chan error)
	s.requests <- func() { started <- command.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = command.Wait()
		close(p.ended)
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = append(s.running, p)
	return p, nil
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

// Close kills what still runs and waits for its end.
func (s *Starter) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed error
	for _, p := range s.running {
		failed = errors.Join(failed, p.Kill())
	}
	s.running = nil
	close(s.requests)
	return failed
}

// Kill sends SIGKILL, to what the process itself started too (on Linux), and waits for the end. A process that has ended is no error.
func (p *Process) Kill() error {
	if err := kill(p.command); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.Name, err)
	}
	<-p.ended
	return nil
}

// Pause makes the process stand still, Resume makes it go on.
func (p *Process) Pause() error { return p.Signal(syscall.SIGSTOP) }

// Resume is the inverse of [Process.Pause].
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }

// Signal sends a signal, and waits for nothing.
func (p *Process) Signal(signal os.Signal) error {
	if err := p.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s to %s: %w", signal, p.Name, err)
	}
	return nil
}

// Workers are the processes of one kind, of which a cluster has a number.
type Workers struct {
	Kind    string // what their names begin with
	running []*Process
	started int // ever
}

// Fill starts as many as are missing to n. Each has a name that none had before.
func (w *Workers) Fill(n int, start func(name string) (*Process, error)) error {
	for len(w.running) < n {
		w.started++
		p, err := start(fmt.Sprintf("%s-%d", w.Kind, w.started))
		if err != nil {
			return err
		}
		w.running = append(w.running, p)
	}
	return nil
}

// Names returns the names of those that were not killed.
func (w *Workers) Names() []string {
	var names []string
	for _, p := range w.running {
		names = append(names, p.Name)
	}
	return names
}

// Find returns the one with the given name; nil if there is none.
func (w *Workers) Find(name string) *Process {
	for _, p := range w.running {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Kill kills the one with the given name.
func (w *Workers) Kill(name string) error {
	for i, p := range w.running {
		if p.Name == name {
			w.running = slices.Delete(w.running, i, i+1)
			return p.Kill()
		}
	}
	return fmt.Errorf("kill %s: there is no such process", name)
}

// Ended returns an error if one of them ended by itself; see [Process.Ended].
func (w *Workers) Ended() error {
	for _, p := range w.running {
		if err := p.Ended(); err != nil {
			return err
		}
	}
	return nil
}

// Ended returns an error that says how the process ended, with the last lines of
// its output; nil while it runs.
func (p *Process) Ended() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended (%w); the end of %s:\n%s", p.Name, cause(p.err), p.Log, lastLines(p.Log))
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
