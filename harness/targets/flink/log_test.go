package flink

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/snapback/snapback/harness/history"
)

// The logs in testdata are excerpts of logs that real JobManagers wrote. Each file has the name of
// its scenario. The excerpts have only the lines of the Java classes whose lines a watcher reads,
// and shorten paths.
func TestLogsAreReadAlikeInAllReleases(t *testing.T) {
	begins := []string{
		"job-1 RUNNING", "job-1 triggered 1", "job-1 completed 1", "job-1 triggered 2", "job-1 completed 2", "job-1 triggered 3",
	}
	restarts := []string{
		"job-1 RESTARTING", "job-1 aborted 3", "job-1 restored 2", "job-1 RUNNING", "job-1 triggered 4", "job-1 completed 4",
	}
	resumes := []string{
		"job-1 CANCELLING", "job-1 aborted 3", "job-1 CANCELED",
		"job-2 restored 2", "job-2 RUNNING", "job-2 triggered 3", "job-2 completed 3",
	}
	for _, c := range []struct {
		scenario string
		ends     []string
		releases []string
	}{
		{"kill-taskmanager-mid-checkpoint", restarts, []string{"1.18.1", "1.20.5", "2.0.2", "2.3.0"}},
		{"kill-cancel-resume", resumes, []string{"1.16.3", "1.18.1", "1.20.5", "2.0.2", "2.3.0"}},
	} {
		for _, release := range c.releases {
			events, registered := readLog(t, c.scenario+"-"+release+".log")
			// Flink logs these two events in different threads, so either may come first.
			if at := slices.Index(events, "job-1 aborted 3"); events[at+1] == "job-1 RESTARTING" {
				events[at], events[at+1] = events[at+1], events[at]
			}
			if want := slices.Concat(begins, c.ends); !slices.Equal(events, want) {
				t.Errorf("%s of %s:\nwant %q\ngot  %q", c.scenario, release, want, events)
			}
			if !slices.Equal(registered, []string{"taskmanager-1", "taskmanager-2", "taskmanager-3"}) {
				t.Errorf("%s of %s: registered %q", c.scenario, release, registered)
			}
		}
	}
}

// The adaptive scheduler cancels an execution graph and makes a new one if it restarts or rescales a
// job. The job has not ended then.
func TestTheAdaptiveSchedulerEndsExecutionGraphsAndNotTheJob(t *testing.T) {
	begins := []string{
		"job-1 RUNNING", "job-1 triggered 1", "job-1 completed 1", "job-1 triggered 2", "job-1 completed 2", "job-1 triggered 3",
		"job-1 aborted 3", "job-1 RESTARTING", "job-1 restored 2", "job-1 RUNNING",
	}
	for name, ends := range map[string][]string{
		"adaptive-cancel-2.3.0.log": {"job-1 triggered 4", "job-1 completed 4", "job-1 CANCELED"},
		"adaptive-rescale-2.3.0.log": {
			"job-1 triggered 4", "job-1 completed 4", "job-1 triggered 5", "job-1 completed 5", "job-1 triggered 6",
			"job-1 completed 6", "job-1 triggered 7", "job-1 completed 7", "job-1 triggered 8", "job-1 completed 8",
			"job-1 RESTARTING", "job-1 restored 8", "job-1 RUNNING", "job-1 triggered 9", "job-1 completed 9", "job-1 FINISHED",
		},
	} {
		events, _ := readLog(t, name)
		// Flink may say more than once that it aborted a checkpoint.
		if got, want := slices.Compact(events), slices.Concat(begins, ends); !slices.Equal(got, want) {
			t.Errorf("%s:\nwant %q\ngot  %q", name, want, got)
		}
	}
}

// The adaptive scheduler accepts a job, and then reads the checkpoint, which may be damaged. Such a job
// has no execution graph.
func TestTheAdaptiveSchedulerRefusesLate(t *testing.T) {
	events, _ := readLog(t, "adaptive-refused-2.3.0.log")
	if want := []string{"job-1 FAILED"}; !slices.Equal(events, want) {
		t.Errorf("want %q, got %q", want, events)
	}
}

// readLog returns the events that a watcher sees in a log, and the TaskManagers that registered.
func readLog(t *testing.T, name string) (events, registered []string) {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // nothing was written to it
	w := newWatcher(nil)
	jobs := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		e, ok := w.read(lines.Text())
		if !ok {
			continue
		}
		if jobs[e.ID] == "" {
			jobs[e.ID] = fmt.Sprintf("job-%d", len(jobs)+1)
		}
		events = append(events, describe(e, jobs[e.ID]))
	}
	return events, slices.Sorted(maps.Keys(w.registered))
}

func describe(e history.Event, job string) string {
	if e.Kind == history.Status {
		return fmt.Sprintf("%s %s", job, e.Status)
	}
	return fmt.Sprintf("%s %s %d", job, e.Kind, e.Checkpoint)
}

func TestTheGistOfAStackTraceIsItsCauses(t *testing.T) {
	trace := "org.x.RestException: no\n\tat org.x.Y(Y.java:1)\nCaused by: java.util.Z: first\n\t... 9 more\n  Caused by: java.io.W: last\n"
	if got := causes(trace); got != "java.util.Z: first; java.io.W: last" {
		t.Errorf("got %s", got)
	}
	if got := causes("  nothing more\n"); got != "nothing more" {
		t.Errorf("got %s", got)
	}
	if got := errorText([]byte(`{"errors":["Internal server error.","<Exception>\nCaused by: because\n>"]}`)); got != "because" {
		t.Errorf("got %s", got)
	}
}

func ExampleConnect() {
	_, err := Connect(context.Background(), "localhost:8081", func(string) {})
	fmt.Println(err)
	// Output: --rest: want a URL such as http://localhost:8081, got "localhost:8081"
}
