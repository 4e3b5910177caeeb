// Package history records what happened in one run, as a list of events. New events are only
// appended to the list. Each line of the file is one JSON object. The history is written during the
// run, and can be judged again at any later time.
//
// A history holds what was asked and answered, what was observed from outside, and what was
// found on storage and in the output. It judges nothing: package oracle does.
//
// Start with [Recorder] to write a history, and with [Read] to read one.
package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage"
)

// Schema names the format of a history file.
const Schema = "snapback/history/1"

const lineMax = 64 << 20 // bytes

// Header is the first line of a history. Together with the events it holds all that is needed to
// judge the run.
type Header struct {
	Schema   string             `json:"schema"`
	Scenario scenarios.Scenario `json:"scenario"`
	Target   Target             `json:"target"`
	Seed     uint64             `json:"seed"`
	Try      int                `json:"try"` // the first is 1
}

// Target describes the target on which the scenario ran.
type Target struct {
	Name     string    `json:"name"`
	Runtime  string    `json:"runtime"`
	Version  string    `json:"version,omitempty"`
	Next     string    `json:"next,omitempty"`    // the version to which scenarios upgrade; empty: the user named none
	Image    string    `json:"image,omitempty"`   // image of the containers
	Storage  string    `json:"storage,omitempty"` // where checkpoints go; empty: the run directory
	Promises []Promise `json:"promises,omitempty"`
}

// KeepsDirectories says whether the directories that a job's checkpoints share exist even if
// they are empty. An object store has no empty directories, and state in the JobManager's
// memory needs no directories.
func (t Target) KeepsDirectories() bool {
	return t.Storage == "" || strings.HasPrefix(t.Storage, "file:") || strings.HasPrefix(t.Storage, "hdfs:")
}

// Versions names the version, and the one to which scenarios upgrade: OLD or OLD:NEW.
func (t Target) Versions() string {
	if t.Next == "" {
		return t.Version
	}
	return t.Version + ":" + t.Next
}

func (t Target) String() string {
	text := strings.TrimSpace(t.Name+" "+t.Versions()) + " (" + t.Runtime
	if t.Storage != "" {
		text += ", " + t.Storage
	}
	return text + ")"
}

// Promise is something that this target must always fulfil, though other targets need not.
type Promise string

// The promises.
const (
	// NoOrphans: once a job has ended and storage no longer changes, the job's directory
	// holds only files of checkpoints that are kept.
	NoOrphans Promise = "no-orphans"
	// Intact: at every instant, a _metadata that can be read refers only to files that
	// exist.
	Intact Promise = "intact"
	// NoTrace: a refused resume leaves nothing on storage, not even an empty directory.
	NoTrace Promise = "no-trace"
	// InOrder: records keep their order even if records in flight are restored with another
	// parallelism.
	InOrder Promise = "in-order"
	// Subtasks: each subtask tells from which checkpoint it was restored.
	Subtasks Promise = "subtasks"
	// Reasons: for each aborted checkpoint, the target tells the reason.
	Reasons Promise = "reasons"
	// Leaders: with high availability, the target tells which JobManager leads.
	Leaders Promise = "leaders"
)

// Kind says what an event is about.
type Kind string

// These events say what was asked and answered. Each comment names the fields that the event has.
const (
	Submit    Kind = "submit"    // job; from, path and checkpoint say what the job resumes from
	Accepted  Kind = "accepted"  // job, id
	Refused   Kind = "refused"   // job, error
	Cancel    Kind = "cancel"    // job
	Fail      Kind = "fail"      // job
	Trigger   Kind = "trigger"   // job; checkpoint, or error if no checkpoint was taken
	Fault     Kind = "fault"     // fault, process; operation and phase, if it fired at an operation on storage
	Started   Kind = "started"   // process
	Savepoint Kind = "savepoint" // job; label says how the job stops; path, or error if no savepoint was taken
	Suspend   Kind = "suspend"   // job
	Missed    Kind = "missed"    // error says what can no longer happen; this is nobody's mistake
	GaveUp    Kind = "gave-up"   // label says what the run waited for in vain, and waited for how long; error says what is stuck
	Damage    Kind = "damage"    // path below the checkpoint root; label says what was done to the file
	ReadAll   Kind = "read-all"  // job: it has read its whole input, but it does not finish, so it is drained
	Upgraded  Kind = "upgraded"  // label is the version of the cluster that runs from now on
)

// These events say what was observed. They name the job by its id.
const (
	Status      Kind = "status"      // id, status, error
	Restored    Kind = "restored"    // id, checkpoint, path; label is the attempt, if the target tells it
	Subtask     Kind = "subtask"     // id; process is the subtask, and label its attempt; path is the directory of the checkpoint that it was restored from, or empty
	Triggered   Kind = "triggered"   // id, checkpoint; label is savepoint for a savepoint
	Completed   Kind = "completed"   // id, checkpoint
	Aborted     Kind = "aborted"     // id, checkpoint, error; label is Flink's name of the reason, if the target tells it
	Savepointed Kind = "savepointed" // id, checkpoint, path
	Leads       Kind = "leads"       // process; this JobManager leads from now on
)

// These events say what was found on storage and in the output.
const (
	Storage   Kind = "storage"   // label, tree
	Output    Kind = "output"    // job, path, lines
	Progress  Kind = "progress"  // job, path, size
	InFlight  Kind = "in-flight" // id, checkpoint; size: bytes of the records in flight that an unaligned checkpoint holds
	Committed Kind = "committed" // transactions, those that were aborted too, in the order of the output
	Audit     Kind = "audit"     // dangling; an audit after a storage event also has label, orphans, foreign, gone and described
)

// AfterPowerLoss is the label of the events that say what was found on storage after a power
// loss, before any process ran again.
const AfterPowerLoss = "after the power loss"

// Event is one thing that happened. Fields that do not apply are empty.
type Event struct {
	Number     int               `json:"n"`
	AtMicros   int64             `json:"at_us"` // microseconds since the run began, by the cluster's clock
	Kind       Kind              `json:"kind"`
	Job        string            `json:"job,omitempty"` // the scenario's name for the job
	ID         string            `json:"id,omitempty"`  // the job's id
	Label      string            `json:"label,omitempty"`
	Process    string            `json:"process,omitempty"`
	Fault      string            `json:"fault,omitempty"`
	Operation  string            `json:"operation,omitempty"`
	Phase      string            `json:"phase,omitempty"`
	Checkpoint int64             `json:"checkpoint,omitempty"`
	Status     storage.JobStatus `json:"status,omitempty"`
	From       string            `json:"from,omitempty"` // the scenario's name for the job from whose checkpoint this job resumes
	Path       string            `json:"path,omitempty"`
	Size       int64             `json:"size,omitempty"` // bytes
	Error      string            `json:"error,omitempty"`
	Waited     int64             `json:"waited_us,omitempty"` // microseconds
	Tree       []Entry           `json:"tree,omitempty"`
	Lines      []string          `json:"lines,omitempty"`
	Dangling   []string          `json:"dangling,omitempty"` // missing files that a _metadata refers to
	Orphans    []string          `json:"orphans,omitempty"`  // files below a job's directory that no _metadata refers to
	Foreign    []string          `json:"foreign,omitempty"`  // checkpoints that refer to files outside of their job's directory
	Gone       []string          `json:"gone,omitempty"`     // savepoints that were taken but no longer exist
	Described  []Described       `json:"described,omitempty"`

	Transactions []Transaction `json:"transactions,omitempty"`
}

// Transaction is a transaction that was committed or aborted in one partition of an engine's output.
// The times are microseconds since the run began.
type Transaction struct {
	BeganMicros     int64 `json:"began_us"`               // when its first record was written
	CommittedMicros int64 `json:"committed_us,omitempty"` // 0 if it was aborted
	AbortedMicros   int64 `json:"aborted_us,omitempty"`   // 0 if it was committed
}

// At returns the time from the beginning of the run to the event.
func (e Event) At() time.Duration { return time.Duration(e.AtMicros) * time.Microsecond }

// Entry is a file or directory found below the checkpoint root.
type Entry struct {
	Path      string `json:"path"` // path below the checkpoint root
	Directory bool   `json:"dir,omitempty"`
	Size      int64  `json:"size,omitempty"`   // bytes
	Digest    string `json:"digest,omitempty"` // SHA-256 of a file, hexadecimal
}

// Described is what the `_metadata` of a checkpoint or savepoint says.
type Described struct {
	Path      string      `json:"path"` // the directory; relative to the checkpoint root, if it lies there
	ID        int64       `json:"id"`
	InlineMax int64       `json:"inline_max,omitempty"` // the size of the largest piece of state in `_metadata` itself, in bytes
	Operators []Operator  `json:"operators,omitempty"`
	Files     []Reference `json:"files,omitempty"`
}

// Operator is an operator in a checkpoint.
type Operator struct {
	ID             string         `json:"id"` // hexadecimal
	Parallelism    int32          `json:"parallelism"`
	ParallelismMax int32          `json:"max"`
	Subtasks       []SubtaskState `json:"subtasks,omitempty"` // without those that are finished
}

// SubtaskState is the state of a subtask in a checkpoint.
type SubtaskState struct {
	Index  int32      `json:"index"`
	Groups *KeyGroups `json:"groups,omitempty"` // of the managed keyed state; nil if there is none
}

// KeyGroups is a range of key groups.
type KeyGroups struct {
	First  int32 `json:"first"`
	Number int32 `json:"number"`
}

// Reference is a file to which a checkpoint refers.
type Reference struct {
	Path  string `json:"path"`           // relative to the checkpoint root, if it lies there
	Part  bool   `json:"part,omitempty"` // whether the checkpoint refers to a part of the file only
	Size  int64  `json:"size"`           // the size that `_metadata` says, in bytes; -1 if it says none
	Found int64  `json:"found"`          // the size of the file, in bytes; -1 if there is no file
}

// History is a whole run.
type History struct {
	Header Header
	Events []Event
}

// Recorder appends to a history, and writes each event at once. So if a run is cut short, its
// history holds all events until then.
type Recorder struct {
	History
	encoder *json.Encoder
}

// NewRecorder begins a history.
func NewRecorder(w io.Writer, header Header) (*Recorder, error) {
	header.Schema = Schema
	r := &Recorder{History: History{Header: header}, encoder: json.NewEncoder(w)}
	r.encoder.SetEscapeHTML(false)
	return r, r.encoder.Encode(header)
}

// Fork returns a recorder that begins with a copy of the events so far. The new recorder writes to
// no file.
func (r *Recorder) Fork(header Header) *Recorder {
	header.Schema = Schema
	return &Recorder{History: History{Header: header, Events: slices.Clone(r.Events)}, encoder: json.NewEncoder(io.Discard)}
}

// Record appends an event at the given time of the cluster's clock.
func (r *Recorder) Record(at time.Duration, event Event) error {
	event.Number, event.AtMicros = len(r.Events)+1, at.Microseconds()
	r.Events = append(r.Events, event)
	return r.encoder.Encode(event)
}

// Read reads a history.
func Read(from io.Reader) (*History, error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, lineMax)
	if !lines.Scan() {
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("read history: line 1: %w", err)
		}
		return nil, errors.New("read history: want a header, got nothing")
	}
	h := &History{}
	if err := json.Unmarshal(lines.Bytes(), &h.Header); err != nil {
		return nil, fmt.Errorf("read history: line 1: %w", err)
	}
	if h.Header.Schema != Schema {
		return nil, fmt.Errorf("read history: line 1: want schema %q, got %q", Schema, h.Header.Schema)
	}
	for lines.Scan() {
		var event Event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("read history: line %d: %w", len(h.Events)+2, err)
		}
		h.Events = append(h.Events, event)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read history: line %d: %w", len(h.Events)+2, err)
	}
	return h, nil
}
