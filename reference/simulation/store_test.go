package simulation_test

import (
	"errors"
	"testing"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/environment/environmenttest"
	"github.com/snapback/snapback/reference/simulation"
	"github.com/snapback/snapback/storage/filesystem"
)

// inStore runs a test as a task of a world with a highly available store.
func inStore(t *testing.T, body func(*simulation.World, environment.Environment)) {
	t.Helper()
	world := simulation.New(1, filesystem.NewMemory(), nil)
	world.AddStore(0)
	done := false
	world.Start("process", func(env environment.Environment) {
		body(world, env)
		done = true
	})
	for world.Step() {
		continue
	}
	if !done {
		t.Error("the task did not come to its end")
	}
}

func TestTheStoreDoesWhatAStoreMust(t *testing.T) {
	inStore(t, func(_ *simulation.World, env environment.Environment) {
		if err := environmenttest.Check(env.Store(), env.Sleep); err != nil {
			t.Error(err)
		}
	})
}

// If the answer to a write is lost, the write itself is sometimes done, and sometimes not.
func TestLostAnswersTellNothing(t *testing.T) {
	done := 0
	inStore(t, func(world *simulation.World, env environment.Environment) {
		term, err := env.Store().Campaign("process", time.Hour)
		if err != nil {
			t.Error(err)
		}
		for i := range 20 {
			world.LoseAnswers(1)
			key := string(rune('a' + i))
			if err := env.Store().Put(term, key, 0, []byte("x")); !errors.Is(err, environment.ErrUnknown) {
				t.Errorf("got %v", err)
			}
			if _, revision, _ := env.Store().Get(key); revision > 0 {
				done++
			}
		}
	})
	if done < 3 || done > 17 {
		t.Errorf("%d of 20 were done", done)
	}
}

// The events of a paused process wait until the process continues. A task that watches the process
// is not told of the pause. It is only told when the process is killed.
func TestAPausedProcessGoesOn(t *testing.T) {
	world := simulation.New(1, filesystem.NewMemory(), nil)
	var heard []time.Duration
	unreachable := 0
	world.Start("paused", func(env environment.Environment) {
		for {
			env.Sleep(time.Second)
			heard = append(heard, env.Now())
		}
	})
	world.Start("watcher", func(env environment.Environment) {
		env.Watch("paused")
		for {
			if envelope, ok := env.Receive(time.Second); ok {
				if _, is := envelope.Message.(environment.Unreachable); is {
					unreachable++
				}
			}
		}
	})
	until := func(at time.Duration) {
		for world.Now() < at {
			world.Step()
		}
	}
	until(1500 * time.Millisecond)
	world.Pause("paused")
	before := len(heard)
	until(10 * time.Second)
	if len(heard) != before || unreachable != 0 {
		t.Errorf("while it stands still: %v, %d times unreachable", heard, unreachable)
	}
	world.Resume("paused")
	until(11 * time.Second)
	if len(heard) == before || heard[before] < 10*time.Second {
		t.Errorf("when it goes on: %v", heard)
	}
	world.Kill("paused")
	until(13 * time.Second)
	if unreachable != 1 {
		t.Errorf("want to be told once of its death, got %d", unreachable)
	}
}
