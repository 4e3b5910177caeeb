package flink

import (
	"context"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// linesOf returns the lines of a log in testdata.
func linesOf(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

func TestAJobThatRestartsSaysWhy(t *testing.T) {
	w := newWatcher(nil)
	var events []history.Event
	w.observe(linesOf(t, "lost-taskmanager-2.3.0.log"), func(e history.Event) { events = append(events, e) })
	if len(events) != 1 || events[0].Status != storage.Restarting {
		t.Fatalf("want one event, RESTARTING, got %v", events)
	}
	for _, want := range []string{"RemoteTransportException: Lost connection to task manager", "; Caused by: ", "Connection reset by peer"} {
		if !strings.Contains(events[0].Error, want) {
			t.Errorf("want …%s…, got %s", want, events[0].Error)
		}
	}
	if strings.Contains(events[0].Error, "\n") || strings.Contains(events[0].Error, "\tat ") {
		t.Errorf("want one line, without frames, got %s", events[0].Error)
	}
}

// The line that says that a job fails comes before the stack trace, and the line that says that it
// has failed comes after.
func TestAJobThatFailedSaysWhy(t *testing.T) {
	w := newWatcher(nil)
	var why []string
	line := func(text string) string {
		return "2026-11-27T22:08:40.200 INFO  org.apache.flink.runtime.executiongraph.ExecutionGraph - Job snapback counts (9136c19730785a84cb2a130b975d8253) " + text
	}
	w.observe([]string{
		line("switched from state RUNNING to FAILING."),
		"org.apache.flink.runtime.JobException: Recovery is suppressed",
		"\tat org.apache.flink.Some.method(Some.java:1)",
		"Caused by: java.lang.RuntimeException: asked to fail",
		line("switched from state FAILING to FAILED."),
		"org.apache.flink.runtime.JobException: Recovery is suppressed",
	}, func(e history.Event) { why = append(why, e.Error) })
	if want := []string{"", "org.apache.flink.runtime.JobException: Recovery is suppressed; Caused by: java.lang.RuntimeException: asked to fail"}; !slices.Equal(why, want) {
		t.Errorf("want %q, got %q", want, why)
	}
}

// A job may fail while it stops with a savepoint. The savepoint is complete nevertheless.
func TestASavepointOfAJobThatFailedToStopIsTaken(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = w.Write([]byte(`{"request-id":"1"}`))
			return
		}
		_, _ = w.Write([]byte(`{"status":{"id":"COMPLETED"},"operation":{"failure-cause":{"stack-trace":` +
			`"Caused by: StopWithSavepointStoppingException: A savepoint has been created at: file:/savepoints/savepoint-1, but the corresponding job 1 failed to stop."}}}`))
	}))
	defer server.Close()
	c := client{rest: newREST(server.URL), step: func(context.Context) error { return nil }}
	path, err := c.Savepoint(context.Background(), "1", scenarios.Suspend)
	if err != nil || path != "/savepoints/savepoint-1" {
		t.Errorf("want /savepoints/savepoint-1, got %q, %v", path, err)
	}
}

// The savepoints directory holds another savepoint and an aborted one, too.
func TestASavepointIsSeenWithItsPath(t *testing.T) {
	files, root := filesystem.Local{}, t.TempDir()
	for name, number := range map[string]int64{"savepoint-0b1e1f-000000000000": 3, "savepoint-0b1e1f-270c69c93057": 4, "savepoint-ffffff-270c69c93057": 4} {
		data := binary.BigEndian.AppendUint64([]byte{0x49, 0x60, 0x67, 0x2d, 0, 0, 0, 4}, uint64(number))
		dir := filepath.Join(root, savepointsName, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, storage.MetadataName), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, savepointsName, "savepoint-0b1e1f-aborted"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := newWatcher(func(id string, number int64) string { return savepointAt(files, root, id, number) })
	var completed, taken []int64
	var path string
	w.observe(linesOf(t, "stop-with-savepoint-2.3.0.log"), func(e history.Event) {
		switch e.Kind {
		case history.Completed:
			completed = append(completed, e.Checkpoint)
		case history.Savepointed:
			taken, path = append(taken, e.Checkpoint), e.Path
		}
	})
	if !slices.Equal(completed, []int64{1, 2}) || !slices.Equal(taken, []int64{4}) {
		t.Errorf("want checkpoints 1 and 2 and savepoint 4, got %v and %v", completed, taken)
	}
	if want := filepath.Join(root, savepointsName, "savepoint-0b1e1f-270c69c93057"); path != want {
		t.Errorf("want %s, got %s", want, path)
	}
}

// A call with a body is made again with the whole body.
func TestEachCallWaitsForALeader(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"errors":["Service temporarily unavailable due to an ongoing leader election."]}`))
			return
		}
		body := make([]byte, 100)
		n, _ := r.Body.Read(body)
		_, _ = w.Write([]byte(`{"jobid":` + string(body[:n]) + `}`))
	}))
	defer server.Close()
	r, waited := newREST(server.URL), 0
	r.ready = func(context.Context) error {
		waited++
		return nil
	}
	var answer struct{ JobID string }
	if err := r.call(context.Background(), http.MethodPost, "/jars/a/run", "first", &answer); err != nil {
		t.Fatal(err)
	}
	if answer.JobID != "first" || asked != 3 || waited != 3 {
		t.Errorf("got job %q after %d requests and %d waits", answer.JobID, asked, waited)
	}
}
