package flink

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// A cluster that has just started says for a moment that it has no leader.
func TestAnUploadWaitsForALeader(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"errors":["Service temporarily unavailable due to an ongoing leader election."]}`))
			return
		}
		if _, _, err := r.FormFile("jarfile"); err != nil {
			t.Errorf("the repeated request has no jar: %v", err)
		}
		_, _ = w.Write([]byte(`{"filename":"/tmp/job.jar"}`))
	}))
	defer server.Close()
	jar := filepath.Join(t.TempDir(), "job.jar")
	if err := os.WriteFile(jar, []byte("jar"), 0o600); err != nil {
		t.Fatal(err)
	}
	id, err := newREST(server.URL).upload(context.Background(), jar)
	if err != nil || id != "job.jar" || asked != 3 {
		t.Errorf("got %q after %d requests, %v", id, asked, err)
	}
}

// A submission may come just before the Dispatcher of a new leader is reachable.
func TestASubmissionWaitsForALeader(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"errors":["Could not execute application.\n\tat a.b(C.java:1)\nCaused by: org.apache.flink.runtime.rpc.exceptions.RecipientUnreachableException: Could not send message"]}`))
			return
		}
		_, _ = w.Write([]byte(`{"jobid":"a"}`))
	}))
	defer server.Close()
	var answer struct{ JobID string }
	err := newREST(server.URL).call(context.Background(), http.MethodPost, "/jars/x/run", nil, &answer)
	if err != nil || answer.JobID != "a" || asked != 3 {
		t.Errorf("got %q after %d requests, %v", answer.JobID, asked, err)
	}
}

func TestFlinksWordsForASubtaskThatFinishes(t *testing.T) {
	for text, want := range map[string]bool{
		"CheckpointException: Task name with subtask : Source: control (1/1)#0 Failure reason: Checkpoint was declined (task is closing)": true,
		"org.apache.flink.runtime.checkpoint.CheckpointException: Task local checkpoint failure.":                                         true,
		"FinishedTaskStateProvider$PartialFinishingNotSupportedByStateException: The vertex has used UnionListState":                      true,
		"CheckpointException: Failure reason: Not all required tasks are currently running.":                                              false,
		"CheckpointException: Checkpoint expired before completing.":                                                                      false,
	} {
		if got := finishing.MatchString(text); got != want {
			t.Errorf("%q: want a subtask that finishes: %t, got %t", text, want, got)
		}
	}
}
