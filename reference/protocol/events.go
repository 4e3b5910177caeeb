package protocol

// Events in the engine's log, for programs that watch the engine. The comments name the fields of
// the log record that each event sets.
const (
	EventTaskManager         = "taskmanager"          // status: registered or lost
	EventJob                 = "job"                  // status, error
	EventRestored            = "restored"             // checkpoint, path
	EventCheckpointTriggered = "checkpoint triggered" // checkpoint
	EventCheckpointCompleted = "checkpoint completed" // checkpoint, path
	EventCheckpointAborted   = "checkpoint aborted"   // checkpoint, error
	EventSavepointCompleted  = "savepoint completed"  // checkpoint, path
	EventDiscarded           = "discarded"            // checkpoint, path, error
	EventSwept               = "swept"                // task: the TaskManager that came back; error
	EventLeader              = "leader"               // status: elected or deposed
	EventListening           = "listening"            // path: the host:port at which the process listens
)
