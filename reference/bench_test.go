package reference_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/reference/state"
)

// BenchmarkCrashAndRecover kills a simulated TaskManager and runs until the job has recovered from
// its latest checkpoint and completed another checkpoint. It uses one core, so cycles per second
// are cycles per CPU-second.
func BenchmarkCrashAndRecover(b *testing.B) {
	for _, backend := range state.Backends() {
		for _, unaligned := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/unaligned=%v", backend, unaligned), func(b *testing.B) {
				c := newCluster(1)
				j := aJob('a')
				j.Checkpoints.Backend, j.Checkpoints.Unaligned = backend, unaligned
				j.Checkpoints.Interval, j.Restart.Attempts = 10*time.Millisecond, 1<<30
				j.Workload.Records, j.Workload.Pause = 1<<30, 2*time.Millisecond
				if err := c.submit(j); err != nil {
					b.Fatal(err)
				}
				c.startTaskManager("taskmanager-3")
				c.runTo("checkpoint completed")
				n := 3
				for b.Loop() {
					c.Kill(fmt.Sprintf("taskmanager-%d", n-2))
					n++
					c.startTaskManager(fmt.Sprintf("taskmanager-%d", n))
					c.runTo("RUNNING")
					c.runTo("checkpoint completed")
					c.log = nil
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
			})
		}
	}
}

// runTo runs the world until the last logged event has the wanted prefix.
func (c *cluster) runTo(want string) {
	for len(c.log) == 0 || !strings.HasPrefix(c.log[len(c.log)-1], want) {
		c.Step()
	}
}

// BenchmarkCheckpoints takes many checkpoints in the simulation, each after the end of the one
// before.
func BenchmarkCheckpoints(b *testing.B) {
	c := newCluster(1)
	j := aJob('a')
	j.Checkpoints.Interval = time.Hour
	j.Workload.Records, j.Workload.Pause = 1<<30, 2*time.Millisecond
	if err := c.submit(j); err != nil {
		b.Fatal(err)
	}
	c.runTo("RUNNING")
	for b.Loop() {
		if err := c.ask(func(client reference.Client) error {
			_, err := client.Checkpoint(j.ID, time.Minute)
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "checkpoints/s")
}
