package task

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/operators"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/reference/simulation"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// bench is a gate with two channels, a and b. Its methods return a text that shows what passes the
// gate: a letter and a number for each record, and a bar and a number for each checkpoint.
type bench struct {
	t       *testing.T
	gate    *gate
	numbers [2]uint64
	now     time.Duration
}

func newBench(t *testing.T) *bench {
	return &bench{t: t, gate: newGate(make([]protocol.Input, 2), false)}
}

func (b *bench) push(channel int, element protocol.Element) string {
	b.t.Helper()
	b.numbers[channel]++
	if err := b.gate.push(b.now, environment.Address{}, protocol.Data{Channel: channel, Number: b.numbers[channel], Element: element}); err != nil {
		b.t.Fatal(err)
	}
	return b.take()
}

func (b *bench) record(channel int, index int64) string {
	return b.push(channel, protocol.Element{Record: dataflow.Record{Index: index}})
}

func (b *bench) barrier(channel int, barrier protocol.Barrier) string {
	return b.push(channel, protocol.Element{Barrier: &barrier})
}

func (b *bench) end(channel int) string { return b.push(channel, protocol.Element{End: true}) }

func (b *bench) take() string {
	var text []string
	for {
		switch element, from, ok := b.gate.next(b.now); {
		case b.gate.aligned():
			text = append(text, fmt.Sprintf("|%d", b.gate.aligning.barrier.Checkpoint))
			b.gate.done()
		case !ok:
			return strings.Join(text, " ")
		case element.End:
			b.gate.channels[from].ended = true
		default:
			text = append(text, fmt.Sprintf("%c%d", 'a'+rune(from), element.Record.Index))
		}
	}
}

func (b *bench) want(step, got, want string) {
	b.t.Helper()
	if got != want {
		b.t.Errorf("%s: want %q, got %q", step, want, got)
	}
}

// Records behind a barrier wait until the barrier has arrived on every channel.
func TestBarriersAreAligned(t *testing.T) {
	b, one, two := newBench(t), protocol.Barrier{Checkpoint: 1}, protocol.Barrier{Checkpoint: 2}
	b.want("a record", b.record(0, 1), "a1")
	b.want("the barrier blocks a", b.barrier(0, one), "")
	b.want("a is held", b.record(0, 2), "")
	b.want("and its next barrier", b.barrier(0, two), "")
	b.want("and what is behind that", b.record(0, 3), "")
	b.want("b is open still", b.record(1, 1), "b1")
	b.want("aligned: a goes on to its next barrier", b.barrier(1, one), "|1 a2")
	b.want("b is open", b.record(1, 2), "b2")
	b.want("aligned again", b.barrier(1, two), "|2 a3")
	b.want("nothing waits", b.record(1, 3), "b3")
}

// When a checkpoint is aborted, the records that wait for its barrier continue. A late barrier of
// the checkpoint is ignored.
func TestAnAbortedAlignmentLetsGo(t *testing.T) {
	b, one, two := newBench(t), protocol.Barrier{Checkpoint: 1}, protocol.Barrier{Checkpoint: 2}
	b.barrier(0, one)
	b.want("held", b.record(0, 1), "")
	b.gate.abort(1)
	b.want("let go", b.take(), "a1")
	b.want("the late barrier", b.barrier(1, one), "")
	b.want("a is open", b.record(0, 2), "a2")
	b.barrier(0, two)
	b.want("the next one", b.barrier(1, two), "|2")
}

// A channel that has ended needs no barrier.
func TestAnEndedChannelIsAligned(t *testing.T) {
	b, one := newBench(t), protocol.Barrier{Checkpoint: 1}
	b.want("waits", b.barrier(0, one), "")
	b.want("aligned by the end", b.end(1), "|1")
	b.end(0)
	b.want("at the end of all, the first barrier will do", b.barrier(1, protocol.Barrier{Checkpoint: 2}), "|2")
}

// An overtaking barrier captures the records before it on each channel: those that wait, and those
// that arrive before the barrier does.
func TestOvertakenRecordsAreRecorded(t *testing.T) {
	b := newBench(t)
	one := protocol.Barrier{Checkpoint: 1, AlignmentTimeout: time.Second}
	b.barrier(0, one)
	b.record(0, 9) // this record is behind the barrier
	for i := range int64(3) {
		b.numbers[1]++
		data := protocol.Data{Channel: 1, Number: b.numbers[1], Element: protocol.Element{Record: dataflow.Record{Index: i}}}
		if err := b.gate.push(0, environment.Address{}, data); err != nil { // the record is received, but not consumed yet
			t.Fatal(err)
		}
	}
	if b.gate.overtakes(time.Second - 1) {
		t.Error("it overtakes before its time")
	}
	if !b.gate.overtakes(time.Second) {
		t.Fatal("it does not overtake when it is time")
	}
	b.gate.overtake()
	if b.gate.aligned() {
		t.Error("b's barrier has not come")
	}
	b.want("nothing waits any more", b.take(), "a9 b0 b1 b2")
	b.record(1, 3) // this record is before the barrier
	b.numbers[1]++
	if err := b.gate.push(0, environment.Address{}, protocol.Data{Channel: 1, Number: b.numbers[1], Element: protocol.Element{Barrier: &one}}); err != nil {
		t.Fatal(err)
	}
	if !b.gate.aligned() {
		t.Error("the barrier has come on both")
	}
	if got := fmt.Sprint(len(b.gate.aligning.inFlight[0]), len(b.gate.aligning.inFlight[1])); got != "0 4" {
		t.Errorf("want none of a and 4 of b, got %s", got)
	}
}

func TestWhatCannotBeIsAnError(t *testing.T) {
	for want, data := range map[string]protocol.Data{
		"on channel 2 of 2":                  {Channel: 2, Number: 1},
		"want element 1 on channel 0, got 2": {Channel: 0, Number: 2},
	} {
		err := newGate(make([]protocol.Input, 2), false).push(0, environment.Address{}, data)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s, got %v", want, err)
		}
	}
}

// A source that is faster than the subtasks downstream stops when its credit is used up. An aligned
// barrier waits behind the records that are held back. An overtaking barrier captures them.
func TestABarrierAtASourceWithoutCredit(t *testing.T) {
	for _, c := range []struct {
		unaligned bool
		want      string
	}{
		{false, "32 records, 0 barriers, 0 acknowledged with 0 bytes in flight, CANCELED"},
		{true, "32 records, 1 barriers, 1 acknowledged with 9 bytes in flight, CANCELED"},
	} {
		if got := sourceWithoutCredit(t, c.unaligned); got != c.want {
			t.Errorf("unaligned is %v: want %s, got %s", c.unaligned, c.want, got)
		}
	}
}

func sourceWithoutCredit(t *testing.T, unaligned bool) string {
	t.Helper()
	files := filesystem.NewMemory()
	if err := files.MkdirAll("/chk-1"); err != nil {
		t.Fatal(err)
	}
	world := simulation.New(1, files, func(time.Duration, environment.Address, environment.Record) {})
	process := func(name string) environment.Address { return environment.Address{Process: name, Task: name} }
	var received, barriers, acknowledged int
	var inFlight int64
	var ended protocol.TaskEnded
	world.Start("downstream", func(env environment.Environment) {
		for {
			envelope, _ := env.Receive(environment.Forever)
			if envelope.Message.(protocol.Data).Element.IsRecord() {
				received++
			} else {
				barriers++
			}
		}
	})
	world.Start("master", func(env environment.Environment) {
		source := process("source")
		env.Receive(environment.Forever) // the message TaskRunning
		env.Send(source, protocol.Start{})
		env.Sleep(time.Second)
		env.Send(source, protocol.Trigger{Barrier: protocol.Barrier{Checkpoint: 1, Target: checkpoints.Target{Exclusive: "/chk-1"}, Unaligned: unaligned}})
		env.Sleep(time.Second)
		env.Send(source, protocol.Cancel{})
		for {
			envelope, _ := env.Receive(environment.Forever)
			switch message := envelope.Message.(type) {
			case protocol.Acknowledge:
				acknowledged++
				for _, channel := range message.State.Outputs {
					inFlight += channel.Size
				}
			case protocol.TaskEnded:
				ended = message
			}
		}
	})
	world.Start("source", func(env environment.Environment) {
		Run(env, protocol.Deploy{
			Job:     job.Job{Parallelism: 1, Workload: operators.Parameters{Name: "counts", Splits: 1, Records: 1000, Keys: 1, Dir: "/jobs"}},
			Subtask: protocol.Subtask{UID: operators.SourceUID}, Master: process("master"), Groups: 128,
			Outputs: []protocol.Output{{To: []environment.Address{process("downstream")}}},
		})
	})
	for world.Step() {
		continue
	}
	return fmt.Sprintf("%d records, %d barriers, %d acknowledged with %d bytes in flight, %s", received, barriers, acknowledged, inFlight, ended.Status)
}

// Inline state that just fits into a message is acknowledged. With one byte more it is declined.
func TestTheLimitOfAMessage(t *testing.T) {
	for size, refused := range map[int]bool{10<<20 - messageOverhead: false, 10<<20 - messageOverhead + 1: true} {
		if err := fits(inline(size), 10<<20); (err != nil) != refused {
			t.Errorf("%d bytes: got %v", size, err)
		}
	}
}

func ExampleName() {
	fmt.Println(Name("a1b2", protocol.Subtask{UID: "counter", Index: 1}, "1.3"))
	// Output: a1b2/counter-1#1.3
}

func inline(size int) metadata.Subtask {
	return metadata.Subtask{ManagedKeyed: &metadata.KeyGroups{Stream: &metadata.ByteStream{Data: make([]byte, size)}}}
}
