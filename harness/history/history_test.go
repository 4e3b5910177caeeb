package history_test

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/history"
)

func recorded(t *testing.T, w io.Writer) *history.Recorder {
	t.Helper()
	r, err := history.NewRecorder(w, history.Header{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range []history.Event{
		{Kind: history.Submit, Job: "first"},
		{Kind: history.Accepted, Job: "first", ID: "a"},
		{Kind: history.Triggered, ID: "a", Checkpoint: 1},
		{Kind: history.Completed, ID: "a", Checkpoint: 1},
		{Kind: history.Triggered, ID: "a", Checkpoint: 2},
		{Kind: history.Aborted, ID: "a", Checkpoint: 2},
		{Kind: history.Submit, Job: "second", From: "first", Checkpoint: 1},
		{Kind: history.Refused, Job: "second", Error: "no"},
		{Kind: history.Submit, Job: "third", From: "first", Checkpoint: 1},
		{Kind: history.Accepted, Job: "third", ID: "c"},
	} {
		if err := r.Record(time.Duration(i)*time.Millisecond, e); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestWhatWasWrittenCanBeRead(t *testing.T) {
	var file bytes.Buffer
	written := recorded(t, &file).History
	read, err := history.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&written, read) {
		t.Errorf("wrote %+v\nread  %+v", written, read)
	}
}

func TestWhatIsNoHistoryIsRefusedByLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "read history: want a header, got nothing",
		"x\n":                "line 1: ",
		`{"schema":"other"}`: `line 1: want schema "snapback/history/1", got "other"`,
		`{"schema":"snapback/history/1"}` + "\n{}\nx": "line 3: ",
	} {
		_, err := history.Read(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "%!") {
			t.Errorf("%q: want %s, got %v", text, want, err)
		}
	}
}

func TestViews(t *testing.T) {
	h := recorded(t, io.Discard)
	var jobs []string
	for _, j := range h.Jobs() {
		jobs = append(jobs, fmt.Sprint(j.Name, j.ID, j.From, j.Refused))
	}
	if got := fmt.Sprint(jobs); got != "[firstafalse secondfirsttrue thirdcfirstfalse]" {
		t.Errorf("jobs: %s", got)
	}
	third, _ := h.Job("third")
	if lineage := h.Lineage(third); len(lineage) != 2 || lineage[0].Name != "first" {
		t.Errorf("lineage: %+v", lineage)
	}
	if completed := h.Completed("a", h.End()); fmt.Sprint(completed) != "[1]" {
		t.Errorf("completed: %v", completed)
	}
	for before, want := range map[int]string{3: "0 false", 4: "1 true", 5: "1 false", 6: "2 true", 7: "2 false"} {
		_, checkpoint, ok := h.InProgress(before)
		if got := fmt.Sprint(checkpoint, ok); got != want {
			t.Errorf("in progress before event %d: want %s, got %s", before, want, got)
		}
	}
}

func ExampleRecorder() {
	var file bytes.Buffer
	r, _ := history.NewRecorder(&file, history.Header{Seed: 7})
	_ = r.Record(time.Millisecond, history.Event{Kind: history.Fault, Process: "taskmanager-1"})
	h, _ := history.Read(&file)
	fmt.Println(h.Header.Seed, h.Events[0].Kind, h.Events[0].At())
	// Output: 7 fault 1ms
}
