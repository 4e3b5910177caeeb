package protocol

import "time"

// Messages of a TaskManager to the JobManager.
type (
	// Register offers the slots of a TaskManager. Ran lists the jobs whose subtasks ran on the
	// TaskManager since it registered last.
	Register struct {
		Slots int
		Ran   []string
	}
)

// Messages of the JobManager to a TaskManager.
type (
	// Registered accepts the slots. If two JobManagers send Registered, the TaskManager listens to
	// the JobManager with the later term.
	Registered struct{ Term int64 }

	// Forgotten tells a TaskManager that the JobManager does not know it any more. The TaskManager
	// must register again.
	Forgotten struct{}
)

// Heartbeat asks a TaskManager whether it is alive. The TaskManager answers with a Heartbeat.
type Heartbeat struct{ Term int64 }

// Times of the heartbeats.
const (
	HeartbeatInterval = 100 * time.Millisecond // time between two heartbeats to the same TaskManager
	HeartbeatTimeout  = time.Second            // a TaskManager that is silent for longer is lost
)
