// Package metadata reads and writes the `_metadata` file that makes a directory
// of state a checkpoint: which operators there were, and where the state of each
// of their subtasks lies.
//
// The encoding is provisional: JSON of our own, until Flink's binary format takes
// its place. Nothing outside this package knows the encoding.
//
// Start with [Checkpoint].
package metadata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
)

// SizeMax bounds what [Decode] accepts, in bytes.
const SizeMax = 64 << 20

const format = "snapback/metadata/0"

// Checkpoint is the content of one `_metadata` file.
type Checkpoint struct {
	ID        int64      `json:"checkpointId"`
	Workload  string     `json:"workload"` // whose state this is
	Operators []Operator `json:"operators"`
}

// Operator is the state of one operator of the job.
type Operator struct {
	UID         string    `json:"uid"`
	Parallelism int       `json:"parallelism"`
	Subtasks    []Subtask `json:"subtasks"` // by index, one for each of Parallelism
}

// Subtask is the state of one subtask.
type Subtask struct {
	Index int    `json:"index"`
	State Handle `json:"state"`
}

// Handle says where a piece of state lies.
type Handle struct {
	File string `json:"file"` // relative to the directory of `_metadata`
	Size int64  `json:"size"` // bytes
}

type document struct {
	Format string `json:"format"`
	Checkpoint
}

// Operator returns the state of the operator with the given uid.
func (c Checkpoint) Operator(uid string) (Operator, error) {
	for _, operator := range c.Operators {
		if operator.UID == uid {
			return operator, nil
		}
	}
	return Operator{}, fmt.Errorf("chk-%d holds no state of operator %q", c.ID, uid)
}

// Files returns every file the checkpoint refers to, in the order recorded.
func (c Checkpoint) Files() []Handle {
	var files []Handle
	for _, operator := range c.Operators {
		for _, subtask := range operator.Subtasks {
			files = append(files, subtask.State)
		}
	}
	return files
}

// Encode returns the bytes of a `_metadata` file. A checkpoint that [Decode]
// would refuse is not encoded.
func Encode(checkpoint Checkpoint) ([]byte, error) {
	if err := checkpoint.validate(); err != nil {
		return nil, fmt.Errorf("encode _metadata: %w", err)
	}
	data, err := json.MarshalIndent(document{format, checkpoint}, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode _metadata: %w", err)
	}
	return append(data, '\n'), nil
}

// Decode reads the bytes of a `_metadata` file.
func Decode(data []byte) (Checkpoint, error) {
	if len(data) > SizeMax {
		return Checkpoint{}, fmt.Errorf("decode _metadata: want at most %d bytes, got %d", SizeMax, len(data))
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var read document
	if err := decoder.Decode(&read); err != nil {
		return Checkpoint{}, fmt.Errorf("decode _metadata at offset %d of %d: %w", decoder.InputOffset(), len(data), err)
	}
	if read.Format != format {
		return Checkpoint{}, fmt.Errorf("decode _metadata: want format %q, got %q", format, read.Format)
	}
	if err := read.validate(); err != nil {
		return Checkpoint{}, fmt.Errorf("decode _metadata: %w", err)
	}
	return read.Checkpoint, nil
}

func (c Checkpoint) validate() error {
	if c.ID < 1 {
		return fmt.Errorf("checkpointId: want 1 or more, got %d", c.ID)
	}
	for _, operator := range c.Operators {
		if len(operator.Subtasks) != operator.Parallelism {
			return fmt.Errorf("operator %q: want %d subtasks, got %d", operator.UID, operator.Parallelism, len(operator.Subtasks))
		}
		for i, subtask := range operator.Subtasks {
			if subtask.Index != i {
				return fmt.Errorf("operator %q: want subtask %d, got %d", operator.UID, i, subtask.Index)
			}
			if file := subtask.State.File; path.Base(file) != file || file == "." || file == ".." {
				return fmt.Errorf("operator %q, subtask %d: want the name of a file beside _metadata, got %q", operator.UID, i, file)
			}
		}
	}
	return nil
}
