package protocol

// Events in the engine's log, for programs that watch the engine. Each comment names the fields of
// the log record that the event sets. Events of a job also set the field job.
const (
	EventTaskManager         = "taskmanager"          // sets task, which is the TaskManager, and status: registered or lost
	EventJob                 = "job"                  // sets status and error
	EventRestored            = "restored"             // sets checkpoint, path, and status, which is the attempt
	EventSubtaskRestored     = "subtask restored"     // sets task, which is the subtask, status, which is the attempt, and path, which is the checkpoint's directory or empty
	EventCheckpointTriggered = "checkpoint triggered" // sets checkpoint, and status: savepoint if it is one
	EventCheckpointCompleted = "checkpoint completed" // sets checkpoint and path
	EventCheckpointAborted   = "checkpoint aborted"   // sets checkpoint, error, and status, which is Flink's name of the reason
	EventSavepointCompleted  = "savepoint completed"  // sets checkpoint and path
	EventDiscarded           = "discarded"            // sets checkpoint, path and error
	EventSwept               = "swept"                // sets task, which is the TaskManager that came back, and error
	EventLeader              = "leader"               // sets status: elected, deposed or cannot recover; and error
	EventListening           = "listening"            // sets path, which is the host:port at which the process listens
)
