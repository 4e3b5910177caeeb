package faults_test

import (
	"fmt"
	"testing"

	"github.com/snapback/snapback/faults"
)

func TestEveryFaultPrintsAndParsesBack(t *testing.T) {
	for _, fault := range faults.Catalogue() {
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
	for _, text := range []string{"", "(Kill)", "(Kill jobmanager)", "(Kill taskmanager (During lunch))", "Kill taskmanager"} {
		_, err := faults.Parse(text)
		want := fmt.Sprintf("fault: want one of (Kill taskmanager), (Kill taskmanager (During checkpoint)), got %q", text)
		if err == nil || err.Error() != want {
			t.Errorf("%q: want %s, got %v", text, want, err)
		}
	}
}

func ExampleParse() {
	fault, _ := faults.Parse("(Kill taskmanager (During checkpoint))")
	fmt.Println(fault.Action, fault.Process)
	// Output: Kill taskmanager
}
