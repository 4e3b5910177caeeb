package environment_test

import (
	"fmt"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/simulation"
	"github.com/snapback/snapback/storage/filesystem"
)

func ExampleNewID() {
	world := simulation.New(1, filesystem.NewMemory(), nil)
	world.Start("process", func(env environment.Environment) {
		fmt.Println(env.Self(), len(environment.NewID(env)))
	})
	world.Step()
	// Output: process/process 32
}
