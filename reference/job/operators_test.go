package job_test

import (
	"fmt"
	"path"
	"testing"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/simulation"
	"github.com/snapback/snapback/storage/filesystem"
)

// inTask runs engine code as a task of a simulated process.
func inTask(t *testing.T, body func(environment.Environment)) *filesystem.Memory {
	t.Helper()
	files := filesystem.NewMemory()
	world := simulation.New(1, files, nil)
	world.Start("process", body)
	for world.Step() {
		continue
	}
	return files
}

func operator(t *testing.T, env environment.Environment, uid string, state job.State) job.Operator {
	t.Helper()
	made, err := job.NewOperator(env, valid(), uid, 1)
	must(t, err)
	must(t, made.Open(state))
	return made
}

// The vectors of docs/workloads.md.
func TestSourceReadsItsSplitsAndGoesOnWhereItsStateSays(t *testing.T) {
	inTask(t, func(env environment.Environment) {
		source := operator(t, env, job.SourceUID, nil).(job.Input)
		var state job.State
		for i := range int64(10) {
			record, more, err := source.Next()
			must(t, err)
			if !more || record.Split != 1 || record.Index != i {
				t.Errorf("want record %d of split 1, got %+v, %v", i, record, more)
			}
			if i == 6 {
				state, err = source.Snapshot(1)
				must(t, err)
			}
		}
		if _, more, _ := source.Next(); more {
			t.Error("there is no end")
		}
		restored := operator(t, env, job.SourceUID, state).(job.Input)
		if record, _, _ := restored.Next(); record.Index != 7 {
			t.Errorf("want to go on at 7, got %d", record.Index)
		}
	})
}

func TestSourceRefusesTheStateOfAnotherInput(t *testing.T) {
	inTask(t, func(env environment.Environment) {
		for _, elements := range [][]string{
			{`{"split":0,"next":3}`}, {`{"split":1,"next":11}`}, {`{"split":1,"next":-1}`}, {`{"split":1,"next":3}`, `{"split":3,"next":0}`}, {}, {`{`},
		} {
			state := job.State{}
			for _, element := range elements {
				state = append(state, []byte(element))
			}
			source, err := job.NewOperator(env, valid(), job.SourceUID, 1)
			must(t, err)
			if err := source.Open(state); err == nil {
				t.Errorf("%s was accepted by subtask 1 of 2, with 2 splits of 10 records", state)
			}
		}
	})
}

func TestSourceFailsWhenAskedTo(t *testing.T) {
	inTask(t, func(env environment.Environment) {
		source := operator(t, env, job.SourceUID, nil).(job.Input)
		_, _, err := source.Next()
		must(t, err)
		must(t, filesystem.WriteFile(env.Files(), "/jobs/fail", nil))
		if _, _, err := source.Next(); err == nil || err.Error() != "asked to fail by /jobs/fail" {
			t.Errorf("got %v", err)
		}
	})
}

func TestCounterCountsAndSumsPerKeyAcrossARestore(t *testing.T) {
	inTask(t, func(env environment.Environment) {
		counter := operator(t, env, job.CounterUID, nil)
		var out []string
		emit := func(r job.Record) error {
			out = append(out, fmt.Sprint(r.Key, r.Count, r.Sum))
			return nil
		}
		must(t, counter.Process(job.Record{Key: 1, Value: 5}, emit))
		must(t, counter.Process(job.Record{Key: 2, Value: 7}, emit))
		state, err := counter.Snapshot(1)
		must(t, err)
		restored := operator(t, env, job.CounterUID, state)
		must(t, restored.Process(job.Record{Key: 1, Value: 6}, emit))
		if got := fmt.Sprint(out); got != "[1 1 5 2 1 7 1 2 11]" {
			t.Errorf("got %s", got)
		}
	})
}

// Whatever a crash splits, the lines of a completed checkpoint are committed, and
// those of no other.
func TestSinkCommitsWithTheCheckpoint(t *testing.T) {
	files := inTask(t, func(env environment.Environment) {
		sink := operator(t, env, job.SinkUID, nil)
		var states []job.State
		for checkpoint := range int64(4) {
			must(t, sink.Process(job.Record{Index: checkpoint}, nil))
			state, err := sink.Snapshot(checkpoint + 1)
			must(t, err)
			states = append(states, state)
		}
		must(t, sink.Commit(2)) // and with it 1, whose notification was lost

		restored := operator(t, env, job.SinkUID, states[2]) // from checkpoint 3
		state, err := restored.Snapshot(5)                   // nothing came since
		must(t, err)
		again := operator(t, env, job.SinkUID, state)
		must(t, again.Commit(5))
	})
	committed, err := files.List("/jobs/committed")
	must(t, err)
	var names []string
	for _, e := range committed {
		names = append(names, e.Name[:len("part-1-1")])
	}
	if got := fmt.Sprint(names); got != "[part-1-1 part-1-2 part-1-3]" {
		t.Errorf("got %s", got)
	}
}

func TestSinkDoesNotPassOverALostFile(t *testing.T) {
	inTask(t, func(env environment.Environment) {
		sink := operator(t, env, job.SinkUID, nil)
		must(t, sink.Process(job.Record{}, nil))
		state, err := sink.Snapshot(1)
		must(t, err)
		pending, err := env.Files().List("/jobs/pending")
		must(t, err)
		must(t, env.Files().Remove(path.Join("/jobs/pending", pending[0].Name)))
		restored, err := job.NewOperator(env, valid(), job.SinkUID, 1)
		must(t, err)
		if err := restored.Open(state); err == nil {
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

func ExampleRoute() {
	fmt.Println(job.Route(job.Record{Key: 42}, 4))
	// Output: 0
}
