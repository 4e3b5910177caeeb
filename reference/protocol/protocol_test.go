package protocol_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/snapback/snapback/reference/protocol"
)

func TestEachMessageIsListedOnce(t *testing.T) {
	seen := map[reflect.Type]bool{}
	for _, message := range protocol.Messages() {
		if seen[reflect.TypeOf(message)] {
			t.Errorf("%T is listed twice", message)
		}
		seen[reflect.TypeOf(message)] = true
	}
}

func ExampleSubtask() {
	fmt.Println(protocol.Subtask{UID: "counter", Index: 1})
	// Output: counter-1
}
