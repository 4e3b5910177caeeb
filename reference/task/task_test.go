package task

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/simulation"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// elements writes r for a record, digits for a barrier.
func elements(data []protocol.Data) string {
	var text strings.Builder
	for _, d := range data {
		if d.Barrier.Checkpoint == 0 {
			fmt.Fprintf(&text, "%c%d ", 'a'+rune(d.Channel), d.Record.Index)
		} else {
			fmt.Fprintf(&text, "|%d ", d.Barrier.Checkpoint)
		}
	}
	return strings.TrimSpace(text.String())
}

// What follows a barrier waits until the barrier has come on every channel.
func TestBarriersAreAligned(t *testing.T) {
	g := newGate(2)
	numbers := [2]uint64{}
	push := func(channel int, checkpoint int64, index int64) string {
		numbers[channel]++
		released, err := g.push(environment.Address{}, protocol.Data{
			Channel: channel, Number: numbers[channel],
			Record: job.Record{Index: index}, Barrier: protocol.Barrier{Checkpoint: checkpoint},
		})
		if err != nil {
			t.Fatal(err)
		}
		return elements(released)
	}
	for i, step := range []struct {
		channel           int
		checkpoint, index int64
		want              string
	}{
		{0, 0, 1, "a1"},
		{0, 1, 0, ""},      // blocks a
		{0, 0, 2, ""},      // held
		{0, 2, 0, ""},      // the next barrier, held too
		{0, 0, 3, ""},      // held behind that
		{1, 0, 1, "b1"},    // b is open still
		{1, 1, 0, "|1 a2"}, // aligned; a goes on to its next barrier
		{1, 0, 2, "b2"},    // b is open
		{1, 2, 0, "|2 a3"}, // aligned again
		{1, 0, 3, "b3"},
		{0, 0, 4, "a4"},
	} {
		if got := push(step.channel, step.checkpoint, step.index); got != step.want {
			t.Errorf("step %d: want %q, got %q", i+1, step.want, got)
		}
	}
}

func TestWhatCannotBeIsAnError(t *testing.T) {
	for want, data := range map[string][]protocol.Data{
		"on channel 2 of 2":                       {{Channel: 2, Number: 1}},
		"want element 1 on channel 0, got 2":      {{Channel: 0, Number: 2}},
		"want the barrier of checkpoint 1, got 2": nil,
	} {
		g := newGate(2)
		if data == nil {
			want = "want the barrier of checkpoint 1, got that of 2"
			data = []protocol.Data{
				{Channel: 0, Number: 1, Barrier: protocol.Barrier{Checkpoint: 1}},
				{Channel: 1, Number: 1, Barrier: protocol.Barrier{Checkpoint: 2}},
			}
		}
		var err error
		for _, d := range data {
			_, err = g.push(environment.Address{}, d)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s, got %v", want, err)
		}
	}
}

// A source that is faster than those downstream stops when its credit is used up,
// takes part in no checkpoint with a record half emitted, and can be canceled.
func TestASourceWithoutCreditWaits(t *testing.T) {
	files := filesystem.NewMemory()
	if err := files.MkdirAll("/chk-1"); err != nil {
		t.Fatal(err)
	}
	world := simulation.New(1, files, nil)
	process := func(name string) environment.Address { return environment.Address{Process: name, Task: name} }
	received, acknowledged := 0, 0
	var ended protocol.TaskEnded
	world.Start("downstream", func(env environment.Environment) {
		for {
			envelope, _ := env.Receive(environment.Forever)
			data := envelope.Message.(protocol.Data)
			if data.Barrier.Checkpoint == 0 {
				received++
			}
		}
	})
	world.Start("master", func(env environment.Environment) {
		source := process("source")
		env.Receive(environment.Forever) // running
		env.Send(source, protocol.Start{})
		env.Sleep(time.Second)
		env.Send(source, protocol.Trigger{Barrier: protocol.Barrier{Checkpoint: 1, Target: storage.Target{Exclusive: "/chk-1"}}})
		env.Sleep(time.Second)
		env.Send(source, protocol.Cancel{})
		for {
			envelope, _ := env.Receive(environment.Forever)
			switch message := envelope.Message.(type) {
			case protocol.Acknowledge:
				acknowledged++
			case protocol.TaskEnded:
				ended = message
			}
		}
	})
	world.Start("source", func(env environment.Environment) {
		Run(env, protocol.Deploy{
			Job:     job.Job{Parallelism: 1, Counts: job.Counts{Splits: 1, Records: 1000, Keys: 1, Dir: "/jobs"}},
			Subtask: protocol.Subtask{UID: job.SourceUID}, Master: process("master"),
			Downstream: []environment.Address{process("downstream")},
		})
	})
	for world.Step() {
		continue
	}
	if received != creditMax || acknowledged != 0 || ended.Status != storage.Canceled {
		t.Errorf("want %d records, no checkpoint, canceled; got %d, %d, %s", creditMax, received, acknowledged, ended.Status)
	}
}

func ExampleName() {
	fmt.Println(Name("a1b2", protocol.Subtask{UID: job.CounterUID, Index: 1}, 3))
	// Output: a1b2/counter-1#3
}
