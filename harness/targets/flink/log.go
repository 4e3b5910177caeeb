package flink

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/storage"
)

// These patterns match lines that the JobManager logs. The lines have the same form in releases
// 1.16 to 2.3.
var (
	triggeredLine  = regexp.MustCompile(`Triggering checkpoint (\d+) \(type=(.*)\) @ \d+ for job ([0-9a-f]{32})\.`)
	completedLine  = regexp.MustCompile(`Completed checkpoint (\d+) for job ([0-9a-f]{32}) \(`)
	abortedLine    = regexp.MustCompile(`Failed to trigger or complete checkpoint (\d+) for job ([0-9a-f]{32})\.`)
	restoredLine   = regexp.MustCompile(`Restoring job ([0-9a-f]{32}) from (?:Checkpoint|Savepoint) (\d+) @ .* located at (\S+)\.`)
	statusLine     = regexp.MustCompile(`ExecutionGraph .*\(([0-9a-f]{32})\) switched from state (\w+) to (\w+)\.`)
	scheduledLine  = regexp.MustCompile(`ExecutionGraph .* \(\d+/\d+\) \(\w+\) switched from CREATED to SCHEDULED\.`)
	runningLine    = regexp.MustCompile(`ExecutionGraph .* \(\d+/\d+\) \(\w+\) switched from INITIALIZING to RUNNING\.`)
	registeredLine = regexp.MustCompile(`Registering TaskManager with ResourceID (\S+) `)
	schedulerLine  = regexp.MustCompile(`\.(\w+)Scheduler - Running initialization on master for job .*\(([0-9a-f]{32})\)`)
	restartingLine = regexp.MustCompile(`\.AdaptiveScheduler - Restarting job\.`)
	terminalLine   = regexp.MustCompile(`AdaptiveScheduler - Job ([0-9a-f]{32}) reached terminal state (\w+)\.`)
)

// watcher turns a JobManager's log into events. It expects that only one job runs at a time.
type watcher struct {
	job        string          // id of the job that runs
	adaptive   bool            // whether the adaptive scheduler runs the job
	restarting bool            // whether the adaptive scheduler restarts the job
	scheduled  int             // number of subtasks of this attempt that were scheduled
	running    int             // number of subtasks of this attempt that run
	registered map[string]bool // names of the TaskManagers that have registered with this JobManager
	savepoints map[int64]bool  // numbers of the savepoints that were triggered
	reason     reason

	// savepointAt returns the path of a savepoint of a job.
	savepointAt func(id string, number int64) string
}

// newWatcher returns a watcher for the log of a JobManager. The function savepointAt returns the path
// of a savepoint of a job.
func newWatcher(savepointAt func(id string, number int64) string) watcher {
	return watcher{registered: map[string]bool{}, savepoints: map[int64]bool{}, savepointAt: savepointAt}
}

// observe turns lines of the log into events. It calls tell() with each event.
func (w *watcher) observe(lines []string, tell func(history.Event)) {
	for _, line := range lines {
		if event, ok := w.read(line); ok {
			tell(event)
		}
		w.reason.read(line) // last, because a new trace follows the line that says that the job fails
	}
}

// read turns a line of the log into an event. It returns false if the line describes no event.
func (w *watcher) read(line string) (history.Event, bool) {
	if m := triggeredLine.FindStringSubmatch(line); m != nil {
		w.savepoints[number(m[1])] = strings.Contains(m[2], "Savepoint")
		event := history.Event{Kind: history.Triggered, Checkpoint: number(m[1]), ID: m[3]}
		if w.savepoints[number(m[1])] {
			event.Label = "savepoint"
		}
		return event, true
	}
	if m := completedLine.FindStringSubmatch(line); m != nil {
		return w.completed(m[2], number(m[1])), true
	}
	if m := abortedLine.FindStringSubmatch(line); m != nil {
		return history.Event{Kind: history.Aborted, Checkpoint: number(m[1]), ID: m[2]}, true
	}
	if m := restoredLine.FindStringSubmatch(line); m != nil {
		return history.Event{Kind: history.Restored, ID: m[1], Checkpoint: number(m[2]), Path: m[3]}, true
	}
	if m := registeredLine.FindStringSubmatch(line); m != nil {
		w.registered[m[1]] = true
		return history.Event{}, false
	}
	return w.readStatus(line)
}

// readStatus follows the job's status. Flink calls a job RUNNING as soon as it schedules the job's
// subtasks. For a history, a job is RUNNING once all its subtasks have restored their state and
// run.
func (w *watcher) readStatus(line string) (history.Event, bool) {
	if m := schedulerLine.FindStringSubmatch(line); m != nil {
		w.adaptive = m[1] == "Adaptive"
		// The log names the reason of a restart only. So the job is rescaled if it gets a new graph
		// and is not restarting.
		rescaled := w.adaptive && w.job == m[2] && !w.restarting
		return w.status(m[2], storage.Restarting), rescaled
	}
	if m := statusLine.FindStringSubmatch(line); m != nil {
		return w.graph(m[1], storage.JobStatus(m[3]))
	}
	if w.adaptive && restartingLine.MatchString(line) {
		w.restarting = true
		return w.status(w.job, storage.Restarting), true
	}
	if m := terminalLine.FindStringSubmatch(line); m != nil { // the job may not have got any graph
		return w.status(m[1], storage.JobStatus(m[2])), true
	}
	if scheduledLine.MatchString(line) {
		w.scheduled++
	}
	if runningLine.MatchString(line) {
		if w.running++; w.running == w.scheduled {
			w.restarting = false
			return history.Event{Kind: history.Status, ID: w.job, Status: storage.Running}, true
		}
	}
	return history.Event{}, false
}

// graph returns the event for a new status of an execution graph. The default scheduler has one
// graph for a job, so the graph's status is the job's. The adaptive scheduler cancels a graph and
// makes a new one if it restarts or rescales the job.
func (w *watcher) graph(id string, status storage.JobStatus) (history.Event, bool) {
	if status != storage.Running {
		w.scheduled, w.running = 0, 0
		return w.status(id, status), !w.adaptive
	}
	w.job = id
	return history.Event{}, false
}

// status returns the event for a job's new status. If the job fails or restarts, the event says why.
func (w *watcher) status(id string, status storage.JobStatus) history.Event {
	event := history.Event{Kind: history.Status, ID: id, Status: status}
	if slices.Contains([]storage.JobStatus{storage.Failing, storage.Failed, storage.Restarting}, status) {
		event.Error = w.reason.text()
	}
	return event
}

// completed returns the event for a completed checkpoint or savepoint.
func (w *watcher) completed(id string, number int64) history.Event {
	if w.savepoints[number] {
		return history.Event{Kind: history.Savepointed, Checkpoint: number, ID: id, Path: w.savepointAt(id, number)}
	}
	return history.Event{Kind: history.Completed, Checkpoint: number, ID: id}
}

func number(digits string) int64 {
	n, _ := strconv.ParseInt(digits, 10, 64) // cannot fail, because the pattern matches only digits
	return n
}
