package metadata

import (
	"errors"
	"fmt"
)

// Error says what is wrong with a file, and where in the file.
type Error struct {
	Reason error  // why an undamaged file is refused, for example ErrTooOld; nil if the bytes are damaged
	Offset int64  // offset of the wrong bytes from the beginning of the file
	What   string // name of the wrong part of the file, after the names of the parts around it
	Want   string
	Got    string
}

func (e *Error) Error() string {
	bytes := fmt.Sprintf("%s at offset %d: want %s, got %s", e.What, e.Offset, e.Want, e.Got)
	if e.Reason == nil {
		return bytes
	}
	return fmt.Sprintf("%v: %s", e.Reason, bytes)
}

func (e *Error) Unwrap() error { return e.Reason }

// Each of these reasons says why a file is refused although it is not damaged.
var (
	ErrNotMetadata = errors.New("the file is not checkpoint metadata: it does not begin with the magic number of Flink's _metadata files;" +
		" give the directory of a checkpoint, or the _metadata file in it")

	// Flink 1.2 and 1.3 read version 0; Flink 1.2 to 1.10 read version 1.
	ErrTooOld = errors.New("written by Flink 1.1 or 1.2, and Flink 1.11 and later do not read it:" +
		" restore it with Flink 1.3, take a savepoint there, and upgrade from that savepoint step by step")

	ErrTooNew = errors.New("written by a Flink newer than 2.3, or the version number is damaged:" +
		" read it with a newer release, or use another checkpoint")

	ErrLegacyState = errors.New("legacy state (from Flink <= 1.1, created through the 'Checkpointed' interface) is no longer supported since Flink 1.4:" +
		" restore the file with Flink 1.3, let the function implement CheckpointedFunction and CheckpointedRestoring, and take a savepoint there")
)
