package faults_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/faults"
)

func TestEveryFaultPrintsAndParsesBack(t *testing.T) {
	later := faults.Fault{Action: faults.Kill, Process: faults.JobManager, After: 130 * time.Millisecond}
	for _, fault := range append(faults.Catalogue(), later) {
		parsed, err := faults.Parse(fault.String())
		if err != nil || parsed != fault {
			t.Errorf("%s: parsed as %v, %v", fault, parsed, err)
		}
	}
}

func TestSpacesDoNotMatter(t *testing.T) {
	parsed, err := faults.Parse("( Kill  taskmanager(During\n checkpoint ) )")
	if err != nil || parsed.When != faults.DuringCheckpoint {
		t.Errorf("got %v, %v", parsed, err)
	}
}

func TestUnknownFaultsAreNamedWithTheKnown(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "fault: want one of (Kill taskmanager), (Kill taskmanager (During checkpoint)), ",
		"(Kill)":                            "fault: want one of",
		"(Kill all)":                        "fault: want one of",
		"(Kill taskmanager (During lunch))": "fault: want one of",
		"Kill taskmanager":                  "fault: want one of",
		"(Kill taskmanager (After soon))":   "fault: After: want a time such as 130ms",
		"(Kill taskmanager (After -1s))":    "fault: After: want a time such as 130ms",
	} {
		if _, err := faults.Parse(text); err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), fmt.Sprintf("got %q", text)) {
			t.Errorf("%q: want %s, got %v", text, want, err)
		}
	}
}

func ExampleParse() {
	fault, _ := faults.Parse("(Kill taskmanager (During checkpoint))")
	fmt.Println(fault.Action, fault.Process)
	// Output: Kill taskmanager
}
