// Package environment is the small interface on which the reference engine runs: time, messages,
// tasks, storage and random numbers.
//
// Engine code is straight-line, blocking Go that uses nothing else. It starts no goroutine, reads
// no clock and opens no socket. So the same code runs in the simulation, where one seed decides
// everything, and in real processes that can be killed.
//
// Start with [Environment].
package environment

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/snapback/snapback/storage/filesystem"
)

// Forever is a wait that never ends.
const Forever time.Duration = math.MaxInt64

// Address names a task in a process. In the live runtime the name of a process is its host:port.
type Address struct {
	Process string
	Task    string
}

func (a Address) String() string { return a.Process + "/" + a.Task }

// Message is a value that one task sends to another. After it was sent, nobody may change the
// value.
type Message any

// Unreachable says that a watched process cannot be reached. The process may be dead, or only the
// connection to the process may be broken.
type Unreachable struct{ Process string }

// Envelope is a message with its sender.
type Envelope struct {
	From    Address
	Message Message
}

// Environment is everything that a task may use of the outside world. Only this task may call the
// methods.
//
// When the task's process is killed, the call in progress never returns, so no later code of the
// task runs.
type Environment interface {
	// Self returns the address of this task.
	Self() Address

	// Now returns the time since some fixed moment. It never decreases.
	Now() time.Duration

	// Sleep returns after the time d. Messages that arrive during this time stay in the inbox.
	Sleep(d time.Duration)

	// Send sends a message and does not wait. Messages from one task to another arrive in the
	// order in which they were sent, at most once. There is NO guarantee that a message arrives:
	// the receiver or the connection may be gone, and the sender does not learn it.
	Send(to Address, message Message)

	// Receive returns the next message to this task, or false if no message arrives within the time
	// `wait`. If this time is 0, Receive returns at once. It may be [Forever].
	Receive(wait time.Duration) (Envelope, bool)

	// Spawn starts another task in this process. A name may be used again when the earlier task
	// of that name has returned.
	Spawn(task string, body func(Environment)) Address

	// Watch makes this task receive [Unreachable] when the connection to another process breaks. If
	// a process only stands still, the connection to it does not break.
	Watch(process string)

	// Files returns the storage that all processes share.
	Files() filesystem.FileSystem

	// Store returns the highly available store that all JobManagers share, or nil if there is
	// none.
	Store() Store

	// Rand returns this task's source of random numbers.
	Rand() *rand.Rand

	// Log reports an event to the outside world.
	Log(Record)
}

// Record is one line of the engine's log. People read it, and so do programs that watch the engine.
// Fields that do not apply are empty.
type Record struct {
	Event      string `json:"event"`
	Job        string `json:"job,omitempty"`
	Checkpoint int64  `json:"checkpoint,omitempty"`
	Task       string `json:"task,omitempty"`
	Status     string `json:"status,omitempty"`
	Path       string `json:"path,omitempty"`
	Error      string `json:"error,omitempty"`
}

// NewID returns 32 random hexadecimal digits, for the id of a job or a unique file name.
func NewID(env Environment) string {
	return fmt.Sprintf("%016x%016x", env.Rand().Uint64(), env.Rand().Uint64())
}
