// Package environment is the small interface that the reference engine runs on:
// time, messages, tasks, storage and chance.
//
// Engine code is straight-line blocking Go against it and nothing else. It starts
// no goroutine, reads no clock and opens no socket, so the same code runs in the
// simulator, where one seed decides everything, and in real processes that can be
// killed for real.
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

// Forever is a wait without an end.
const Forever time.Duration = math.MaxInt64

// Address names a task in a process. In the live runtime a process is its
// host:port, in the simulator a name.
type Address struct {
	Process string
	Task    string
}

func (a Address) String() string { return a.Process + "/" + a.Task }

// Message is what tasks send each other: a value that nobody changes once it was
// sent.
type Message any

// Unreachable is the message that a process that was watched cannot be reached: it is
// dead, or the way to it is.
type Unreachable struct{ Process string }

// Envelope is a message and who sent it.
type Envelope struct {
	From    Address
	Message Message
}

// Environment is what one task may know of the world. It belongs to that task
// alone.
//
// When the task's process is killed, the call in progress never returns and
// nothing that comes after it runs.
type Environment interface {
	// Self is the address of this task.
	Self() Address

	// Now is the time since some fixed moment. It never goes back.
	Now() time.Duration

	// Sleep returns after d. Messages that arrive meanwhile wait.
	Sleep(d time.Duration)

	// Send sends without waiting. Messages from one task to another arrive in the
	// order sent, at most once. There is NO guarantee that a message arrives: its
	// receiver, or the way to it, may be gone, and the sender is not told.
	Send(to Address, message Message)

	// Receive returns the next message to this task, or false if none came within
	// the wait. A wait of 0 polls; [Forever] is allowed.
	Receive(wait time.Duration) (Envelope, bool)

	// Spawn starts another task in this process. A name can be used again once
	// the task that had it has returned.
	Spawn(task string, body func(Environment)) Address

	// Watch has this task told, by [Unreachable], when the connection to another process
	// breaks. A process that only stands still is not unreachable.
	Watch(process string)

	// Files is the storage that all processes share.
	Files() filesystem.FileSystem

	// Store is the highly available store that all JobManagers share; nil if there is
	// none.
	Store() Store

	// Rand is this task's source of chance.
	Rand() *rand.Rand

	// Log tells the world outside what happened.
	Log(Record)
}

// Record is one line of an engine's log, for people and for programs that watch.
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

// NewID returns 32 random hexadecimal digits: the id of a job, or a file name
// that nobody else uses.
func NewID(env Environment) string {
	return fmt.Sprintf("%016x%016x", env.Rand().Uint64(), env.Rand().Uint64())
}
