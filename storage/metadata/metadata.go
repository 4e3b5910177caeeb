// Package metadata reads and writes Apache Flink's `_metadata` file: the operators
// of a job, and for each of their subtasks the handles that say where its state
// lies.
//
// It reads the versions 2 (Flink 1.3) to 6 (Flink 2.3), and writes each as Flink
// does; what was read is written back byte for byte. The format has no checksum, and
// most flipped bits load silently in Flink. Here everything that no Flink ever wrote is
// an error that names the offset, what was wanted and what was found. A file that is not
// damaged but cannot be read is an error with a reason: it says what the file is, and
// what to do.
//
// It is only the codec: no file that a handle names is looked at. That is package
// audit's.
//
// Start with [Checkpoint], then [Decode] and [Error]; layout.go describes the format, once for
// both directions.
package metadata

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// SizeMax bounds what [Decode] accepts, in bytes. State that lies inline counts.
const SizeMax = 1 << 30

// The versions of the format that are read and written.
const (
	VersionMin = 2 // Flink 1.3 to 1.10
	Version3   = 3 // Flink 1.11 to 1.15: coordinator and channel state
	Version4   = 4 // Flink 1.16 to 1.20: properties
	Version5   = 5 // Flink 2.0: names and uids of operators
	Version    = 6 // Flink 2.1 to 2.3: merged channel state; the newest
)

// Checkpoint is the content of one `_metadata` file.
type Checkpoint struct {
	Version      int32
	ID           int64
	MasterStates []MasterState
	Operators    []Operator
	Properties   *Properties // nil before version 4, and if Flink wrote null
	Trailing     []byte      // what follows; Flink ignores it and never writes any
}

// MasterState is what a hook of the job's master put into the checkpoint.
type MasterState struct {
	Version int32
	Name    string
	Data    []byte
}

// OperatorID is what Flink knows an operator by.
type OperatorID [16]byte

func (id OperatorID) String() string { return hex.EncodeToString(id[:]) }

// Operator is the state of one operator of the job.
type Operator struct {
	Name, UID      string // empty before version 5, which does not record them
	ID             OperatorID
	Parallelism    int32
	MaxParallelism int32
	Coordinator    Stream // nil if there is none
	FullyFinished  bool   // then there are no subtasks
	ChainLength    int32  // of version 2; no Flink reads it, all write 1
	Subtasks       []Subtask
}

// Label is what people call the operator: its uid where that is known, else its id.
func (o *Operator) Label() string {
	if o.UID != "" {
		return o.UID
	}
	return o.ID.String()
}

// Subtask is the state of one subtask. One without state may not be recorded at all.
type Subtask struct {
	Index           int32
	Finished        bool           // then it has no state
	Duration        int64          // of version 2; no Flink reads it, all write -1
	ManagedOperator OperatorHandle // nil if there is none, as for the next three
	RawOperator     OperatorHandle
	ManagedKeyed    KeyedHandle
	RawKeyed        KeyedHandle
	Inputs          []Channel // records that were on their way to the subtask
	Outputs         []Channel // and from it
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

// Subtask returns the state of the subtask with the given index. One that has none
// is not an error.
func (o *Operator) Subtask(index int) Subtask {
	for _, subtask := range o.Subtasks {
		if subtask.Index == int32(index) {
			return subtask
		}
	}
	return Subtask{Index: int32(index)}
}

// Encode returns the bytes of a `_metadata` file in the checkpoint's version. A
// checkpoint that [Decode] would refuse is not encoded.
func Encode(checkpoint Checkpoint) ([]byte, error) {
	c := &codec{}
	c.file(&checkpoint)
	if c.err != nil {
		return nil, fmt.Errorf("encode _metadata: %w", c.err)
	}
	return c.data, nil
}

// Begins says whether bytes are how a `_metadata` file begins: four of them are enough.
func Begins(data []byte) bool { return len(data) >= 4 && binary.BigEndian.Uint32(data) == magic }

// Decode reads the bytes of a `_metadata` file. What it returns keeps parts of data.
// The error wraps an [Error].
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
