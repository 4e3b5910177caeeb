package harness_test

import (
	"errors"
	"fmt"

	"github.com/snapback/snapback/harness"
)

func ExampleUsagef() {
	err := harness.Usagef("--parallel: want 1 or more, got %d", -1)
	var usage *harness.UsageError
	fmt.Println(errors.As(err, &usage), err)
	// Output: true --parallel: want 1 or more, got -1
}
