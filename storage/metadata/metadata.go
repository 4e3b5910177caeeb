// Package metadata reads and writes Apache Flink's `_metadata` file. The file lists the operators
// of a job. For each subtask of an operator it contains handles. A handle says where a piece of
// state is.
//
// The package reads the versions 2 (Flink 1.3) to 6 (Flink 2.3), and writes each version as Flink
// does. If a caller decodes a file and encodes the result, the bytes are the same. The format has
// no checksum, and Flink loads most files with a flipped bit without an error. This package returns
// an error for everything that no Flink ever wrote. The error names the offset, the wanted value
// and the found value. Some files are not damaged but are refused. Then the error has a reason,
// which says what the file is and what the user can do.
//
// The package does not open the files that handles name; package audit does.
//
// Start with [Checkpoint], then [Decode] and [Error]. The file layout.go describes the format only
// once, for both reading and writing.
package metadata

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// SizeMax is the size in bytes of the largest file that [Decode] accepts. State inside the file
// counts.
const SizeMax = 1 << 30

// Versions of the format.
const (
	VersionMin = 2 // Flink 1.3 to 1.10
	Version3   = 3 // Flink 1.11 to 1.15; adds coordinator and channel state
	Version4   = 4 // Flink 1.16 to 1.20; adds properties
	Version5   = 5 // Flink 2.0; adds names and uids of operators
	Version    = 6 // Flink 2.1 to 2.3, the newest; adds merged channel state
)

// Checkpoint is the content of one `_metadata` file.
type Checkpoint struct {
	Version      int32
	ID           int64
	MasterStates []MasterState
	Operators    []Operator
	Properties   *Properties // nil before version 4, and if Flink wrote null
	Trailing     []byte      // bytes after the end of the format; Flink ignores such bytes and never writes them
}

// MasterState is state that a hook on the JobManager (Flink's MasterTriggerRestoreHook) added to
// the checkpoint.
type MasterState struct {
	Version int32
	Name    string
	Data    []byte
}

// OperatorID is the id that Flink gives to an operator.
type OperatorID [16]byte

func (id OperatorID) String() string { return hex.EncodeToString(id[:]) }

// Operator is the state of one operator of the job.
type Operator struct {
	Name, UID      string // both are empty before version 5
	ID             OperatorID
	Parallelism    int32
	MaxParallelism int32
	Coordinator    Stream // state of the operator's coordinator; nil if it has no state
	FullyFinished  bool   // true if all subtasks have finished; then Subtasks is empty
	ChainLength    int32  // only in version 2; Flink ignores this field when it reads, and writes 1
	Subtasks       []Subtask
}

// Label returns a text that names the operator: the uid, or the id if the uid is not known.
func (o *Operator) Label() string {
	if o.UID != "" {
		return o.UID
	}
	return o.ID.String()
}

// Subtask is the state of one subtask. A checkpoint may omit a subtask that has no state.
type Subtask struct {
	Index           int32
	Finished        bool           // true if the subtask has finished; then it has no state
	Duration        int64          // only in version 2; Flink ignores this field when it reads, and writes -1
	ManagedOperator OperatorHandle // this field and the next three are nil if the subtask has no such state
	RawOperator     OperatorHandle
	ManagedKeyed    KeyedHandle
	RawKeyed        KeyedHandle
	Inputs          []Channel // records in flight to the subtask
	Outputs         []Channel // records in flight from the subtask
}

// Operator returns the state of the operator with the given uid.
func (c *Checkpoint) Operator(uid string) (*Operator, error) {
	for i := range c.Operators {
		if c.Operators[i].UID == uid {
			return &c.Operators[i], nil
		}
	}
	return nil, fmt.Errorf("checkpoint %d holds no state of operator %q", c.ID, uid)
}

// Subtask returns the state of the subtask with the given index. If the checkpoint does not contain
// this subtask, only the index of the result is set.
func (o *Operator) Subtask(index int) Subtask {
	for _, subtask := range o.Subtasks {
		if subtask.Index == int32(index) {
			return subtask
		}
	}
	return Subtask{Index: int32(index)}
}

// Encode returns the bytes of a `_metadata` file in the version that the checkpoint names. It fails
// if [Decode] would refuse these bytes.
func Encode(checkpoint Checkpoint) ([]byte, error) {
	c := &codec{}
	c.file(&checkpoint)
	if c.err != nil {
		return nil, fmt.Errorf("encode _metadata: %w", c.err)
	}
	return c.data, nil
}

// Begins says whether data has the beginning of a `_metadata` file. It looks only at the first four
// bytes.
func Begins(data []byte) bool { return len(data) >= 4 && binary.BigEndian.Uint32(data) == magic }

// Decode reads the bytes of a `_metadata` file. The result shares memory with data, so the caller
// must not change data. The error wraps an [Error].
func Decode(data []byte) (Checkpoint, error) {
	c := &codec{reading: true, data: data}
	var checkpoint Checkpoint
	if len(data) > SizeMax {
		return Checkpoint{}, fmt.Errorf("decode _metadata: %w", &Error{
			Offset: SizeMax, What: "file", Want: fmt.Sprintf("at most %d bytes", SizeMax), Got: fmt.Sprint(len(data)),
		})
	}
	c.file(&checkpoint)
	if c.err != nil {
		return Checkpoint{}, fmt.Errorf("decode _metadata: %w", c.err)
	}
	return checkpoint, nil
}
