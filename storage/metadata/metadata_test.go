package metadata_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/snapback/snapback/storage/metadata"
)

var sample = metadata.Checkpoint{ID: 7, Workload: "counts", Operators: []metadata.Operator{{
	UID: "counter", Parallelism: 2, Subtasks: []metadata.Subtask{
		{Index: 0, State: metadata.Handle{File: "a", Size: 10}},
		{Index: 1, State: metadata.Handle{File: "b", Size: 0}},
	},
}}}

func TestRoundTrip(t *testing.T) {
	data, err := metadata.Encode(sample)
	if err != nil {
		t.Fatal(err)
	}
	read, err := metadata.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(sample, read) {
		t.Errorf("want %+v, got %+v", sample, read)
	}
}

// A torn file is never taken for a whole one.
func TestEveryTruncationIsRefused(t *testing.T) {
	data, err := metadata.Encode(sample)
	if err != nil {
		t.Fatal(err)
	}
	whole := len(strings.TrimRight(string(data), "\n"))
	for n := range whole {
		if _, err := metadata.Decode(data[:n]); err == nil {
			t.Errorf("%d of %d bytes were accepted", n, whole)
		}
	}
}

func TestRefusals(t *testing.T) {
	for wanted, text := range map[string]string{
		`want format "snapback/metadata/0", got "other"`:                  `{"format":"other"}`,
		`checkpointId: want 1 or more, got 0`:                             `{"format":"snapback/metadata/0"}`,
		`operator "o": want 2 subtasks, got 0`:                            `{"format":"snapback/metadata/0","checkpointId":1,"operators":[{"uid":"o","parallelism":2}]}`,
		`operator "o": want subtask 0, got 3`:                             `{"format":"snapback/metadata/0","checkpointId":1,"operators":[{"uid":"o","parallelism":1,"subtasks":[{"index":3}]}]}`,
		`subtask 0: want the name of a file beside _metadata, got "../x"`: `{"format":"snapback/metadata/0","checkpointId":1,"operators":[{"uid":"o","parallelism":1,"subtasks":[{"index":0,"state":{"file":"../x"}}]}]}`,
		`decode _metadata at offset 0 of 0: EOF`:                          ``,
		`unknown field "checkpoint"`:                                      `{"format":"snapback/metadata/0","checkpoint":1}`,
	} {
		if _, err := metadata.Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), wanted) {
			t.Errorf("want an error with %q, got %v", wanted, err)
		}
	}
}

func Example() {
	data, _ := metadata.Encode(sample)
	read, _ := metadata.Decode(data)
	fmt.Println(read.ID, read.Files())
	// Output: 7 [{a 10} {b 0}]
}
