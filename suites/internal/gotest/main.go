// Command gotest runs go test and prints its progress. It prints a line for each package that is
// done, and at least every 30 seconds a line about what runs. It prints the whole output of failed
// tests. At the end it prints the times of all packages, and every skip with its reason. It accepts
// the arguments of go test, and returns the exit code of go test.
//
//	go run ./suites/internal/gotest -timeout 35m ./...
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// beat is the time between two lines about the tests that run now.
const beat = 25 * time.Second

// lineMax is the greatest length of a line of go test -json, in bytes.
const lineMax = 64 << 20

func main() {
	code, err := run(os.Stdout, beat, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
	}
	os.Exit(code)
}

// run runs go test, and returns its exit code.
func run(out io.Writer, beat time.Duration, arguments []string) (int, error) {
	command := exec.Command("go", append([]string{"test", "-json"}, arguments...)...)
	command.Stderr = os.Stderr // here the go command prints what it downloads
	events, err := command.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := command.Start(); err != nil {
		return 1, err
	}
	l := newLog(out)
	finished := make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() {
		for {
			select {
			case <-finished:
				return
			case <-time.After(beat):
				l.running()
			}
		}
	})
	failed := read(events, l)
	close(finished)
	beating.Wait()
	l.end()
	err = command.Wait()
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		return ended.ExitCode(), failed
	case err != nil:
		return 1, err
	case failed != nil:
		return 1, failed
	}
	return 0, nil
}

// read adds each event to the log. If a line is no event, read prints the line unchanged.
func read(events io.Reader, l *log) error {
	scanner := bufio.NewScanner(events)
	scanner.Buffer(nil, lineMax)
	for scanner.Scan() {
		var e event
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			e = event{Action: "build-output", Output: scanner.Text() + "\n"}
		}
		l.add(e)
	}
	if err := scanner.Err(); err != nil {
		_, _ = io.Copy(io.Discard, events) // go test would wait if nobody read its output
		return err
	}
	return nil
}
