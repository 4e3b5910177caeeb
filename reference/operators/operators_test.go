package operators_test

import (
	"fmt"
	"math"
	"path"
	"strings"
	"testing"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/operators"
	"github.com/snapback/snapback/reference/simulation"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// inTask runs engine code as a task of a simulated process.
func inTask(t *testing.T, body func(environment.Environment)) *filesystem.Memory {
	t.Helper()
	files := filesystem.NewMemory()
	must(t, files.MkdirAll("/chk"))
	world := simulation.New(1, files, nil)
	world.Start("process", body)
	for world.Step() {
		continue
	}
	return files
}

func parameters(name string) operators.Parameters {
	return operators.Parameters{Name: name, Seed: 42, Splits: 2, Records: 10, Keys: 3, Dir: "/jobs"}
}

// unit runs the operator of one subtask, without a job. The subtask is the second of two.
type unit struct {
	dataflow.Operator
	t       *testing.T
	env     environment.Environment
	state   *state.Subtask
	emitted []dataflow.Record
	keyed   bool
}

// open creates an operator. If the snapshot `from` is not nil, the operator is restored from it.
func open(t *testing.T, env environment.Environment, p operators.Parameters, uid string, from *metadata.Subtask) (*unit, error) {
	t.Helper()
	graph, err := p.Graph()
	must(t, err)
	vertex, known := graph.Vertex(uid)
	if !known {
		t.Fatalf("workload %s has no operator %s", p.Name, uid)
	}
	u := &unit{Operator: vertex.New(), t: t, env: env, state: state.New(nil), keyed: vertex.Keyed}
	if vertex.Keyed {
		u.state = state.New(state.NewKeyed(state.Full, "id", 0, 127, 128))
	}
	if from != nil {
		restore := state.Restore{Restored: true, Location: "/chk"}
		if from.ManagedOperator != nil {
			restore.Operator = []metadata.OperatorHandle{from.ManagedOperator}
		}
		if from.ManagedKeyed != nil {
			restore.Keyed = []metadata.KeyedHandle{from.ManagedKeyed}
		}
		must(t, u.state.Restore(env.Files(), restore))
	}
	err = u.Open(dataflow.Context{
		Env: env, Index: 1, Parallelism: 2, Restored: from != nil, State: u.state, CommitWith: true,
		Emit: func(r dataflow.Record) { u.emitted = append(u.emitted, r) }, Watermark: func(int64) {},
		RegisterTime: func(time int64) { u.state.Keyed.RegisterTimer(time) },
	})
	return u, err
}

func mustOpen(t *testing.T, env environment.Environment, p operators.Parameters, uid string, from *metadata.Subtask) *unit {
	t.Helper()
	u, err := open(t, env, p, uid, from)
	must(t, err)
	return u
}

func (u *unit) process(input int, r dataflow.Record) {
	u.t.Helper()
	if u.keyed {
		u.state.Keyed.SetKey(r.Key, dataflow.KeyGroup(r.Key, 128))
	}
	must(u.t, u.Process(input, r))
}

func (u *unit) snapshot(checkpoint int64) *metadata.Subtask {
	u.t.Helper()
	if s, ok := u.Operator.(dataflow.Snapshotter); ok {
		must(u.t, s.Snapshot(checkpoint))
	}
	newID := func() string { return environment.NewID(u.env) }
	handles, err := u.state.Snapshot(checkpoint, state.Checkpoint).Write(u.env.Files(), checkpoints.Target{Exclusive: "/chk", Shared: "/chk"}, newID)
	must(u.t, err)
	return &handles
}

// fires runs the timers that are due at a watermark.
func (u *unit) fires(watermark int64) {
	u.t.Helper()
	for time, due := u.state.Keyed.NextTimer(watermark); due; time, due = u.state.Keyed.NextTimer(watermark) {
		must(u.t, u.Operator.(dataflow.Timed).OnTime(time))
	}
}

func TestSourceReadsItsSplitsAndGoesOnWhereItsStateSays(t *testing.T) {
	inTask(t, func(env environment.Environment) {
		p := parameters("counts")
		p.Splits = 4
		source := mustOpen(t, env, p, operators.SourceUID, nil)
		var taken *metadata.Subtask
		for i := range 20 {
			if i == 7 {
				taken = source.snapshot(1)
			}
			more, err := source.Operator.(dataflow.Source).Next()
			must(t, err)
			if r := source.emitted[len(source.emitted)-1]; !more || r.Split != int64(1+i%2*2) || r.Index != int64(i/2) {
				t.Errorf("record %d: got %+v", i, r)
			}
		}
		if more, _ := source.Operator.(dataflow.Source).Next(); more {
			t.Error("there is no end")
		}
		again := mustOpen(t, env, p, operators.SourceUID, taken)
		_, err := again.Operator.(dataflow.Source).Next()
		must(t, err)
		if r := again.emitted[0]; r.Split != 1 || r.Index != 4 {
			t.Errorf("want to go on at record 4 of split 1, got %+v", r)
		}
		p.Records = 3
		if _, err := open(t, env, p, operators.SourceUID, taken); err == nil {
			t.Error("a position behind the end was accepted")
		}
	})
}

func TestSourceFailsWhenAskedTo(t *testing.T) {
	inTask(t, func(env environment.Environment) {
		source := mustOpen(t, env, parameters("counts"), operators.SourceUID, nil)
		_, err := source.Operator.(dataflow.Source).Next()
		must(t, err)
		must(t, filesystem.WriteFile(env.Files(), "/jobs/fail", nil))
		if _, err := source.Operator.(dataflow.Source).Next(); err == nil || err.Error() != "asked to fail by /jobs/fail" {
			t.Errorf("got %v", err)
		}
	})
}

// Each stateful operator is restored between two records. Its output is the same as without the
// restore.
func TestOperatorsGoOnFromTheirState(t *testing.T) {
	record := func(key int32, value int64) dataflow.Record { return dataflow.Record{Key: key, Value: value} }
	for _, c := range []struct {
		workload, uid string
		before, after []dataflow.Record
		want          string
	}{
		{"counts", "counter", []dataflow.Record{record(1, 5), record(2, 7)}, []dataflow.Record{record(1, 6)}, "1:2,11"},
		{"backpressure", "counter", []dataflow.Record{record(1, 5)}, []dataflow.Record{record(1, 6)}, "1:2,11"},
		{"transfers", "accounts", []dataflow.Record{record(1, -5), record(2, 5)}, []dataflow.Record{record(1, 7), record(2, -7)}, "1:2,2 2:2,-2"},
		{"growing", "archive", []dataflow.Record{record(1, 5)}, []dataflow.Record{record(1, 5)}, "1:2,5"},
	} {
		inTask(t, func(env environment.Environment) {
			first := mustOpen(t, env, parameters(c.workload), c.uid, nil)
			for _, r := range c.before {
				first.process(0, r)
			}
			second := mustOpen(t, env, parameters(c.workload), c.uid, first.snapshot(1))
			for _, r := range c.after {
				second.process(0, r)
			}
			var got []string
			for _, r := range second.emitted {
				got = append(got, fmt.Sprintf("%d:%d,%d", r.Key, r.Count, r.Sum))
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("%s: want %s, got %s", c.workload, c.want, text)
			}
		})
	}
}

func TestWindowsAreOverWhenTheWatermarkSaysSo(t *testing.T) {
	inTask(t, func(env environment.Environment) {
		window := mustOpen(t, env, parameters("windows"), "window", nil)
		window.process(0, dataflow.Record{Key: 1, Time: 10, Value: 5})
		window.process(0, dataflow.Record{Key: 1, Time: 120, Value: 7})
		again := mustOpen(t, env, parameters("windows"), "window", window.snapshot(1))
		again.process(0, dataflow.Record{Key: 1, Time: 99, Value: 6})
		again.fires(99)
		again.fires(100)
		if got := fmt.Sprint(again.emitted); got != fmt.Sprint([]dataflow.Record{{Key: 1, Time: 0, Count: 2, Sum: 11}}) {
			t.Errorf("got %s", got)
		}
	})
}

func TestTheNewestRuleIsApplied(t *testing.T) {
	inTask(t, func(env environment.Environment) {
		apply := mustOpen(t, env, parameters("rules"), "apply", nil)
		apply.process(0, dataflow.Record{Value: 5})
		apply.process(1, dataflow.Record{Index: 0, Value: 3})
		again := mustOpen(t, env, parameters("rules"), "apply", apply.snapshot(1))
		again.process(0, dataflow.Record{Value: 5})
		if first, second := apply.emitted[0], again.emitted[0]; first.Time != 0 || first.Sum != 5 || second.Time != 1 || second.Kind != 1 || second.Sum != 15 {
			t.Errorf("got %+v and %+v", first, second)
		}
	})
}

// At the end of its input each operator emits what its state holds, also for a key that no record
// had after the restore.
func TestOperatorsEmitTheirStateAtTheEnd(t *testing.T) {
	for _, c := range []struct {
		workload, uid string
		before        []dataflow.Record
		want          string
	}{
		{"counts", "counter", []dataflow.Record{{Key: 1, Value: 5}, {Key: 2, Value: 7}, {Key: 1, Value: 6}}, "1 2 11 0; 2 1 7 0"},
		{"transfers", "accounts", []dataflow.Record{{Key: 1, Value: -5}, {Key: 2, Value: 5}}, "1 1 -5 0; 2 1 5 0"},
		{"growing", "archive", []dataflow.Record{{Key: 1, Value: 5}, {Key: 1, Value: 6}}, "1 2 11 0"},
		{"rules", "apply", []dataflow.Record{{Key: 1, Value: 5}}, "1 1 6 1"},
	} {
		inTask(t, func(env environment.Environment) {
			first := mustOpen(t, env, parameters(c.workload), c.uid, nil)
			for _, r := range c.before {
				first.process(0, r)
			}
			if c.workload == "rules" {
				first.process(1, dataflow.Record{Index: 1, Value: 3})
			}
			again := mustOpen(t, env, parameters(c.workload), c.uid, first.snapshot(1))
			again.fires(math.MaxInt64 - 1)
			if len(again.emitted) > 0 {
				t.Errorf("%s: emitted %v before the end", c.workload, again.emitted)
			}
			again.fires(math.MaxInt64)
			again.fires(math.MaxInt64)
			var got []string
			for _, r := range again.emitted {
				if r.Split != dataflow.AtEnd {
					t.Errorf("%s: want a record of state, got %+v", c.workload, r)
				}
				got = append(got, fmt.Sprint(r.Key, r.Count, r.Sum, r.Kind))
			}
			if text := strings.Join(got, "; "); text != c.want {
				t.Errorf("%s: want %s, got %s", c.workload, c.want, text)
			}
		})
	}
}

// A value that the archive lost counts as -1.
func TestArchiveReadsItsValuesBackAtTheEnd(t *testing.T) {
	inTask(t, func(env environment.Environment) {
		archive := mustOpen(t, env, parameters("growing"), "archive", nil)
		archive.process(0, dataflow.Record{Key: 1, Value: 5})
		archive.process(0, dataflow.Record{Key: 1, Value: 6})
		archive.state.Keyed.Map("values").Remove(2)
		archive.fires(math.MaxInt64)
		if last := archive.emitted[2]; last.Count != 2 || last.Sum != 4 {
			t.Errorf("want count 2 and sum 5-1, got %+v", last)
		}
	})
}

func TestMarksFollowTheirSplits(t *testing.T) {
	inTask(t, func(env environment.Environment) {
		marks := mustOpen(t, env, parameters("splits"), "marks", nil)
		marks.process(0, dataflow.Record{Split: 1})
		again := mustOpen(t, env, parameters("splits"), "marks", marks.snapshot(1))
		again.process(0, dataflow.Record{Split: 1, Index: 1})
		if got := again.emitted[0].Count; got != 2 {
			t.Errorf("want the second record of its split, got %d", got)
		}
		must(t, again.Operator.(dataflow.Ender).End())
		if last := again.emitted[1]; last != (dataflow.Record{Split: dataflow.AtEnd, Index: 1, Count: 2}) {
			t.Errorf("want the mark of split 1 at the end, got %+v", last)
		}
	})
}

// Exactly the lines of complete checkpoints are committed, even if a notification is lost or the
// sink is restored.
func TestSinkCommitsWithTheCheckpoint(t *testing.T) {
	files := inTask(t, func(env environment.Environment) {
		sink := mustOpen(t, env, parameters("counts"), operators.SinkUID, nil)
		var taken []*metadata.Subtask
		for checkpoint := range int64(4) {
			sink.process(0, dataflow.Record{Index: checkpoint})
			taken = append(taken, sink.snapshot(checkpoint+1))
		}
		must(t, sink.Operator.(dataflow.Committer).Commit(2))                                    // also commits the file of checkpoint 1, whose notification was lost
		restored := mustOpen(t, env, parameters("counts"), operators.SinkUID, taken[2])          // this sink is restored from checkpoint 3
		again := mustOpen(t, env, parameters("counts"), operators.SinkUID, restored.snapshot(5)) // no record arrived in between
		must(t, again.Operator.(dataflow.Committer).Commit(5))
	})
	committed, err := files.List("/jobs/committed")
	must(t, err)
	var names []string
	for _, e := range committed {
		if strings.HasPrefix(e.Name, ".") {
			continue // this file is pending
		}
		names = append(names, e.Name[:len("part-1-1")])
	}
	if got := fmt.Sprint(names); got != "[part-1-1 part-1-2 part-1-3]" {
		t.Errorf("got %s", got)
	}
}

func TestSinkDoesNotPassOverALostFile(t *testing.T) {
	inTask(t, func(env environment.Environment) {
		sink := mustOpen(t, env, parameters("counts"), operators.SinkUID, nil)
		sink.process(0, dataflow.Record{})
		taken := sink.snapshot(1)
		pending, err := env.Files().List("/jobs/committed")
		must(t, err)
		must(t, env.Files().Remove(path.Join("/jobs/committed", pending[0].Name)))
		if _, err := open(t, env, parameters("counts"), operators.SinkUID, taken); err == nil {
			t.Error("the restore found nothing wrong")
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ExampleParameters_Graph() {
	graph, _ := operators.Parameters{Name: "counts"}.Graph()
	for _, vertex := range graph {
		fmt.Println(vertex.UID)
	}
	// Output:
	// source
	// counter
	// sink
}
