package protocol

import (
	"time"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/metadata"
)

// Data is an element on a channel to a subtask downstream. The elements of a channel are numbered
// from 1, so that the receiver notices a lost element.
type Data struct {
	Channel int
	Number  uint64
	Element Element
}

// Element is a barrier, a watermark, the end of a channel or, if none of these fields is set, a
// record.
type Element struct {
	Record    dataflow.Record
	Barrier   *Barrier
	Watermark *int64
	End       bool // no records follow on this channel
}

// IsRecord says whether an element is a record.
func (e Element) IsRecord() bool { return e.Barrier == nil && e.Watermark == nil && !e.End }

// Barrier separates the records before a checkpoint from the records after it.
type Barrier struct {
	Checkpoint int64
	Newest     int64              // id of the checkpoint that was the newest complete one when this checkpoint was triggered
	Target     checkpoints.Target // the place on storage to which the state is written
	Kind       state.Kind
	Stop       Stop
	Unaligned  bool // whether the barrier overtakes records
	// AlignmentTimeout is the time after which an aligned barrier begins to overtake records; 0
	// means that the barrier never does this.
	AlignmentTimeout time.Duration
}

// Credit permits the sender of a channel to send more records. It goes from the receiver to the
// sender.
type Credit struct{ Records int }

// Written says that the asynchronous part of a snapshot is written. The task that wrote the
// snapshot sends this message to its own subtask.
type Written struct {
	Checkpoint int64
	State      metadata.Subtask
	Error      string
}
