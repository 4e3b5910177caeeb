package simulation_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/simulation"
	"github.com/snapback/snapback/storage/filesystem"
)

func ignore(time.Duration, environment.Address, environment.Record) {}

func run(world *simulation.World) {
	for world.Step() {
		continue
	}
}

func TestMessagesOfOneLinkArriveInOrderAndTimeIsVirtual(t *testing.T) {
	for seed := range uint64(50) {
		world := simulation.New(seed, filesystem.NewMemory(), ignore)
		var got []int
		world.Start("receiver", func(env environment.Environment) {
			for range 100 {
				envelope, _ := env.Receive(environment.Forever)
				got = append(got, envelope.Message.(int))
			}
			env.Sleep(time.Hour)
		})
		world.Start("sender", func(env environment.Environment) {
			for i := range 100 {
				env.Send(environment.Address{Process: "receiver", Task: "receiver"}, i)
			}
		})
		run(world)
		if !slices.IsSorted(got) || len(got) != 100 || world.Now() < time.Hour {
			t.Fatalf("seed %d: after %s got %v", seed, world.Now(), got)
		}
	}
}

func TestChanceInterleavesSenders(t *testing.T) {
	orders := map[string]bool{}
	for seed := range uint64(500) {
		world := simulation.New(seed, filesystem.NewMemory(), ignore)
		var got string
		world.Start("receiver", func(env environment.Environment) {
			for range 4 {
				envelope, _ := env.Receive(environment.Forever)
				got += envelope.Message.(string)
			}
		})
		for _, name := range []string{"a", "b"} {
			world.Start(name, func(env environment.Environment) {
				for range 2 {
					env.Send(environment.Address{Process: "receiver", Task: "receiver"}, name)
				}
			})
		}
		run(world)
		orders[got] = true
	}
	if len(orders) != 6 { // the number of interleavings of aa and bb
		t.Errorf("500 seeds gave the orders %v", orders)
	}
}

func TestReceiveWaitsNoLongerThanTold(t *testing.T) {
	world := simulation.New(1, filesystem.NewMemory(), ignore)
	world.Start("p", func(env environment.Environment) {
		if _, ok := env.Receive(0); ok || env.Now() != 0 {
			t.Error("a poll waited or found something")
		}
		if _, ok := env.Receive(time.Second); ok || env.Now() != time.Second {
			t.Errorf("want to give up at 1s, did at %s", env.Now())
		}
		env.Send(env.Self(), "a")
		env.Sleep(time.Second)
		before := env.Now()
		if envelope, ok := env.Receive(time.Second); !ok || envelope.Message != "a" || env.Now() != before {
			t.Error("a message that had come while asleep was not there at once")
		}
	})
	run(world)
}

// A process that is killed between any two events does nothing more. It writes, logs and sends
// nothing, not even in deferred code.
func TestAKilledProcessStopsWhereItIs(t *testing.T) {
	life := func(env environment.Environment) {
		defer func() { env.Log(environment.Record{Event: "deferred"}) }()
		for i := range 20 {
			name := fmt.Sprintf("/%02d", i)
			file, err := env.Files().Create(name)
			if err != nil {
				t.Error(err)
			}
			_, _ = file.Write([]byte("x"))
			_ = file.Close()
			env.Log(environment.Record{Event: "wrote", Path: name})
		}
	}
	for kill := range 61 {
		files := filesystem.NewMemory()
		logged := 0
		world := simulation.New(1, files, func(time.Duration, environment.Address, environment.Record) { logged++ })
		world.Start("p", life)
		for range kill {
			world.Step()
		}
		before := logged
		held, _ := files.List("/")
		world.Kill("p")
		run(world)
		after, _ := files.List("/")
		if logged != before || len(after) != len(held) {
			t.Errorf("killed after %d events: went on to log %d, write %d", kill, logged-before, len(after)-len(held))
		}
		if want := min(20, (kill+1)/3); len(after) != want {
			t.Errorf("killed after %d events: want %d files, got %d", kill, want, len(after))
		}
	}
}

func TestMessagesToTheDeadAreLost(t *testing.T) {
	world := simulation.New(1, filesystem.NewMemory(), ignore)
	world.Start("sender", func(env environment.Environment) {
		env.Send(environment.Address{Process: "nobody", Task: "nobody"}, "a")
	})
	run(world)
	world.Start("sender", func(environment.Environment) {}) // its name may be used again
	run(world)
}

func Example() {
	world := simulation.New(42, filesystem.NewMemory(), func(at time.Duration, from environment.Address, r environment.Record) {
		fmt.Println(at, from, r.Event)
	})
	world.Start("clock", func(env environment.Environment) {
		env.Sleep(time.Minute)
		env.Log(environment.Record{Event: "tick"})
	})
	for world.Step() {
		continue
	}
	// Output: 1m0s clock/clock tick
}

func BenchmarkMessages(b *testing.B) {
	world := simulation.New(1, filesystem.NewMemory(), ignore)
	world.Start("a", func(env environment.Environment) {
		for {
			env.Send(environment.Address{Process: "b", Task: "b"}, 1)
			env.Receive(environment.Forever)
		}
	})
	world.Start("b", func(env environment.Environment) {
		for {
			env.Receive(environment.Forever)
			env.Send(environment.Address{Process: "a", Task: "a"}, 1)
		}
	})
	for b.Loop() {
		world.Step()
	}
}
