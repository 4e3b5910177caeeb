// Command install installs everything that the suites need and that Debian does not have as a
// package: Apache Flink, Apache Kafka and Flink's connector for it, the jars of Hadoop, MinIO,
// stand-ins for Google Cloud Storage and Azure Blob Storage, and the root file system of a Docker
// image with a Java. It also compiles our Java programs. It skips everything that is already
// installed.
//
// The first run needs about ten minutes. Each step prints what it does, and how long it has already
// run.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/snapback/snapback/suites/realflink"
	"github.com/snapback/snapback/suites/servers"
)

// beat is the time between two messages that a step still runs.
const beat = 15 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	began := time.Now()
	err := install(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "install:", err)
		os.Exit(1)
	}
	fmt.Printf("everything is installed (%s)\n", since(began))
}

func install(ctx context.Context) error {
	var steps steps
	go steps.beat(ctx)
	if err := servers.Install(ctx, steps.say); err != nil {
		return err
	}
	_, err := realflink.New(ctx, steps.say)
	steps.say("")
	return err
}

// steps prints a line when a step begins and when the step is done. While the step runs, it prints
// a line at each beat.
type steps struct {
	mu    sync.Mutex
	now   string
	began time.Time
}

// say ends the running step and begins the next step. If the name of the next step is empty, no
// step begins.
func (s *steps) say(next string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != "" {
		fmt.Printf("%s: done in %s\n", s.now, since(s.began))
	}
	s.now, s.began = next, time.Now()
	if next != "" {
		fmt.Println(next)
	}
}

// beat prints again and again which step runs.
func (s *steps) beat(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(beat):
		}
		s.mu.Lock()
		if s.now != "" {
			fmt.Printf("%s: %s so far\n", s.now, since(s.began))
		}
		s.mu.Unlock()
	}
}

func since(began time.Time) time.Duration { return time.Since(began).Round(time.Second) }
