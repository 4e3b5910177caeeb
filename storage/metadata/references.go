package metadata

import (
	"fmt"
	"iter"
)

// Reference is one stream to which a checkpoint refers, and the operator and subtask that own the
// stream.
type Reference struct {
	Operator *Operator
	Subtask  int    // index of the subtask; [CoordinatorSubtask] if the operator's coordinator owns the stream
	State    string // a text that names the part of the owner's state
	Stream   Stream
	// Whether the stream belongs to a changelog. The recorded size of such a stream is not the size
	// of its file: it is the size before compression, without the first byte.
	Changelog bool
}

// CoordinatorSubtask is the value of [Reference.Subtask] if the operator's coordinator owns the
// stream.
const CoordinatorSubtask = -1

// References yields all streams, in the order in which the file lists them.
func (c *Checkpoint) References() iter.Seq[Reference] {
	return func(yield func(Reference) bool) {
		for i := range c.Operators {
			if !c.Operators[i].references(yield) {
				return
			}
		}
	}
}

// walk yields streams until the caller ends its loop.
type walk struct {
	reference Reference
	yield     func(Reference) bool
	ended     bool
}

func (o *Operator) references(yield func(Reference) bool) bool {
	w := &walk{yield: yield, reference: Reference{Operator: o, Subtask: CoordinatorSubtask}}
	w.stream("coordinator state", o.Coordinator)
	for i := range o.Subtasks {
		s := &o.Subtasks[i]
		w.reference.Subtask = int(s.Index)
		w.operatorHandle("managed operator state", s.ManagedOperator)
		w.operatorHandle("raw operator state", s.RawOperator)
		w.keyed("managed keyed state", s.ManagedKeyed)
		w.keyed("raw keyed state", s.RawKeyed)
		for _, channel := range s.Inputs {
			w.stream("records in an input channel", channel.Stream)
		}
		for _, channel := range s.Outputs {
			w.stream("records in an output channel", channel.Stream)
		}
	}
	return !w.ended
}

func (w *walk) stream(state string, s Stream) {
	if s == nil || w.ended {
		return
	}
	if nested, ok := s.(*KeyGroups); ok {
		w.stream(state, nested.Stream)
		return
	}
	w.reference.State, w.reference.Stream = state, s
	w.ended = !w.yield(w.reference)
}

func (w *walk) operatorHandle(state string, h OperatorHandle) {
	switch h := h.(type) {
	case *OperatorList:
		w.stream(state, h.Stream)
	case *FileMergingOperator:
		w.stream(state, h.Stream)
	}
}

func (w *walk) keyed(state string, h KeyedHandle) {
	switch h := h.(type) {
	case *KeyGroups:
		w.stream(state, h.Stream)
	case *Incremental:
		w.stream(state+": the backend's metadata", h.Meta)
		for _, files := range [][]LocalFile{h.Shared, h.Private} {
			for _, file := range files {
				w.stream(fmt.Sprintf("%s: %s", state, file.LocalPath), file.Stream)
			}
		}
	case *Changelog:
		for _, materialized := range h.Materialized {
			w.keyed(state+", materialized", materialized)
		}
		for _, changes := range h.Changes {
			w.keyed(state+", changes", changes)
		}
	case *ChangelogFiles:
		w.reference.Changelog = true
		for _, s := range h.Streams {
			w.stream(state, s.Stream)
		}
		w.reference.Changelog = false
	}
}

// InlineSize returns the number of bytes of state that are inside the `_metadata` file itself.
func (c *Checkpoint) InlineSize() int64 {
	var size int64
	for reference := range c.References() {
		if s, ok := reference.Stream.(*ByteStream); ok {
			size += int64(len(s.Data))
		}
	}
	return size
}
